/** tree. */
declare const software: { readonly name: "tree"; readonly type: "commands" };
export default software;
