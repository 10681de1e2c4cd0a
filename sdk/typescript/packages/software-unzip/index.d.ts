/** unzip and zipinfo. */
declare const software: { readonly name: "unzip"; readonly type: "commands" };
export default software;
