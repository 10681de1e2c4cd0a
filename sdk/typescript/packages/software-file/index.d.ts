/** file, which tells what files hold. */
declare const software: { readonly name: "file"; readonly type: "commands" };
export default software;
