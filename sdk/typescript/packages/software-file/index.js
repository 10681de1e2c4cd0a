/** file, which tells what files hold. */
export default Object.freeze({
	"name": "file",
	"type": "commands"
});
