/** find and xargs. */
declare const software: { readonly name: "findutils"; readonly type: "commands" };
export default software;
