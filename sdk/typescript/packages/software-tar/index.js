/** tar. */
export default Object.freeze({
	"name": "tar",
	"type": "commands"
});
