/** tree. */
export default Object.freeze({
	"name": "tree",
	"type": "commands"
});
