//! Credentials that never enter a guest.
//!
//! The guest's environment holds a random placeholder. When one of its programs sends a request to a host that the secret is
//! for, the value takes the placeholder's place on the way out, in request headers only; and what comes back is searched for the
//! value, which is masked. So a program that is tricked into sending its token elsewhere sends something worthless.
//!
//! ```text
//!   guest's request --> placeholder in a header? host verified? --> value --> host
//!   guest <----------------- value anywhere? ****** <----------------------- response
//! ```
//!
//! Invariants:
//!
//! * A value is used only for a host whose name the VM's resolver answered with the connection's address, which the request
//!   itself names (`Host`, `:authority`), and which, with TLS, the guest named in its greeting and the host's certificate proves.
//! * Values are in [`SecretValue`]s, which cannot be printed. Nothing here formats, logs or returns one; what is made of a value
//!   for a search is overwritten when dropped.
//! * Whatever disagrees leaves the placeholder in place or ends the request; nothing falls back to sending a value.
//!
//! What this cannot do: a host that is given a value can hand it out by other means (another name, another encoding, one letter
//! at a time). A secret's hosts are trusted with it.
//!
//! The parts: `config` checks, `set` holds, `swap` puts values in, `scrub` masks them, `authority` signs for the listed
//! hosts so that a guest's TLS can be opened. [`crate::intercept`] moves the bytes.

mod authority;
mod config;
mod encoding;
mod host;
mod placeholder;
mod scrub;
mod set;
mod swap;
#[cfg(test)]
mod tests;
mod value;

pub use config::{HOSTS_MAX, InvalidSecret, SECRETS_MAX, Secret, VALUE_MAX, VALUE_MIN};
pub use host::HostPattern;
pub(crate) use host::normalize;
pub use placeholder::{PLACEHOLDER_PREFIX, Placeholder};
pub(crate) use scrub::{Patterns, Scrubber};
pub use set::SecretSet;
pub(crate) use swap::swap;
pub use value::SecretValue;
