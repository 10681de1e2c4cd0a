/** curl. */
declare const software: { readonly name: "curl"; readonly type: "commands" };
export default software;
