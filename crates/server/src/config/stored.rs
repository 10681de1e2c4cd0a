//! Software of this user's store in the configuration of a server. It is looked up and never added: a server that starts
//! downloads nothing.

use agentos::Software;
use agentos::store::{Named, Package, Spec, Store};

/// What a text of `software` stands for.
pub(super) enum Found {
    Bundled(Software),
    Stored(Package),
}

/// Looks software up: bundled, or in the store. `Err` says what to do.
pub(super) fn find(text: &str) -> Result<Found, String> {
    let spec: Spec = text.parse().map_err(|error: agentos::store::Error| error.to_string())?;
    if spec == Spec::Named(Named::Common) {
        return Ok(Found::Bundled(Software::Common));
    }
    let package = Store::user().and_then(|store| store.get(text));
    let package = package.map_err(|error| format!("{error}; add it: agentos software add {text}"))?;
    Ok(Found::Stored(package))
}
