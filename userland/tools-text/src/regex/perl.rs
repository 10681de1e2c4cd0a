//! The few escapes of Perl-compatible expressions that the backtracking engine spells differently.

/// Rewrites `\h`, `\H`, `\R`, `\N` and `\Q...\E`; everything else stays as it is.
pub fn perl_escapes(pattern: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pattern.len());
    let mut at = 0;
    let mut in_class = false;
    while at < pattern.len() {
        let byte = pattern[at];
        if byte != b'\\' {
            in_class = if in_class { byte != b']' } else { byte == b'[' };
            out.push(byte);
            at += 1;
            continue;
        }
        let next = pattern.get(at + 1).copied().unwrap_or(b'\\');
        at += 2;
        match next {
            b'h' => out.extend_from_slice(if in_class { br" \t" } else { br"[ \t]" }),
            b'H' if !in_class => out.extend_from_slice(br"[^ \t]"),
            b'R' if !in_class => out.extend_from_slice(br"(?:\r\n|\n|\r|\f|\x0b)"),
            b'N' if !in_class => out.extend_from_slice(br"[^\n]"),
            b'Q' => {
                let rest = &pattern[at.min(pattern.len())..];
                let end = rest.windows(2).position(|pair| pair == br"\E");
                let quoted = &rest[..end.unwrap_or(rest.len())];
                let mut quoted_at = 0;
                while quoted_at < quoted.len() {
                    let (literal, length) = super::translate::literal_at(&quoted[quoted_at..]);
                    out.extend_from_slice(literal.as_bytes());
                    quoted_at += length;
                }
                at += end.map_or(rest.len(), |end| end + 2);
            }
            b'E' => {}
            other => out.extend_from_slice(&[b'\\', other]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::perl_escapes;

    #[test]
    fn escapes_of_perl_are_spelled_out() {
        assert_eq!(perl_escapes(br"a\hb"), br"a[ \t]b");
        assert_eq!(perl_escapes(br"\Qa.b\E+"), br"a\x2eb+");
        assert_eq!(perl_escapes(br"\d\\h"), br"\d\\h");
    }
}
