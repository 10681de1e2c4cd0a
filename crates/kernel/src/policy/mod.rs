//! The permission policy: what guests and clients of a VM may do.
//!
//! Pure: no I/O, no clock, no memory of earlier calls. A decision is a function of policy, operation and resource.

mod denied;
mod explain;
mod operation;
mod parse;
#[allow(clippy::module_inception)]
mod policy;
mod target;

pub use denied::Denied;
pub use explain::{Explanation, InvalidQuery};
pub use operation::{Operation, Scope};
pub use parse::InvalidPolicy;
pub use policy::Policy;
pub use target::{NetworkTarget, Protocol};
