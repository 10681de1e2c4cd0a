//! Tools on connections: `httpd`, `nc`, `nslookup`, `ping`.

mod dns;
mod httpd;
mod nc;
mod nslookup;
mod ping;
mod wire;

pub use httpd::httpd;
pub use nc::nc;
pub use nslookup::nslookup;
pub use ping::ping;
