/** jq, for JSON. */
declare const software: { readonly name: "jq"; readonly type: "commands" };
export default software;
