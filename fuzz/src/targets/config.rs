//! Configuration text: the file of `agentos run --config`, and limits by name.

use agentos::Limits;
use agentos_cli::config::Config;

/// Parses arbitrary text as a configuration and as a limit; what is accepted must lie within its bounds.
pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = Config::parse(&text);
    let mut limits = Limits::default();
    let (name, value) = text.split_once('=').unwrap_or((&text, ""));
    let _ = limits.set_text(name, value);
    for field in Limits::FIELDS {
        let _ = limits.set_text(field.name(), value);
        let got = limits.get(field.path).unwrap_or(field.min);
        // A default may lie outside: it then stands for "no limit", which cannot be asked for by a number.
        let fine = got == field.default || (field.min..=field.max).contains(&got);
        assert!(fine, "{} took {got}", field.path);
    }
}
