//! Tests of the translation: each row is a pattern, a text and the match that `grep -o` of GNU prints first.

use super::*;

fn first(syntax: Syntax, pattern: &str, text: &str) -> Option<String> {
    let regex = Regex::new(pattern.as_bytes(), &Options::new(syntax)).unwrap();
    let (start, end) = regex.find_at(text.as_bytes(), 0)?;
    Some(text[start..end].to_owned())
}

fn check(syntax: Syntax, rows: &[(&str, &str, Option<&str>)]) {
    for (pattern, text, expected) in rows {
        assert_eq!(
            first(syntax, pattern, text).as_deref(),
            *expected,
            "{pattern:?} on {text:?}"
        );
    }
}

#[test]
fn basic_expressions() {
    check(
        Syntax::Basic,
        &[
            ("a*b", "xaab", Some("aab")),
            ("*a", "x*a", Some("*a")),
            (r"\(*a\)", "x*a", Some("*a")),
            ("^*a", "*a", Some("*a")),
            (r"a\+", "xaa", Some("aa")),
            ("a+", "aa+", Some("a+")),
            (r"a\?b", "ab", Some("ab")),
            (r"a\{2\}", "aaa", Some("aa")),
            (r"a\{2,\}", "aaa", Some("aaa")),
            (r"a\{,2\}b", "aaab", Some("aab")),
            ("a{2}", "a{2}", Some("a{2}")),
            (r"a\|bc", "xbc", Some("bc")),
            (r"a\|ab", "ab", Some("ab")),
            ("(a)", "(a)", Some("(a)")),
            ("a^b", "a^b", Some("a^b")),
            ("a$b", "a$b", Some("a$b")),
            (r"\(^a\)", "ba", None),
            (r"\(a$\)", "ab", None),
            (r"\(.\)\1", "abccd", Some("cc")),
            (r"\(a*\)b\1", "aaba", Some("aba")),
            (r"\<b", "ab b", Some("b")),
            (r"b\>", "bc b", Some("b")),
            (r"\w\w*", "-ab_1-", Some("ab_1")),
            (r"a\.b", "axb a.b", Some("a.b")),
            ("[]a]*", "a]b", Some("a]")),
            ("[^]a]", "a]b", Some("b")),
            (r"[\.]", r"a\.", Some(r"\")),
            ("[a-c]*", "abcd", Some("abc")),
            ("[a-]*", "a-b", Some("a-")),
            ("[[:digit:]]*", "12a", Some("12")),
            ("[^[:space:]]*", "ab c", Some("ab")),
            ("[[.a.]b]*", "abc", Some("ab")),
            ("[[=a=]]", "a", Some("a")),
            (r"x\{0\}y", "xy", Some("y")),
            ("é.", "aéb", Some("éb")),
        ],
    );
}

#[test]
fn extended_expressions() {
    check(
        Syntax::Extended,
        &[
            ("a+b?", "aab", Some("aab")),
            ("a|ab", "abc", Some("ab")),
            ("(a|ab)(c|bcd)", "abcd", Some("abcd")),
            ("(a*)(ab)?", "aab", Some("aab")),
            ("x*|b", "b", Some("b")),
            ("a{2}", "aaa", Some("aa")),
            ("a{,2}", "aaa", Some("aa")),
            ("a{x", "a{x", Some("a{x")),
            ("{1}a", "{1}a", Some("{1}a")),
            ("*a", "*a", Some("a")),
            ("a+?", "aa", Some("aa")),
            ("a**", "aa", Some("aa")),
            ("(^|x)a", "xa", Some("xa")),
            ("(a)(b)\\2\\1", "abba", Some("abba")),
            (r"a\|b", "a|b", Some("a|b")),
            (r"\(a\)", "(a)", Some("(a)")),
            (r"a\+", "a+", Some("a+")),
            (r"\*+", "a**", Some("**")),
            ("()b", "ab", Some("b")),
            (r"\bfoo\b", "foobar foo", Some("foo")),
            ("[[:alpha:]_][[:alnum:]_]*", "1a_2", Some("a_2")),
            ("a]", "a]", Some("a]")),
            ("a}", "a}", Some("a}")),
        ],
    );
}

#[test]
fn groups_follow_the_longest_match() {
    let regex = Regex::new(b"(a|ab)(c|bcd)(d*)", &Options::new(Syntax::Extended)).unwrap();
    let mut groups = Groups::new();
    assert!(regex.captures_at(b"xabcd", 0, &mut groups));
    assert_eq!(groups[0], Some((1, 5)));
    assert_eq!(regex.group_count(), 4);
}

#[test]
fn errors_speak_like_regcomp() {
    let error = |syntax, pattern: &str| Regex::new(pattern.as_bytes(), &Options::new(syntax)).err().unwrap().0;
    assert_eq!(error(Syntax::Basic, r"\(a"), "Unmatched ( or \\(");
    assert_eq!(error(Syntax::Basic, r"a\)"), "Unmatched ) or \\)");
    assert_eq!(error(Syntax::Basic, "[a"), "Unmatched [, [^, [:, [., or [=");
    assert_eq!(error(Syntax::Basic, r"a\{1"), "Unmatched \\{");
    assert_eq!(error(Syntax::Basic, r"\(a\)\2"), "Invalid back reference");
    assert_eq!(error(Syntax::Basic, "a\\"), "Trailing backslash");
    assert_eq!(error(Syntax::Extended, "[[:foo:]]"), "Invalid character class name");
    assert_eq!(error(Syntax::Extended, "[z-a]"), "Invalid range end");
    assert_eq!(error(Syntax::Extended, "a{2,1}"), "Invalid content of \\{\\}");
    assert_eq!(error(Syntax::Extended, &"(".repeat(300)), "Regular expression too big");
}

#[test]
fn bytes_that_are_not_text_match_themselves() {
    let regex = Regex::new(b"a\xff", &Options::new(Syntax::Fixed)).unwrap();
    assert_eq!(regex.find_at(b"xa\xffy", 0), Some((1, 3)));
}

#[test]
fn perl_expressions_take_the_backtracking_engine_only_when_needed() {
    let options = Options::new(Syntax::Perl);
    assert!(!prepare(br"\d+", &options).unwrap().fancy);
    assert!(prepare(br"(?<=a)\d+", &options).unwrap().fancy);
    assert_eq!(first(Syntax::Perl, r"(?<=a)\d+", "b1a23").as_deref(), Some("23"));
    assert_eq!(first(Syntax::Perl, r"(\w)\1", "abb").as_deref(), Some("bb"));
}
