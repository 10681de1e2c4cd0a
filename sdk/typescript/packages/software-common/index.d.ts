/** The bundled shell and tools: coreutils with sh, sed, grep, gawk, findutils, diffutils, tar, gzip. */
declare const software: { readonly name: "common"; readonly type: "commands" };
export default software;
