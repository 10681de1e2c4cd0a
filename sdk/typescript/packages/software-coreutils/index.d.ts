/** sh and the basic tools for files, text and processes. */
declare const software: { readonly name: "coreutils"; readonly type: "commands" };
export default software;
