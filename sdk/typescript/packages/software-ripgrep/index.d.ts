/** rg, a fast recursive grep. */
declare const software: { readonly name: "ripgrep"; readonly type: "commands" };
export default software;
