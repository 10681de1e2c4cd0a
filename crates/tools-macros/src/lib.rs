//! `#[tool]`: a host tool out of a function. Documented where it is exported, as `agentos::tool`.
//!
//! The function becomes one without parameters that gives a `Tool`. Its parameters become the schema, each by the
//! `ToolArgument` of its type, their documentation the help, and the function itself lies within.
#![forbid(unsafe_code)]

mod expand;
mod parameter;

use proc_macro::TokenStream;

/// Makes a host tool of an async function.
#[proc_macro_attribute]
pub fn tool(options: TokenStream, function: TokenStream) -> TokenStream {
    let expanded = expand::tool(options.into(), function.into());
    expanded.unwrap_or_else(syn::Error::into_compile_error).into()
}
