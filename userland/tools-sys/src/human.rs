//! Sizes as GNU tools write them.

/// In what sizes are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Units {
    /// Blocks of so many bytes, rounded up.
    Bytes(u64),
    /// The same, with the unit's name after the number: `--block-size=K`.
    Named(u64, &'static str),
    /// `1.5K` by powers of 1024.
    Binary,
    /// `1.5k` by powers of 1000.
    Decimal,
}

/// Units that are named after the number when they were given without one.
const NAMES: [&str; 18] = [
    "K", "M", "G", "T", "P", "E", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "kB", "MB", "GB", "TB", "PB", "EB",
];

impl Units {
    /// Reads `K`, `1M`, `512`, `kB`, `human-readable`, `si`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "human-readable" => return Some(Self::Binary),
            "si" => return Some(Self::Decimal),
            _ => {}
        }
        let text = text.trim_start_matches('\'');
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = if digits == 0 { 1 } else { text[..digits].parse().ok()? };
        let factor = factor(&text[digits..])?;
        if digits == 0
            && let Some(name) = NAMES
                .iter()
                .find(|name| **name == text || name.eq_ignore_ascii_case(text) && text.len() == 1)
        {
            return Some(Self::Named(factor, name));
        }
        number.checked_mul(factor).filter(|size| *size > 0).map(Self::Bytes)
    }

    /// A size of so many bytes.
    pub(crate) fn show(self, bytes: u64) -> String {
        match self {
            Self::Bytes(unit) => bytes.div_ceil(unit).to_string(),
            Self::Named(unit, name) => format!("{}{name}", bytes.div_ceil(unit)),
            Self::Binary => human(bytes, 1024, ["K", "M", "G", "T", "P", "E"]),
            Self::Decimal => human(bytes, 1000, ["k", "M", "G", "T", "P", "E"]),
        }
    }
}

/// What a multiplier stands for: powers of 1024 for `K` and `KiB`, of 1000 for `kB`.
pub(crate) fn factor(suffix: &str) -> Option<u64> {
    let (letter, rest) = match suffix.chars().next() {
        None => return Some(1),
        Some(letter) => (letter, &suffix[letter.len_utf8()..]),
    };
    let power = match letter {
        'b' if rest.is_empty() => return Some(512),
        'B' | 'c' if rest.is_empty() => return Some(1),
        'w' if rest.is_empty() => return Some(2),
        'k' | 'K' => 1,
        'm' | 'M' => 2,
        'g' | 'G' => 3,
        't' | 'T' => 4,
        'P' => 5,
        'E' => 6,
        _ => return None,
    };
    let base: u64 = match rest {
        "" | "iB" => 1024,
        "B" => 1000,
        _ => return None,
    };
    base.checked_pow(power)
}

/// One digit after the point below ten, rounded up.
fn human(bytes: u64, base: u64, units: [&str; 6]) -> String {
    if bytes < base {
        return bytes.to_string();
    }
    let mut scale = u128::from(base);
    let bytes = u128::from(bytes);
    for unit in units {
        let tenths = (bytes * 10).div_ceil(scale);
        if tenths < 100 {
            return format!("{}.{}{unit}", tenths / 10, tenths % 10);
        }
        let whole = bytes.div_ceil(scale);
        if whole < u128::from(base) {
            return format!("{whole}{unit}");
        }
        scale *= u128::from(base);
    }
    format!("{}{}", bytes.div_ceil(scale / u128::from(base)), units[5])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_up() {
        for (bytes, text) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.0K"),
            (1025, "1.1K"),
            (10_137, "9.9K"),
            (10_138, "10K"),
            (10_241, "11K"),
            (1_047_553, "1.0M"),
            (1 << 20, "1.0M"),
            (u64::MAX, "16E"),
        ] {
            assert_eq!(Units::Binary.show(bytes), text, "{bytes}");
        }
        assert_eq!(Units::Decimal.show(1500), "1.5k");
        assert_eq!(Units::Bytes(1024).show(1025), "2");
        assert_eq!(Units::parse("2K"), Some(Units::Bytes(2048)));
        assert_eq!(Units::parse("MB"), Some(Units::Named(1_000_000, "MB")));
        assert_eq!((Units::parse("x"), Units::parse("0")), (None, None));
    }
}
