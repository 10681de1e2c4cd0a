//! From a function to a tool.

use crate::parameter::{Parameter, documentation};
use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, ItemFn, LitInt, Path, Result, Token, parse_quote, parse2};

/// What stands in the parentheses of `#[tool(...)]`.
struct Options {
    /// Where `Tool` and its like are.
    root: Path,
    timeout_ms: Option<LitInt>,
}

impl Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self {
            root: parse_quote!(::agentos),
            timeout_ms: None,
        };
        while !input.is_empty() {
            if input.peek(Token![crate]) {
                input.parse::<Token![crate]>()?;
                input.parse::<Token![=]>()?;
                options.root = input.parse()?;
            } else {
                let name: syn::Ident = input.parse()?;
                if name != "timeout_ms" {
                    return Err(Error::new_spanned(
                        name,
                        "unknown option: there are `timeout_ms` and `crate`",
                    ));
                }
                input.parse::<Token![=]>()?;
                options.timeout_ms = Some(input.parse()?);
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

/// The function that gives the tool.
pub(crate) fn tool(options: TokenStream, function: TokenStream) -> Result<TokenStream> {
    let Options { root, timeout_ms } = Options::parse.parse2(options)?;
    let mut inner: ItemFn = parse2(function)?;
    let signature = &inner.sig;
    if signature.asyncness.is_none() {
        return Err(Error::new_spanned(signature.fn_token, "a tool is an `async fn`"));
    }
    if let Some(generic) = signature.generics.params.first() {
        return Err(Error::new_spanned(generic, "a tool has no generic parameters"));
    }
    let parameters: Vec<Parameter> = inner
        .sig
        .inputs
        .iter_mut()
        .map(Parameter::read)
        .collect::<Result<_>>()?;
    let (attributes, visibility, name) = (inner.attrs.clone(), inner.vis.clone(), inner.sig.ident.clone());
    let description = documentation(&attributes);
    inner.attrs.clear();
    inner.vis = syn::Visibility::Inherited;
    let members = parameters.iter().filter_map(|parameter| match parameter {
        Parameter::Member {
            ty, name, description, ..
        } => Some(quote! {
            #root::macro_support::member::<#ty>(#name, #description)
        }),
        Parameter::Context => None,
    });
    let reads = parameters.iter().filter_map(|parameter| match parameter {
        Parameter::Member { ident, ty, name, .. } => Some(quote! {
            let #ident: #ty = #root::macro_support::take(&mut input, #name)?;
        }),
        Parameter::Context => None,
    });
    let arguments = parameters.iter().map(|parameter| match parameter {
        Parameter::Member { ident, .. } => quote!(#ident),
        Parameter::Context => quote!(::core::clone::Clone::clone(&context)),
    });
    let timeout = timeout_ms.map(|ms| quote!(.timeout(::core::time::Duration::from_millis(#ms))));
    Ok(quote! {
        #(#attributes)*
        #visibility fn #name() -> #root::Tool {
            #inner
            let schema = #root::macro_support::schema([#(#members),*]);
            #root::Tool::raw(schema, |mut input, context| {
                ::std::boxed::Box::pin(async move {
                    let _ = (&mut input, &context);
                    #(#reads)*
                    #root::macro_support::result(#name(#(#arguments),*).await?)
                })
            })
            .description(#description)
            #timeout
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why a function is no tool.
    fn refused(options: TokenStream, function: TokenStream) -> String {
        tool(options, function).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_tool_is_told_so() {
        let none = TokenStream::new();
        assert!(
            refused(
                none.clone(),
                quote!(
                    fn f() {}
                )
            )
            .contains("async")
        );
        assert!(
            refused(
                none.clone(),
                quote!(
                    async fn f(&self) {}
                )
            )
            .contains("method")
        );
        assert!(
            refused(
                none.clone(),
                quote!(
                    async fn f<T>(t: T) {}
                )
            )
            .contains("generic")
        );
        assert!(
            refused(
                none,
                quote!(
                    async fn f((a, b): (u8, u8)) {}
                )
            )
            .contains("name")
        );
        assert!(
            refused(
                quote!(timeout = 5),
                quote!(
                    async fn f() {}
                )
            )
            .contains("timeout_ms")
        );
    }
}
