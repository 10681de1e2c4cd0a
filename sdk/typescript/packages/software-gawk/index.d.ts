/** awk. */
declare const software: { readonly name: "gawk"; readonly type: "commands" };
export default software;
