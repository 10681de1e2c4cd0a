/** sqlite3. */
declare const software: { readonly name: "sqlite3"; readonly type: "commands" };
export default software;
