/** awk. */
export default Object.freeze({
	"name": "gawk",
	"type": "commands"
});
