/** grep, egrep and fgrep. */
declare const software: { readonly name: "grep"; readonly type: "commands" };
export default software;
