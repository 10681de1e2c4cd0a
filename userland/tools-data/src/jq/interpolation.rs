//! Strings with `\(...)` in a program.

/// Names the format of every string that interpolates and has none, so that numbers appear as jq writes them.
pub fn with_format(program: &str) -> String {
    let mut out = String::with_capacity(program.len() + 16);
    let bytes = program.as_bytes();
    let mut copied = 0;
    let mut at = 0;
    // Open brackets inside each interpolation that we are in.
    let mut inside: Vec<usize> = Vec::new();
    while at < bytes.len() {
        match bytes[at] {
            b'#' => at += memchr::memchr(b'\n', &bytes[at..]).unwrap_or(bytes.len() - at),
            b'"' => {
                if interpolates(&bytes[at + 1..]) && takes_format(&program[..at]) {
                    out.push_str(&program[copied..at]);
                    out.push_str("@text ");
                    copied = at;
                }
                at = string(bytes, at + 1, &mut inside);
            }
            b'(' => {
                if let Some(depth) = inside.last_mut() {
                    *depth += 1;
                }
                at += 1;
            }
            b')' => {
                at += 1;
                match inside.last_mut() {
                    Some(0) => {
                        inside.pop();
                        at = string(bytes, at, &mut inside);
                    }
                    Some(depth) => *depth -= 1,
                    None => {}
                }
            }
            _ => at += 1,
        }
    }
    out.push_str(&program[copied..]);
    out
}

/// Goes to the end of a string, or into the interpolation that comes first.
fn string(bytes: &[u8], mut at: usize, inside: &mut Vec<usize>) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' if bytes.get(at + 1) == Some(&b'(') => {
                inside.push(0);
                return at + 2;
            }
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

fn interpolates(rest: &[u8]) -> bool {
    let mut inside = Vec::new();
    string(rest, 0, &mut inside);
    !inside.is_empty()
}

/// Whether a string behind `before` may carry a format: not when it has one, and not behind a dot.
fn takes_format(before: &str) -> bool {
    let before = before.trim_end();
    let word = before.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_');
    !before.ends_with('.') && !(word.ends_with('@') && word.len() < before.len())
}

#[cfg(test)]
mod tests {
    use super::with_format;

    #[test]
    fn only_interpolating_strings_without_format_change() {
        let rows = [
            (r#""a\(1)b""#, r#"@text "a\(1)b""#),
            (r#""plain" , @uri "x\(.)""#, r#""plain" , @uri "x\(.)""#),
            (r#""\("in\(1)" | f(")"))x" , "y\(2)""#, r#"@text "\(@text "in\(1)" | f(")"))x" , @text "y\(2)""#),
            (r#"."k\(1)" # "c\(""#, r#"."k\(1)" # "c\(""#),
        ];
        for (program, expected) in rows {
            assert_eq!(with_format(program), expected);
        }
    }
}
