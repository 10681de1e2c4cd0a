//! Colours of names, from `LS_COLORS` over the built-in ones.

use agentos_tools_base::platform::{FileTypeExt, MetadataExt, PermissionsExt};

use super::entry::Entry;

/// Colours by kind (two letters) and by end of the name.
pub(super) struct Colors {
    kinds: Vec<(String, String)>,
    suffixes: Vec<(String, String)>,
}

const DEFAULT: &str = "di=01;34:ln=01;36:pi=33:so=01;35:do=01;35:bd=01;33:cd=01;33:su=37;41:sg=30;43:tw=30;42:\
                       ow=34;42:st=37;44:ex=01;32";

impl Colors {
    pub(super) fn from_environment() -> Self {
        let mut colors = Self {
            kinds: Vec::new(),
            suffixes: Vec::new(),
        };
        colors.add(DEFAULT);
        if let Ok(text) = std::env::var("LS_COLORS") {
            colors.add(&text);
        }
        colors
    }

    fn add(&mut self, text: &str) {
        for (key, code) in text.split(':').filter_map(|part| part.split_once('=')) {
            let (list, key) = match key.strip_prefix('*') {
                Some(suffix) => (&mut self.suffixes, suffix),
                None => (&mut self.kinds, key),
            };
            list.push((key.to_owned(), code.to_owned()));
        }
    }

    /// The colour of a kind; what was said last counts, `0` and nothing are none.
    fn kind(&self, key: &str) -> Option<&str> {
        let code = self
            .kinds
            .iter()
            .rev()
            .find(|(kind, _)| kind == key)
            .map(|(_, code)| code.as_str())?;
        (!code.trim_matches('0').is_empty()).then_some(code)
    }

    /// Whether what a link leads to is shown in its colour.
    pub(super) fn targets(&self) -> bool {
        self.kind("or").is_some() || self.kind("mi").is_some()
    }

    /// The colour of an entry, if it has one.
    pub(super) fn of(&self, entry: &Entry) -> Option<&str> {
        if entry.is_link() {
            let broken = entry.broken();
            return match self.kind("ln") {
                Some("target") => None,
                _ if broken && self.kind("or").is_some() => self.kind("or"),
                code => code,
            };
        }
        let Some(meta) = &entry.meta else {
            return match (entry.is_dir(), entry.missing) {
                (_, true) => self.kind("mi"),
                (true, _) => self.kind("di"),
                _ => self.suffix(entry),
            };
        };
        let kind = meta.file_type();
        let mode = meta.permissions().mode();
        let key = if meta.is_dir() {
            match (mode & 0o1000 != 0, mode & 0o2 != 0) {
                (true, true) => self.kind("tw").or(self.kind("di")),
                (false, true) => self.kind("ow").or(self.kind("di")),
                (true, false) => self.kind("st").or(self.kind("di")),
                _ => self.kind("di"),
            }
        } else if kind.is_fifo() {
            self.kind("pi")
        } else if kind.is_socket() {
            self.kind("so")
        } else if kind.is_block_device() {
            self.kind("bd")
        } else if kind.is_char_device() {
            self.kind("cd")
        } else if mode & 0o4000 != 0 {
            self.kind("su")
        } else if mode & 0o2000 != 0 {
            self.kind("sg")
        } else if mode & 0o111 != 0 {
            self.kind("ex")
        } else if meta.nlink() > 1 && self.kind("mh").is_some() {
            self.kind("mh")
        } else {
            None
        };
        key.or_else(|| if meta.is_file() { self.suffix(entry) } else { None })
    }

    fn suffix(&self, entry: &Entry) -> Option<&str> {
        let name = entry.name.to_string_lossy().to_ascii_lowercase();
        let found = self
            .suffixes
            .iter()
            .rev()
            .find(|(suffix, _)| name.ends_with(&suffix.to_ascii_lowercase()));
        found.map(|(_, code)| code.as_str()).or_else(|| self.kind("fi"))
    }
}
