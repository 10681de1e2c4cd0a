/** wget. */
declare const software: { readonly name: "wget"; readonly type: "commands" };
export default software;
