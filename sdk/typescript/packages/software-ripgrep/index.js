/** rg, a fast recursive grep. */
export default Object.freeze({
	"name": "ripgrep",
	"type": "commands"
});
