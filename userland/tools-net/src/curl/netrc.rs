//! `~/.netrc`: users and passwords by host.

/// User and password for a host; `user` is asked for when the URL names one.
pub(super) fn find(text: &str, host: &str, user: Option<&str>) -> Option<(String, String)> {
    let mut words = words(text).into_iter();
    let mut matching = false;
    let mut found: (Option<String>, Option<String>) = (None, None);
    while let Some(word) = words.next() {
        match word.as_str() {
            "machine" | "default" => {
                if matching && let Some(found) = complete(&mut found, user) {
                    return Some(found);
                }
                found = (None, None);
                matching = word == "default" || words.next().is_some_and(|name| name.eq_ignore_ascii_case(host));
            }
            "login" => found.0 = words.next(),
            "password" => found.1 = words.next(),
            "account" => drop(words.next()),
            _ => {}
        }
    }
    if matching { complete(&mut found, user) } else { None }
}

fn complete(found: &mut (Option<String>, Option<String>), user: Option<&str>) -> Option<(String, String)> {
    let login = found.0.take().or_else(|| user.map(str::to_owned))?;
    let password = found.1.take().unwrap_or_default();
    user.is_none_or(|user| user == login).then_some((login, password))
}

/// Words, some in quotes; a comment goes to the end of its line, a macro to an empty one.
fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut rest = line.trim_start();
        while !rest.is_empty() && !rest.starts_with('#') {
            let (word, after) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
            };
            if word == "macdef" {
                lines.by_ref().take_while(|line| !line.trim().is_empty()).for_each(drop);
                break;
            }
            out.push(word.to_owned());
            rest = after.trim_start();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# c\nmachine a.example login me password \"p w\"\nmacdef init\nmachine b.example\n\n\
        machine B.example\n login one\n password 1\nmachine b.example login two password 2\ndefault login anon password x\n";

    #[test]
    fn hosts_and_users_are_found() {
        let of = |host: &str, user: Option<&str>| find(TEXT, host, user).unwrap();
        assert_eq!(of("a.example", None), ("me".into(), "p w".into()));
        assert_eq!(of("b.example", None), ("one".into(), "1".into()));
        assert_eq!(of("b.example", Some("two")), ("two".into(), "2".into()));
        assert_eq!(of("c.example", None), ("anon".into(), "x".into()));
        assert_eq!(find(TEXT, "b.example", Some("three")), None);
    }
}
