/** yq, for YAML. */
declare const software: { readonly name: "yq"; readonly type: "commands" };
export default software;
