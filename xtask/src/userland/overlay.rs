//! Applying the std overlay: whole new files, and insertions at anchors that must match exactly once.
//!
//! Anything else stops with a message, because a standard library that was patched by guess is worse than none.

use std::fs;
use std::path::{Path, PathBuf};

use super::sources;
use crate::error::{At, Error, Result};

/// Applies `overlay` (see its README) to the library tree `library`.
pub(crate) fn apply(overlay: &Path, library: &Path) -> Result<()> {
    let files = overlay.join("files");
    for file in sources::files(&files)? {
        add(&files, &file, library)?;
    }
    let list = overlay.join("INSERTIONS");
    for insertion in parse(&fs::read_to_string(&list).at(&list)?)? {
        let path = library.join(&insertion.file);
        let text = fs::read_to_string(&path).at(&path)?;
        fs::write(&path, insertion.apply(&text)?).at(&path)?;
    }
    Ok(())
}

fn add(files: &Path, file: &Path, library: &Path) -> Result<()> {
    let name = file.strip_prefix(files).unwrap_or(file);
    let target: PathBuf = library.join(name);
    if target.exists() {
        let detail = "the standard library has a file of this name now".to_owned();
        return Err(Error::Overlay {
            file: name.display().to_string(),
            detail,
        });
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).at(parent)?;
    }
    fs::copy(file, &target).at(&target).map(drop)
}

#[derive(Debug, PartialEq)]
struct Insertion {
    file: String,
    after: bool,
    anchor: String,
    text: String,
}

impl Insertion {
    fn apply(&self, source: &str) -> Result<String> {
        let mut places = source.match_indices(&self.anchor);
        let (Some((at, _)), None) = (places.next(), places.next()) else {
            let count = source.matches(&self.anchor).count();
            let first = self.anchor.lines().next().unwrap_or_default();
            let detail = format!(
                "the anchor that begins `{}` matches {count} times, not once",
                first.trim()
            );
            return Err(Error::Overlay {
                file: self.file.clone(),
                detail,
            });
        };
        let (head, tail) = source.split_at(if self.after { at + self.anchor.len() } else { at });
        Ok([head, self.text.as_str(), tail].concat())
    }
}

fn parse(text: &str) -> Result<Vec<Insertion>> {
    let malformed = |detail: &str| Error::Overlay {
        file: "INSERTIONS".to_owned(),
        detail: detail.to_owned(),
    };
    let mut lines = text.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let (after, file) = match line.strip_prefix("@@ after ") {
            Some(file) => (true, file),
            None => (false, line.strip_prefix("@@ before ").ok_or_else(|| malformed(line))?),
        };
        let anchor = block(&mut lines, "@@ with").ok_or_else(|| malformed("an entry has no `@@ with`"))?;
        let text = block(&mut lines, "@@ end").ok_or_else(|| malformed("an entry has no `@@ end`"))?;
        if anchor.trim().is_empty() {
            return Err(malformed("an anchor is empty"));
        }
        found.push(Insertion {
            file: file.to_owned(),
            after,
            anchor,
            text,
        });
    }
    Ok(found)
}

/// Lines up to `end`, each with its newline; `None` if it never comes.
fn block<'a>(lines: &mut impl Iterator<Item = &'a str>, end: &str) -> Option<String> {
    let mut text = String::new();
    for line in lines {
        if line == end {
            return Some(text);
        }
        text.push_str(line);
        text.push('\n');
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ENTRY: &str = "@@ before a.rs\nfn b() {\n@@ with\nfn a() {}\n@@ end\n";

    #[test]
    fn an_entry_goes_before_or_after_its_anchor() {
        let mut entry = parse(ENTRY).unwrap().remove(0);
        assert_eq!(entry.apply("x\nfn b() {\n}\n").unwrap(), "x\nfn a() {}\nfn b() {\n}\n");
        entry.after = true;
        assert_eq!(entry.apply("x\nfn b() {\n}\n").unwrap(), "x\nfn b() {\nfn a() {}\n}\n");
    }

    #[test]
    fn an_anchor_that_is_missing_or_repeated_stops() {
        let entry = parse(ENTRY).unwrap().remove(0);
        assert!(entry.apply("nothing\n").unwrap_err().to_string().contains("0 times"));
        assert!(
            entry
                .apply("fn b() {\nfn b() {\n")
                .unwrap_err()
                .to_string()
                .contains("2 times")
        );
    }

    #[test]
    fn a_malformed_list_is_refused() {
        for bad in [
            "@@ over a\nx\n@@ with\ny\n@@ end\n",
            "@@ after a\nx\n",
            "@@ after a\n\n@@ with\ny\n@@ end\n",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_that_exists_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (overlay, library) = (dir.path().join("o"), dir.path().join("l"));
        fs::create_dir_all(overlay.join("files")).unwrap();
        fs::create_dir_all(&library).unwrap();
        fs::write(overlay.join("files/new.rs"), "new").unwrap();
        fs::write(overlay.join("INSERTIONS"), "").unwrap();
        apply(&overlay, &library).unwrap();
        assert!(apply(&overlay, &library).unwrap_err().to_string().contains("new.rs"));
    }
}
