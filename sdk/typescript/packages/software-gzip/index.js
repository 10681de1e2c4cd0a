/** gzip, gunzip and zcat. */
export default Object.freeze({
	"name": "gzip",
	"type": "commands"
});
