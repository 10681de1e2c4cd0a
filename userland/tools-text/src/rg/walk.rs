//! Which files are searched.

use super::options::{Mode, Options};
use crate::io::shown;
use ignore::overrides::{Override, OverrideBuilder};
use ignore::types::{Types, TypesBuilder};
use ignore::{DirEntry, WalkBuilder};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file to search.
pub struct Haystack {
    /// Where it is.
    pub path: PathBuf,
    /// It was named on the command line.
    pub explicit: bool,
    /// It is the standard input.
    pub stdin: bool,
}

/// Calls `visit` for each file until it returns false; errors go to `complain`.
///
/// # Errors
///
/// A message about a bad glob or file type.
pub fn walk(
    options: &Options,
    mut complain: impl FnMut(String),
    mut visit: impl FnMut(Haystack) -> bool,
) -> Result<(), String> {
    let default = options.paths.is_empty();
    let paths: Vec<PathBuf> = if default {
        vec![PathBuf::from("./")]
    } else {
        options.paths.iter().map(PathBuf::from).collect()
    };
    let mut builder = WalkBuilder::from_iter(paths);
    configure(&mut builder, options)?;
    for file in &options.ignore_files {
        if let Some(error) = builder.add_ignore(file) {
            complain(format!("{}: {error}", shown(file)));
        }
    }
    let by_path = options
        .sort
        .as_ref()
        .is_none_or(|(by, reverse)| by == "path" && !reverse);
    let mut collected: Vec<Haystack> = Vec::new();
    for entry in builder.build() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                complain(error_text(&error));
                continue;
            }
        };
        let Some(haystack) = select(entry, default) else {
            continue;
        };
        if by_path {
            if !visit(haystack) {
                return Ok(());
            }
        } else {
            collected.push(haystack);
        }
    }
    sort(&mut collected, options);
    for haystack in collected {
        if !visit(haystack) {
            break;
        }
    }
    Ok(())
}

fn configure(builder: &mut WalkBuilder, options: &Options) -> Result<(), String> {
    let ignore = !options.no_ignore;
    builder
        .follow_links(options.follow)
        .max_depth(options.max_depth)
        .max_filesize(options.max_filesize)
        .threads(1)
        .hidden(!options.hidden)
        .parents(ignore && !options.no_ignore_parent)
        .ignore(ignore && !options.no_ignore_dot)
        .git_ignore(ignore && !options.no_ignore_vcs)
        .git_exclude(ignore && !options.no_ignore_vcs && !options.no_ignore_exclude)
        .git_global(ignore && !options.no_ignore_vcs)
        .require_git(!options.no_require_git)
        .overrides(overrides(options)?)
        .types(types(options)?)
        .sort_by_file_name(std::ffi::OsStr::cmp);
    if ignore && !options.no_ignore_dot {
        builder.add_custom_ignore_filename(".rgignore");
    }
    Ok(())
}

fn overrides(options: &Options) -> Result<Override, String> {
    let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let mut builder = OverrideBuilder::new(folder);
    for (glob, fold) in &options.globs {
        builder
            .case_insensitive(*fold || options.globs_fold)
            .map_err(|error| error.to_string())?;
        builder.add(glob).map_err(|error| error.to_string())?;
    }
    builder.build().map_err(|error| error.to_string())
}

/// The file types that the options select.
///
/// # Errors
///
/// A message about an unknown type.
pub fn types(options: &Options) -> Result<Types, String> {
    let mut builder = TypesBuilder::new();
    builder.add_defaults();
    for name in &options.type_clears {
        builder.clear(name);
    }
    for definition in &options.type_adds {
        builder.add_def(definition).map_err(|error| error.to_string())?;
    }
    for (name, negated) in &options.types {
        if *negated {
            builder.negate(name)
        } else {
            builder.select(name)
        };
    }
    builder.build().map_err(|error| error.to_string())
}

fn select(entry: DirEntry, default: bool) -> Option<Haystack> {
    let explicit = entry.depth() == 0;
    let stdin = entry.is_stdin();
    let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir()) || (explicit && entry.path().is_dir());
    let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
    if !stdin && (is_dir || !(explicit || is_file)) {
        return None;
    }
    let path = entry.into_path();
    let path = match path.strip_prefix("./") {
        Ok(rest) if default => rest.to_owned(),
        _ => path,
    };
    Some(Haystack { path, explicit, stdin })
}

fn sort(all: &mut [Haystack], options: &Options) {
    let Some((by, reverse)) = &options.sort else { return };
    if by == "path" {
        all.sort_by(|a, b| a.path.cmp(&b.path));
    } else {
        all.sort_by_cached_key(|haystack| time(&haystack.path, by));
    }
    if *reverse {
        all.reverse();
    }
}

fn time(path: &Path, by: &str) -> Option<SystemTime> {
    let found = std::fs::metadata(path).ok()?;
    match by {
        "accessed" => found.accessed().ok(),
        "created" => found.created().ok(),
        _ => found.modified().ok(),
    }
}

fn error_text(error: &ignore::Error) -> String {
    let text = error.to_string();
    text.replace("IO error for operation on ", "")
}

/// Whether the mode lists files without searching.
pub fn lists_only(options: &Options) -> bool {
    options.mode == Mode::Files
}
