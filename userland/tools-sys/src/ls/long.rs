//! The columns of `ls -l`.

use std::fs;

use agentos_tools_base::io::bytes_of;
use agentos_tools_base::platform::{FileTypeExt, MetadataExt};

use super::entry::{Entry, mark_of};
use super::list::Listing;
use super::quote;
use crate::clock::{self, Instant, Zone};
use crate::mode;

/// What dates are written with.
pub(super) struct Context {
    zone: Zone,
    now: Instant,
}

impl Context {
    pub(super) fn new() -> Self {
        Self {
            zone: Zone::local(),
            now: Instant::now(),
        }
    }
}

/// Half of an average year, beyond which a date shows its year.
const RECENT: i64 = 31_556_952 / 2;

#[derive(Default)]
struct Row {
    inode: String,
    blocks: String,
    mode: String,
    links: String,
    owner: String,
    group: String,
    author: String,
    /// Size, or the major and minor number of a device.
    size: (String, String),
    date: String,
}

#[derive(Default)]
struct Widths {
    inode: usize,
    blocks: usize,
    links: usize,
    owner: usize,
    group: usize,
    author: usize,
    size: usize,
    major: usize,
    minor: usize,
    date: usize,
}

/// Prints entries, one in a line.
pub(super) fn print(listing: &mut Listing, entries: &[Entry]) {
    let rows: Vec<Row> = entries.iter().map(|entry| row(listing, entry)).collect();
    let mut widths = Widths::default();
    for row in &rows {
        widths.inode = widths.inode.max(row.inode.len());
        widths.blocks = widths.blocks.max(row.blocks.len());
        widths.links = widths.links.max(row.links.len());
        widths.owner = widths.owner.max(row.owner.chars().count());
        widths.group = widths.group.max(row.group.chars().count());
        widths.author = widths.author.max(row.author.chars().count());
        widths.date = widths.date.max(row.date.chars().count());
        if row.size.0.is_empty() {
            widths.size = widths.size.max(row.size.1.len());
        } else {
            widths.major = widths.major.max(row.size.0.len());
            widths.minor = widths.minor.max(row.size.1.len());
        }
    }
    if widths.major > 0 {
        widths.size = widths.size.max(widths.major + 2 + widths.minor);
    }
    let pad = listing.some_quoted(entries);
    for (entry, row) in entries.iter().zip(&rows) {
        columns(listing, row, &widths);
        listing.name(entry, pad);
        if entry.is_link() {
            target(listing, entry);
        }
        listing.out.push(listing.options.end);
    }
}

fn row(listing: &mut Listing, entry: &Entry) -> Row {
    let options = &listing.options;
    let mut row = Row::default();
    if options.inode {
        row.inode = if entry.missing {
            "?".to_owned()
        } else {
            entry.inode.to_string()
        };
    }
    let Some(meta) = &entry.meta else {
        let unknown = || "?".to_owned();
        let kind = if entry.is_dir() { 'd' } else { '-' };
        row.mode = format!("{kind}?????????");
        (row.links, row.owner, row.group, row.size.1, row.date) =
            (unknown(), unknown(), unknown(), unknown(), unknown());
        row.blocks = if options.blocks { unknown() } else { String::new() };
        return row;
    };
    if options.blocks {
        row.blocks = options.block.show(entry.allocated());
    }
    row.mode = mode::shown(meta.mode());
    row.links = meta.nlink().to_string();
    if options.author {
        row.author = listing.names.user(meta.uid()).to_owned();
    }
    if options.owner {
        row.owner = listing.names.user(meta.uid()).to_owned();
    }
    if options.group {
        row.group = listing.names.group(meta.gid()).to_owned();
    }
    row.size = if meta.file_type().is_char_device() || meta.file_type().is_block_device() {
        (major(meta.rdev()).to_string(), minor(meta.rdev()).to_string())
    } else {
        (String::new(), options.size.show(meta.len()))
    };
    row.date = date(listing, entry);
    row
}

/// Major device number, as Linux packs it.
pub(crate) fn major(device: u64) -> u64 {
    (device >> 8 & 0xfff) | (device >> 32 & 0xffff_f000)
}

/// Minor device number, as Linux packs it.
pub(crate) fn minor(device: u64) -> u64 {
    (device & 0xff) | (device >> 12 & 0xffff_ff00)
}

fn date(listing: &Listing, entry: &Entry) -> String {
    let at = entry.time(listing.options.stamp);
    let now = listing.long.now.secs;
    let style = &listing.options.time;
    let recent = at.secs > now - RECENT && at <= Instant::now().max(listing.long.now);
    let mut text = Vec::new();
    let pattern = if recent { &style.recent } else { &style.other };
    clock::format(pattern, &listing.long.zone.civil(at), &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn columns(listing: &mut Listing, row: &Row, widths: &Widths) {
    let mut text = String::new();
    let options = &listing.options;
    if options.inode {
        text.push_str(&format!("{:>1$} ", row.inode, widths.inode));
    }
    if options.blocks {
        text.push_str(&format!("{:>1$} ", row.blocks, widths.blocks));
    }
    text.push_str(&format!("{} {:>2$} ", row.mode, row.links, widths.links));
    // Numbers stand to the right, names to the left.
    let person = |name: &str, width: usize| {
        if options.numeric {
            format!("{name:>width$} ")
        } else {
            format!("{name:<width$} ")
        }
    };
    if options.owner {
        text.push_str(&person(&row.owner, widths.owner));
    }
    if options.group {
        text.push_str(&person(&row.group, widths.group));
    }
    if options.author {
        text.push_str(&person(&row.author, widths.author));
    }
    if options.context {
        text.push_str("? ");
    }
    if row.size.0.is_empty() {
        text.push_str(&format!("{:>1$} ", row.size.1, widths.size));
    } else {
        let major = widths.size - widths.minor - 2;
        text.push_str(&format!("{:>2$}, {:>3$} ", row.size.0, row.size.1, major, widths.minor));
    }
    text.push_str(&format!("{:<1$} ", row.date, widths.date));
    listing.out.extend_from_slice(text.as_bytes());
}

/// ` -> ` and where a link leads.
fn target(listing: &mut Listing, entry: &Entry) {
    let Ok(target) = fs::read_link(&entry.path) else { return };
    listing.out.extend_from_slice(b" -> ");
    let text = quote::quoted(
        bytes_of(target.as_os_str()),
        listing.options.style,
        listing.options.question_marks,
    );
    let meta = fs::metadata(&entry.path).ok();
    let kind = meta.as_ref().map(fs::Metadata::file_type);
    let mark = mark_of(kind, meta.as_ref(), listing.options.mark);
    let missing = meta.is_none();
    let name = target.as_os_str().to_os_string();
    let shown = Entry {
        name,
        path: entry.path.clone(),
        kind,
        inode: 0,
        meta,
        missing,
    };
    let colors = listing.options.colors.as_ref().filter(|colors| colors.targets());
    let code = colors.and_then(|colors| colors.of(&shown)).map(str::to_owned);
    listing.painted(&text, code.as_deref());
    listing.out.extend(mark);
}
