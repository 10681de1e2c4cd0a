//! Several names in a line: columns downwards, across, or with commas; and one name in a line.

use super::entry::Entry;
use super::list::Listing;
use super::options::Format;
use super::quote;

/// Prints entries in the format of the options.
pub(super) fn print(listing: &mut Listing, entries: &[Entry]) {
    let cells = cells(listing, entries);
    match listing.options.format {
        Format::Columns => columns(listing, &cells),
        Format::Across => across(listing, &cells),
        Format::Commas => commas(listing, &cells),
        _ => {
            for cell in &cells {
                listing.out.extend_from_slice(&cell.text);
                listing.out.push(listing.options.end);
            }
        }
    }
}

struct Cell {
    text: Vec<u8>,
    width: usize,
}

fn cells(listing: &mut Listing, entries: &[Entry]) -> Vec<Cell> {
    let inodes: Vec<String> = entries.iter().map(|entry| inode(listing, entry)).collect();
    let blocks: Vec<String> = entries.iter().map(|entry| block(listing, entry)).collect();
    let aligned = listing.options.format != Format::Commas;
    let widest = |texts: &[String]| {
        if aligned {
            texts.iter().map(String::len).max().unwrap_or(0)
        } else {
            0
        }
    };
    let (inode_width, block_width) = (widest(&inodes), widest(&blocks));
    let pad = listing.some_quoted(entries);
    let mut cells = Vec::with_capacity(entries.len());
    for ((entry, inode), block) in entries.iter().zip(&inodes).zip(&blocks) {
        // The name is written to the end of the output and taken from there.
        let start = listing.out.len();
        let mut lead = String::new();
        if !inode.is_empty() {
            lead.push_str(&format!("{inode:>inode_width$} "));
        }
        if !block.is_empty() {
            lead.push_str(&format!("{block:>block_width$} "));
        }
        listing.out.extend_from_slice(lead.as_bytes());
        let width = listing.name(entry, pad) + quote::columns(lead.as_bytes());
        cells.push(Cell {
            text: listing.out.split_off(start),
            width,
        });
    }
    cells
}

fn inode(listing: &Listing, entry: &Entry) -> String {
    if listing.options.inode {
        entry.inode.to_string()
    } else {
        String::new()
    }
}

fn block(listing: &Listing, entry: &Entry) -> String {
    if listing.options.blocks {
        listing.options.block.show(entry.allocated())
    } else {
        String::new()
    }
}

/// Narrowest column, its gap included.
const NARROWEST: usize = 3;

/// Widths of the columns of the widest layout that fits; `down` fills columns first.
fn layout(cells: &[Cell], width: usize, down: bool) -> Vec<usize> {
    let most = (width / NARROWEST).max(1).min(cells.len());
    for count in (1..=most).rev() {
        let rows = cells.len().div_ceil(count);
        let mut widths = vec![0; count];
        for (at, cell) in cells.iter().enumerate() {
            let column = if down { at / rows } else { at % count };
            let gap = if column + 1 == count { 0 } else { 2 };
            widths[column] = usize::max(widths[column], cell.width + gap).max(NARROWEST);
        }
        if count == 1 || widths.iter().sum::<usize>() < width {
            return widths;
        }
    }
    vec![0]
}

fn columns(listing: &mut Listing, cells: &[Cell]) {
    if cells.is_empty() {
        return;
    }
    let widths = layout(cells, line(listing), true);
    let rows = cells.len().div_ceil(widths.len());
    for row in 0..rows {
        let mut position = 0;
        let mut start = 0;
        for (column, width) in widths.iter().enumerate() {
            let Some(cell) = cells.get(column * rows + row) else {
                break;
            };
            indent(listing, position, start);
            listing.out.extend_from_slice(&cell.text);
            position = start + cell.width;
            start += width;
        }
        listing.out.push(b'\n');
    }
}

fn across(listing: &mut Listing, cells: &[Cell]) {
    if cells.is_empty() {
        return;
    }
    let widths = layout(cells, line(listing), false);
    let (mut position, mut start) = (0, 0);
    for (at, cell) in cells.iter().enumerate() {
        let column = at % widths.len();
        if column == 0 && at > 0 {
            listing.out.push(b'\n');
            (position, start) = (0, 0);
        }
        indent(listing, position, start);
        listing.out.extend_from_slice(&cell.text);
        position = start + cell.width;
        start += widths[column];
    }
    listing.out.push(b'\n');
}

/// Width of a line; 0 was "no limit".
fn line(listing: &Listing) -> usize {
    if listing.options.width == 0 {
        usize::MAX
    } else {
        listing.options.width
    }
}

/// Goes from one column to another, with tabs where one fits.
fn indent(listing: &mut Listing, mut from: usize, to: usize) {
    let tab = listing.options.tab;
    while from < to {
        if tab != 0 && to / tab > (from + 1) / tab {
            listing.out.push(b'\t');
            from += tab - from % tab;
        } else {
            listing.out.push(b' ');
            from += 1;
        }
    }
}

fn commas(listing: &mut Listing, cells: &[Cell]) {
    let width = line(listing);
    let mut position = 0;
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            listing.out.push(b',');
            if position + cell.width + 2 >= width {
                listing.out.push(b'\n');
                position = 0;
            } else {
                listing.out.push(b' ');
                position += 2;
            }
        }
        listing.out.extend_from_slice(&cell.text);
        position += cell.width;
    }
    if !cells.is_empty() {
        listing.out.push(b'\n');
    }
}
