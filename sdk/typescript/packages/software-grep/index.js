/** grep, egrep and fgrep. */
export default Object.freeze({
	"name": "grep",
	"type": "commands"
});
