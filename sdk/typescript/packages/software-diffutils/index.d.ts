/** cmp, diff and comm. */
declare const software: { readonly name: "diffutils"; readonly type: "commands" };
export default software;
