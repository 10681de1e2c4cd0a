/** sh and the basic tools for files, text and processes. */
export default Object.freeze({
	"name": "coreutils",
	"type": "commands"
});
