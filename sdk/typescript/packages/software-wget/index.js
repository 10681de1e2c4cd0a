/** wget. */
export default Object.freeze({
	"name": "wget",
	"type": "commands"
});
