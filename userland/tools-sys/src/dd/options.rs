//! The operands of `dd`.

use std::ffi::OsString;

use agentos_tools_base::io::{bytes_of, os, shown};

pub(super) const HELP: &str = "Usage: dd [OPERAND]...
Copy a file, converting and formatting according to the operands.

  bs=BYTES        read and write up to BYTES bytes at a time (default: 512); overrides ibs and obs
  cbs=BYTES       convert BYTES bytes at a time
  conv=CONVS      convert the file as per the comma separated symbol list
  count=N         copy only N input blocks
  ibs=BYTES       read up to BYTES bytes at a time (default: 512)
  if=FILE         read from FILE instead of stdin
  iflag=FLAGS     read as per the comma separated symbol list
  obs=BYTES       write BYTES bytes at a time (default: 512)
  of=FILE         write to FILE instead of stdout
  oflag=FLAGS     write as per the comma separated symbol list
  seek=N          (or oseek=N) skip N obs-sized output blocks
  skip=N          (or iseek=N) skip N ibs-sized input blocks
  status=LEVEL    none, noxfer, progress

CONV: block unblock lcase ucase swab sync sparse excl nocreat notrunc noerror fdatasync fsync
FLAG: append fullblock count_bytes skip_bytes seek_bytes, and others without effect here
";

/// A number of blocks or of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amount {
    Blocks(u64),
    Bytes(u64),
}

