/** zip. */
declare const software: { readonly name: "zip"; readonly type: "commands" };
export default software;
