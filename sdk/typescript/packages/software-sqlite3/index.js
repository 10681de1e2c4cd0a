/** sqlite3. */
export default Object.freeze({
	"name": "sqlite3",
	"type": "commands"
});
