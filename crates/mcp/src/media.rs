//! Types of content, by the names of files.

/// Endings of names and the types of what is in such files.
const TYPES: &[(&str, &str)] = &[
    ("c", "text/x-c"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("md", "text/markdown"),
    ("mjs", "text/javascript"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("py", "text/x-python"),
    ("rs", "text/x-rust"),
    ("sh", "application/x-sh"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("toml", "application/toml"),
    ("ts", "text/x-typescript"),
    ("txt", "text/plain"),
    ("wasm", "application/wasm"),
    ("webp", "image/webp"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zip", "application/zip"),
];

/// The type of a file, by its name; what is unknown is text or bytes.
pub(crate) fn type_of(path: &str, is_text: bool) -> &'static str {
    by_name(path).unwrap_or(if is_text {
        "text/plain"
    } else {
        "application/octet-stream"
    })
}

/// The same, if the name tells.
pub(crate) fn by_name(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next()?;
    let (_, ending) = name.rsplit_once('.')?;
    let ending = ending.to_ascii_lowercase();
    let found = TYPES.binary_search_by(|(known, _)| (*known).cmp(&ending)).ok()?;
    TYPES.get(found).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_sorted_and_found() {
        assert!(TYPES.is_sorted());
        assert_eq!(by_name("/a.b/c.PNG"), Some("image/png"));
        assert_eq!(by_name("/a.txt/c"), None);
        assert_eq!(type_of("/x", true), "text/plain");
    }
}
