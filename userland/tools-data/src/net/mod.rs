//! Tools on connections: `httpd` and `nc`.

mod httpd;
mod nc;
mod wire;

pub use httpd::httpd;
pub use nc::nc;
