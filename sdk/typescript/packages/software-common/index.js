/** The bundled shell and tools: coreutils with sh, sed, grep, gawk, findutils, diffutils, tar, gzip. */
export default Object.freeze({
	"name": "common",
	"type": "commands"
});
