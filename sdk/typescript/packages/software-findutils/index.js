/** find and xargs. */
export default Object.freeze({
	"name": "findutils",
	"type": "commands"
});
