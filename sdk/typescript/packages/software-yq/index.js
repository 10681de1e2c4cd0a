/** yq, for YAML. */
export default Object.freeze({
	"name": "yq",
	"type": "commands"
});
