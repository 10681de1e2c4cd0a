//! `df`: space of filesystems.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{complain, reason, shown};

use crate::human::Units;
use crate::statfs::{self, Filesystem, Mount};
use crate::{usage, write};

const SPECS: &[&str] = &[
    "a,all",
    "B,block-size=",
    "h,human-readable",
    "H,si",
    "i,inodes",
    "k",
    "l,local",
    "m",
    "no-sync",
    "output=?",
    "P,portability",
    "sync",
    "total",
    "t,type=",
    "T,print-type",
    "x,exclude-type=",
    "v",
    "help",
    "version",
];

const HELP: &str = "Usage: df [OPTION]... [FILE]...
Show information about the file system on which each FILE resides, or all file systems by default.

  -a, --all             include pseudo and inaccessible file systems
  -B, --block-size=SIZE scale sizes by SIZE before printing them
  -h, --human-readable  print sizes in powers of 1024 (e.g., 1023M)
  -H, --si              print sizes in powers of 1000 (e.g., 1.1G)
  -i, --inodes          list inode information instead of block usage
      --output[=LIST]   source, fstype, itotal, iused, iavail, ipcent, size, used, avail, pcent, file, target
  -P, --portability     use the POSIX output format
      --total           produce a grand total
  -t, --type=TYPE       limit listing to file systems of type TYPE
  -T, --print-type      print file system type
  -x, --exclude-type=T  limit listing to file systems not of type T
";

const COLUMNS: [&str; 12] = [
    "source", "fstype", "itotal", "iused", "iavail", "ipcent", "size", "used", "avail", "pcent", "file", "target",
];

struct Options {
    units: Units,
    columns: Vec<&'static str>,
    portable: bool,
    total: bool,
    all: bool,
    kinds: Vec<String>,
    without: Vec<String>,
}

struct Row {
    mount: Mount,
    space: Filesystem,
    file: String,
}

pub(crate) fn df(args: Vec<OsString>) -> i32 {
    let mut options = Options {
        units: Units::Bytes(1024),
        columns: Vec::new(),
        portable: false,
        total: false,
        all: false,
        kinds: Vec::new(),
        without: Vec::new(),
    };
    let (mut inodes, mut kind, mut names) = (false, false, Vec::new());
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt(key, value))) => {
                let text = value.as_deref().map(shown);
                match key {
                    "help" => return cli::help(HELP),
                    "version" => return cli::version("df"),
                    "inodes" => inodes = true,
                    "print-type" => kind = true,
                    _ => {
                        if let Err(message) = options.set(key, text) {
                            return usage("df", message, 1);
                        }
                    }
                }
            }
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("df", message, 1),
        }
    }
    if options.columns.is_empty() {
        options.columns = default_columns(inodes, kind);
    }
    options.run(&names)
}

fn default_columns(inodes: bool, kind: bool) -> Vec<&'static str> {
    let mut columns = vec!["source"];
    if kind {
        columns.push("fstype");
    }
    columns.extend(if inodes {
        ["itotal", "iused", "iavail", "ipcent"]
    } else {
        ["size", "used", "avail", "pcent"]
    });
    columns.push("target");
    columns
}

