/** zip. */
export default Object.freeze({
	"name": "zip",
	"type": "commands"
});
