/** sed. */
declare const software: { readonly name: "sed"; readonly type: "commands" };
export default software;