impl Options {
    fn set(&mut self, key: &str, text: Option<String>) -> Result<(), String> {
        match key {
            "all" => self.all = true,
            "block-size" => {
                let text = text.unwrap_or_default();
                self.units = Units::parse(&text).ok_or_else(|| format!("invalid --block-size argument '{text}'"))?;
            }
            "human-readable" => self.units = Units::Binary,
            "si" => self.units = Units::Decimal,
            "k" => self.units = Units::Bytes(1024),
            "m" => self.units = Units::Bytes(1 << 20),
            "portability" => self.portable = true,
            "total" => self.total = true,
            "type" => self.kinds.extend(text),
            "exclude-type" => self.without.extend(text),
            "output" => {
                for name in text.as_deref().unwrap_or(&COLUMNS.join(",")).split(',') {
                    let known = COLUMNS.iter().find(|known| **known == name);
                    self.columns
                        .push(known.ok_or_else(|| format!("option --output: field '{name}' unknown"))?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn run(&self, names: &[OsString]) -> i32 {
        let mounts = statfs::mounts();
        let mut rows = Vec::new();
        let mut status = 0;
        if names.is_empty() {
            rows.extend(mounts.iter().filter_map(|mount| self.mounted(mount)));
        }
        for name in names {
            match self.holding(name, &mounts) {
                Ok(row) => rows.push(row),
                Err(error) => {
                    complain("df", format_args!("{}: {}", shown(name), reason(&error)));
                    status = 1;
                }
            }
        }
        rows.retain(|row| {
            let kind = &row.mount.kind;
            (self.kinds.is_empty() || self.kinds.contains(kind)) && !self.without.contains(kind)
        });
        if rows.is_empty() {
            if status == 0 {
                complain("df", "no file systems processed");
            }
            return 1;
        }
        if self.total {
            rows.push(total(&rows));
        }
        write::all("df", self.table(&rows).as_bytes()).max(status)
    }

    fn mounted(&self, mount: &Mount) -> Option<Row> {
        let space = statfs::of(&mount.point).ok()?;
        (self.all || space.blocks > 0).then(|| Row {
            mount: mount.clone(),
            space,
            file: "-".to_owned(),
        })
    }

    fn holding(&self, name: &OsString, mounts: &[Mount]) -> std::io::Result<Row> {
        let real = std::fs::canonicalize(name)?;
        let space = statfs::of(Path::new(name))?;
        let best = mounts.iter().filter(|mount| real.starts_with(&mount.point));
        let mount = best
            .max_by_key(|mount| mount.point.as_os_str().len())
            .cloned()
            .unwrap_or_else(|| Mount {
                source: "-".to_owned(),
                point: PathBuf::from("/"),
                kind: "-".to_owned(),
                options: String::new(),
            });
        Ok(Row {
            mount,
            space,
            file: shown(name),
        })
    }

    fn title(&self, column: &str) -> String {
        let text = match column {
            "source" => "Filesystem",
            "fstype" => "Type",
            "itotal" => "Inodes",
            "iused" => "IUsed",
            "iavail" => "IFree",
            "ipcent" => "IUse%",
            "size" => match self.units {
                Units::Binary | Units::Decimal => "Size",
                Units::Bytes(1024) if self.portable => "1024-blocks",
                Units::Bytes(1024) => "1K-blocks",
                Units::Bytes(0x10_0000) => "1M-blocks",
                Units::Bytes(unit) => return format!("{unit}-blocks"),
                Units::Named(_, name) => return format!("1{name}-blocks"),
            },
            "used" => "Used",
            "avail" if matches!(self.units, Units::Binary | Units::Decimal) => "Avail",
            "avail" => "Available",
            "pcent" if self.portable => "Capacity",
            "pcent" => "Use%",
            "file" => "File",
            _ => "Mounted on",
        };
        text.to_owned()
    }

    fn cell(&self, row: &Row, column: &str) -> String {
        let space = &row.space;
        let used = space.blocks.saturating_sub(space.free);
        let inodes_used = space.files.saturating_sub(space.files_free);
        let bytes = |blocks: u64| self.units.show(blocks.saturating_mul(space.block_size));
        let number = |value: u64| match self.units {
            Units::Binary | Units::Decimal => self.units.show(value),
            _ => value.to_string(),
        };
        match column {
            "source" => row.mount.source.clone(),
            "fstype" => row.mount.kind.clone(),
            "itotal" => number(space.files),
            "iused" => number(inodes_used),
            "iavail" => number(space.files_free),
            "ipcent" => percent(inodes_used, space.files_free),
            "size" => bytes(space.blocks),
            "used" => bytes(used),
            "avail" => bytes(space.available),
            "pcent" => percent(used, space.available),
            "file" => row.file.clone(),
            _ => row.mount.point.display().to_string(),
        }
    }

    fn table(&self, rows: &[Row]) -> String {
        let mut lines = vec![self.columns.iter().map(|column| self.title(column)).collect::<Vec<_>>()];
        lines.extend(
            rows.iter()
                .map(|row| self.columns.iter().map(|column| self.cell(row, column)).collect()),
        );
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let least = match *column {
                    "source" => 14,
                    "size" | "used" | "avail" | "itotal" | "iused" | "iavail" => 5,
                    "fstype" | "pcent" | "ipcent" => 4,
                    _ => 0,
                };
                lines
                    .iter()
                    .map(|line| line[at].chars().count())
                    .max()
                    .unwrap_or(0)
                    .max(least)
            })
            .collect();
        let mut text = String::new();
        for line in &lines {
            let mut row = String::new();
            for (at, cell) in line.iter().enumerate() {
                let left = matches!(self.columns[at], "source" | "fstype" | "target" | "file");
                let gap = if at == 0 { "" } else { " " };
                let width = widths[at];
                row.push_str(&if left {
                    format!("{gap}{cell:<width$}")
                } else {
                    format!("{gap}{cell:>width$}")
                });
            }
            text.push_str(row.trim_end());
            text.push('\n');
        }
        text
    }
}

fn percent(used: u64, free: u64) -> String {
    let whole = u128::from(used) + u128::from(free);
    if whole == 0 {
        return "-".to_owned();
    }
    format!("{}%", (u128::from(used) * 100).div_ceil(whole))
}

fn total(rows: &[Row]) -> Row {
    let mut space = Filesystem {
        block_size: 1,
        ..Filesystem::default()
    };
    for row in rows {
        let bytes = |blocks: u64| blocks.saturating_mul(row.space.block_size);
        space.blocks = space.blocks.saturating_add(bytes(row.space.blocks));
        space.free = space.free.saturating_add(bytes(row.space.free));
        space.available = space.available.saturating_add(bytes(row.space.available));
        space.files = space.files.saturating_add(row.space.files);
        space.files_free = space.files_free.saturating_add(row.space.files_free);
    }
    let mount = Mount {
        source: "total".to_owned(),
        point: PathBuf::from("-"),
        kind: "-".to_owned(),
        options: String::new(),
    };
    Row {
        mount,
        space,
        file: "-".to_owned(),
    }
}
