/** cmp, diff and comm. */
export default Object.freeze({
	"name": "diffutils",
	"type": "commands"
});
