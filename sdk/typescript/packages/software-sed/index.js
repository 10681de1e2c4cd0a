/** sed. */
export default Object.freeze({
	"name": "sed",
	"type": "commands"
});