impl Amount {
    pub(super) fn in_bytes(self, block: usize) -> u64 {
        match self {
            Self::Blocks(n) => n.saturating_mul(block as u64),
            Self::Bytes(n) => n,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    All,
    NoTransfer,
    None,
    Progress,
}

pub(super) struct Options {
    pub(super) input: Option<OsString>,
    pub(super) output: Option<OsString>,
    pub(super) ibs: usize,
    pub(super) obs: usize,
    pub(super) cbs: usize,
    pub(super) count: Option<Amount>,
    pub(super) skip: Amount,
    pub(super) seek: Amount,
    pub(super) status: Status,
    pub(super) append: bool,
    pub(super) full_blocks: bool,
    pub(super) block: bool,
    pub(super) unblock: bool,
    pub(super) lower: bool,
    pub(super) upper: bool,
    pub(super) swap: bool,
    /// What short blocks are filled with.
    pub(super) pad: Option<u8>,
    pub(super) sparse: bool,
    pub(super) exclusive: bool,
    pub(super) no_create: bool,
    pub(super) keep: bool,
    pub(super) no_error: bool,
    pub(super) sync_data: bool,
    pub(super) sync_all: bool,
}

/// Largest block.
const LARGEST: u64 = 1 << 28;

pub(super) fn parse(words: &[OsString]) -> Result<Options, String> {
    let mut options = Options {
        input: None,
        output: None,
        ibs: 512,
        obs: 512,
        cbs: 0,
        count: None,
        skip: Amount::Blocks(0),
        seek: Amount::Blocks(0),
        status: Status::All,
        append: false,
        full_blocks: false,
        block: false,
        unblock: false,
        lower: false,
        upper: false,
        swap: false,
        pad: None,
        sparse: false,
        exclusive: false,
        no_create: false,
        keep: false,
        no_error: false,
        sync_data: false,
        sync_all: false,
    };
    let (mut both, mut input_flags, mut output_flags, mut pads) = (None, String::new(), String::new(), false);
    for word in words {
        if word == "--" {
            continue;
        }
        let text = shown(word);
        let Some((name, value)) = text.split_once('=') else {
            return Err(format!("unrecognized operand '{text}'"));
        };
        let raw = || os(bytes_of(word)[name.len() + 1..].to_vec());
        match name {
            "if" => options.input = Some(raw()),
            "of" => options.output = Some(raw()),
            "bs" => both = Some(block(value)?),
            "ibs" => options.ibs = block(value)?,
            "obs" => options.obs = block(value)?,
            "cbs" => options.cbs = block(value)?,
            "count" => options.count = Some(amount(value)?),
            "skip" | "iseek" => options.skip = amount(value)?,
            "seek" | "oseek" => options.seek = amount(value)?,
            "status" => {
                options.status = match value {
                    "none" => Status::None,
                    "noxfer" => Status::NoTransfer,
                    "progress" => Status::Progress,
                    _ => return Err(format!("invalid status level: '{value}'")),
                };
            }
            "conv" => {
                for symbol in value.split(',') {
                    pads |= symbol == "sync";
                    options.conversion(symbol)?;
                }
            }
            "iflag" => input_flags = value.to_owned(),
            "oflag" => output_flags = value.to_owned(),
            _ => return Err(format!("unrecognized operand '{text}'")),
        }
    }
    if let Some(size) = both {
        (options.ibs, options.obs) = (size, size);
    }
    options.flags(&input_flags, &output_flags)?;
    if pads {
        options.pad = Some(if options.block || options.unblock { b' ' } else { 0 });
    }
    if (options.block || options.unblock) && options.cbs == 0 {
        (options.block, options.unblock) = (false, false);
    }
    Ok(options)
}

impl Options {
    fn conversion(&mut self, symbol: &str) -> Result<(), String> {
        match symbol {
            "block" => self.block = true,
            "unblock" => self.unblock = true,
            "lcase" => self.lower = true,
            "ucase" => self.upper = true,
            "swab" => self.swap = true,
            "sync" => {}
            "sparse" => self.sparse = true,
            "excl" => self.exclusive = true,
            "nocreat" => self.no_create = true,
            "notrunc" => self.keep = true,
            "noerror" => self.no_error = true,
            "fdatasync" => self.sync_data = true,
            "fsync" => self.sync_all = true,
            other => return Err(format!("invalid conversion: '{other}'")),
        }
        let clash = |a: bool, b: bool, what: &str| {
            if a && b {
                Err(format!("cannot combine {what}"))
            } else {
                Ok(())
            }
        };
        clash(self.block, self.unblock, "block and unblock")?;
        clash(self.lower, self.upper, "lcase and ucase")?;
        clash(self.exclusive, self.no_create, "excl and nocreat")
    }

    fn flags(&mut self, input: &str, output: &str) -> Result<(), String> {
        const KNOWN: &[&str] = &[
            "append",
            "binary",
            "cio",
            "direct",
            "directory",
            "dsync",
            "noatime",
            "nocache",
            "noctty",
            "nofollow",
            "nolinks",
            "nonblock",
            "sync",
            "text",
            "fullblock",
            "count_bytes",
            "skip_bytes",
            "seek_bytes",
        ];
        for (list, what) in [(input, "input"), (output, "output")] {
            for flag in list.split(',').filter(|flag| !flag.is_empty()) {
                if !KNOWN.contains(&flag) {
                    return Err(format!("invalid {what} flag: '{flag}'"));
                }
            }
        }
        let has = |list: &str, flag: &str| list.split(',').any(|word| word == flag);
        let bytes = |amount: Amount| match amount {
            Amount::Blocks(n) | Amount::Bytes(n) => Amount::Bytes(n),
        };
        self.full_blocks = has(input, "fullblock");
        self.append = has(output, "append");
        if has(input, "count_bytes") {
            self.count = self.count.map(bytes);
        }
        if has(input, "skip_bytes") {
            self.skip = bytes(self.skip);
        }
        if has(output, "seek_bytes") {
            self.seek = bytes(self.seek);
        }
        Ok(())
    }
}

/// A number with a multiplier, or several with `x` between them.
fn number(text: &str) -> Result<u64, String> {
    let invalid = || format!("invalid number: '{text}'");
    text.split('x').try_fold(1_u64, |product, part| {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let value: u64 = part[..digits].parse().map_err(|_| invalid())?;
        let factor = crate::human::factor(&part[digits..]).ok_or_else(invalid)?;
        value
            .checked_mul(factor)
            .and_then(|value| product.checked_mul(value))
            .ok_or_else(invalid)
    })
}

fn amount(text: &str) -> Result<Amount, String> {
    match text.strip_suffix('B') {
        // A trailing B counts bytes, unless it belongs to a unit such as kB.
        Some(rest) if rest.ends_with(|c: char| c.is_ascii_digit()) => number(rest).map(Amount::Bytes),
        _ => number(text).map(Amount::Blocks),
    }
}

fn block(text: &str) -> Result<usize, String> {
    match number(text)? {
        0 => Err(format!("invalid number: '{text}'")),
        size if size > LARGEST => Err(format!(
            "invalid number: '{text}': Value too large for defined data type"
        )),
        size => Ok(size as usize),
    }
}
