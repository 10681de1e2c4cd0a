/** unzip and zipinfo. */
export default Object.freeze({
	"name": "unzip",
	"type": "commands"
});
