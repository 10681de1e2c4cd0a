//! The colours of `--color`, from `GREP_COLORS` (see `grep(1)`).

/// Escape sequences (`SGR` parameters) by role; empty means no colour.
#[derive(Clone, Debug)]
pub struct Colors {
    pub matched: String,
    pub name: String,
    pub line: String,
    pub offset: String,
    pub separator: String,
    pub enabled: bool,
}

impl Colors {
    /// The colours in force.
    pub fn new(enabled: bool) -> Self {
        let mut colors = Self {
            matched: "01;31".into(),
            name: "35".into(),
            line: "32".into(),
            offset: "32".into(),
            separator: "36".into(),
            enabled,
        };
        let setting = if enabled {
            std::env::var("GREP_COLORS").unwrap_or_default()
        } else {
            String::new()
        };
        for item in setting.split(':') {
            let Some((role, value)) = item.split_once('=') else {
                continue;
            };
            if !value.bytes().all(|b| b.is_ascii_digit() || b == b';') {
                break;
            }
            match role {
                "mt" | "ms" => colors.matched = value.into(),
                "fn" => colors.name = value.into(),
                "ln" => colors.line = value.into(),
                "bn" => colors.offset = value.into(),
                "se" => colors.separator = value.into(),
                _ => {}
            }
        }
        colors
    }

    /// Appends `text` in the colour `sgr` to `out`.
    pub fn paint(&self, out: &mut Vec<u8>, sgr: &str, text: &[u8]) {
        if !self.enabled || sgr.is_empty() {
            out.extend_from_slice(text);
            return;
        }
        out.extend_from_slice(b"\x1b[");
        out.extend_from_slice(sgr.as_bytes());
        out.extend_from_slice(b"m\x1b[K");
        out.extend_from_slice(text);
        out.extend_from_slice(b"\x1b[m\x1b[K");
    }
}
