//! Where statements end.

/// Whether `sql` is complete: the last thing in it but blanks and comments is a semicolon outside of quotes, and of a
/// trigger's body.
pub fn complete(sql: &str) -> bool {
    let mut scan = Scan {
        text: sql.as_bytes(),
        at: 0,
    };
    let mut state = State::Empty;
    while let Some(token) = scan.next() {
        state = step(state, &token);
    }
    matches!(state, State::Done)
}

/// Length of the first statement, its semicolon included; everything when none ends.
pub fn first_end(sql: &str) -> usize {
    let mut scan = Scan {
        text: sql.as_bytes(),
        at: 0,
    };
    let mut state = State::Empty;
    while let Some(token) = scan.next() {
        state = step(state, &token);
        if state == State::Done {
            return scan.at;
        }
    }
    sql.len()
}

/// Whether there is nothing but blanks and comments.
pub fn is_blank(sql: &str) -> bool {
    Scan {
        text: sql.as_bytes(),
        at: 0,
    }
    .next()
    .is_none()
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Nothing since the last semicolon.
    Empty,
    Done,
    Normal,
    Explain,
    Create,
    Trigger,
    /// A semicolon inside a trigger.
    TriggerSemi,
    TriggerEnd,
    Open,
}

enum Token {
    Semi,
    Word(String),
    Other,
    Unclosed,
}

fn step(state: State, token: &Token) -> State {
    let word = match token {
        Token::Word(word) => word.as_str(),
        _ => "",
    };
    match (state, token) {
        (_, Token::Unclosed) | (State::Open, _) => State::Open,
        (State::Empty | State::Done, Token::Semi) => State::Done,
        (State::Empty | State::Done, _) => match word {
            "explain" => State::Explain,
            "create" => State::Create,
            _ => State::Normal,
        },
        (State::Explain, Token::Semi) | (State::Normal | State::Create, Token::Semi) => State::Done,
        (State::Explain, _) => match word {
            "query" | "plan" => State::Explain,
            "create" => State::Create,
            _ => State::Normal,
        },
        (State::Create, _) => match word {
            "temp" | "temporary" => State::Create,
            "trigger" => State::Trigger,
            _ => State::Normal,
        },
        (State::Normal, _) => State::Normal,
        (State::TriggerEnd, Token::Semi) => State::Done,
        (State::Trigger | State::TriggerSemi, Token::Semi) => State::TriggerSemi,
        (State::TriggerSemi, _) if word == "end" => State::TriggerEnd,
        (State::Trigger | State::TriggerSemi | State::TriggerEnd, _) => State::Trigger,
    }
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn next(&mut self) -> Option<Token> {
        loop {
            let rest = &self.text[self.at..];
            let byte = *rest.first()?;
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | 0x0c => self.at += 1,
                b'-' if rest.get(1) == Some(&b'-') => {
                    self.at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
                }
                b'/' if rest.get(1) == Some(&b'*') => match rest[2..].windows(2).position(|pair| pair == b"*/") {
                    Some(end) => self.at += end + 4,
                    None => {
                        self.at = self.text.len();
                        return Some(Token::Unclosed);
                    }
                },
                b'\'' | b'"' | b'`' | b'[' => return Some(self.quoted(byte)),
                b';' => {
                    self.at += 1;
                    return Some(Token::Semi);
                }
                _ if byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80 => {
                    let length = rest
                        .iter()
                        .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_' || **b >= 0x80)
                        .count();
                    self.at += length;
                    return Some(Token::Word(
                        String::from_utf8_lossy(&rest[..length]).to_ascii_lowercase(),
                    ));
                }
                _ => {
                    self.at += 1;
                    return Some(Token::Other);
                }
            }
        }
    }

    fn quoted(&mut self, open: u8) -> Token {
        let close = if open == b'[' { b']' } else { open };
        match self.text[self.at + 1..].iter().position(|&b| b == close) {
            Some(end) => {
                self.at += end + 2;
                Token::Other
            }
            None => {
                self.at = self.text.len();
                Token::Unclosed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::complete;

    #[test]
    fn statements_end_where_sqlite_says() {
        let rows: &[(&str, bool)] = &[
            ("select 1;", true),
            ("select 1", false),
            ("select ';'", false),
            ("select 1; -- ;", true),
            ("select 1 /* ;", false),
            ("create trigger t after insert on u begin select 1;", false),
            ("create trigger t after insert on u begin select 1; end;", true),
            ("create table t(a);", true),
            ("", false),
            (";", true),
        ];
        for (sql, expected) in rows {
            assert_eq!(complete(sql), *expected, "{sql}");
        }
    }
}
