//! The parameters of a function as the input of a tool.

use proc_macro2::Span;
use syn::{Attribute, Error, Expr, ExprLit, FnArg, Ident, Lit, Meta, Pat, Result, Type};

/// One parameter.
pub(crate) enum Parameter {
    /// A member of the input.
    Member {
        ident: Ident,
        ty: Box<Type>,
        /// Its name in the input.
        name: String,
        description: String,
    },
    /// The context of the call.
    Context,
}

impl Parameter {
    /// Reads a parameter, and takes its documentation away, which the compiler would not have there.
    pub(crate) fn read(parameter: &mut FnArg) -> Result<Self> {
        let FnArg::Typed(typed) = parameter else {
            return Err(Error::new_spanned(parameter, "a tool is a function, not a method"));
        };
        let description = documentation(&typed.attrs);
        typed.attrs.retain(|attribute| !attribute.path().is_ident("doc"));
        if is_context(&typed.ty) {
            return Ok(Self::Context);
        }
        let Pat::Ident(pattern) = &*typed.pat else {
            return Err(Error::new_spanned(&typed.pat, "a parameter of a tool needs a name"));
        };
        let ident = pattern.ident.clone();
        Ok(Self::Member {
            name: camel_case(ident.to_string().trim_start_matches("r#").trim_start_matches('_')),
            ty: typed.ty.clone(),
            description,
            ident: Ident::new(&ident.to_string(), Span::mixed_site()),
        })
    }
}

/// The lines of a documentation comment as one text.
pub(crate) fn documentation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => match &doc.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text), ..
            }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    // The first paragraph: what follows is for readers of the source.
    let paragraph: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    paragraph.join(" ")
}

fn is_context(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path
        .segments
        .last()
        .is_some_and(|last| last.ident == "ToolContext")
}

/// `full_page` as JSON has it: `fullPage`.
fn camel_case(name: &str) -> String {
    let mut upper = false;
    let mut camel = String::new();
    for letter in name.chars() {
        match letter {
            '_' => upper = true,
            letter if std::mem::take(&mut upper) => camel.extend(letter.to_uppercase()),
            letter => camel.push(letter),
        }
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_those_of_json() {
        assert_eq!(camel_case("full_page"), "fullPage");
        assert_eq!(camel_case("city"), "city");
        assert_eq!(camel_case("max_2_lines"), "max2Lines");
    }

    #[test]
    fn the_first_paragraph_is_the_description() {
        let function: syn::ItemFn = syn::parse_quote! {
            /// Forecast for
            /// a city
            ///
            /// More.
            fn forecast() {}
        };
        assert_eq!(documentation(&function.attrs), "Forecast for a city");
    }
}
