/** tar. */
declare const software: { readonly name: "tar"; readonly type: "commands" };
export default software;
