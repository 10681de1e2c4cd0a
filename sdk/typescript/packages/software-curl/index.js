/** curl. */
export default Object.freeze({
	"name": "curl",
	"type": "commands"
});
