/** gzip, gunzip and zcat. */
declare const software: { readonly name: "gzip"; readonly type: "commands" };
export default software;
