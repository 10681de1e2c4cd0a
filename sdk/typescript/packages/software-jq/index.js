/** jq, for JSON. */
export default Object.freeze({
	"name": "jq",
	"type": "commands"
});
