//! Software of this user's store in the configuration of a server. It is looked up and never added: a server that starts
//! downloads nothing.

use agentos::Software;
use agentos::store::{Named, Package, Spec, Store};
use agentos_value::{ActorError, Value};

/// What a text of `software` stands for.
pub(super) enum Found {
    Bundled(Software),
    Stored(Package),
}

/// Looks software up: bundled, or in the store, there by its name as well. `Err` says what to do.
pub(super) fn find(text: &str) -> Result<Found, String> {
    match text.parse::<Spec>() {
        Ok(Spec::Named(Named::Common)) => return Ok(Found::Bundled(Software::Common)),
        Ok(_) => {}
        Err(error) => {
            let package = Store::user().and_then(|store| store.get(text));
            let said = |near: agentos::store::Error| match near.to_string() {
                near if near.contains("did you mean") => near,
                _ => error.to_string(),
            };
            return package.map(Found::Stored).map_err(said);
        }
    }
    let package = Store::user().and_then(|store| store.get(text));
    let package = package.map_err(|error| format!("{error}; add it: agentos software add {text}"))?;
    Ok(Found::Stored(package))
}

/// Software of this user's store, to be given to a VM that runs.
///
/// # Errors
/// `invalid_argument`, with the nearest name, or with what adds it to the store.
pub fn stored_software(text: &str) -> Result<Package, ActorError> {
    let reason = match find(text) {
        Ok(Found::Stored(package)) => return Ok(package),
        Ok(Found::Bundled(_)) => "the bundled commands are given when a VM is created".to_owned(),
        Err(reason) => reason,
    };
    let metadata = Value::object([("path", "software"), ("expected", "software of this user's store")]);
    Err(ActorError::agentos("invalid_argument", format!("software: {reason}")).with_metadata(metadata))
}
