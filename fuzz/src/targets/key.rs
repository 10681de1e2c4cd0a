//! Serialized keys: every text is one, and what is serialized parses as the same key.

use crate::input::Input;
use agentos_value::Key;

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let key = Key::parse(&text);
    assert_eq!(Key::parse(&key.serialized()), key, "{text:?}");
    let mut input = Input::new(bytes);
    let mut parts = Vec::new();
    while !input.is_empty() {
        parts.push(
            (0..input.u8() % 5)
                .map(|_| input.pick(&['a', '/', '\\', '0', ',', 'é']))
                .collect::<String>(),
        );
    }
    let key = Key(parts);
    assert_eq!(Key::parse(&key.serialized()), key, "{key:?}");
    if key.check(false).is_ok() {
        // Unambiguous keys survive the way through an address of the query form, which joins parts by commas.
        let joined = key.parts().join(",");
        let split = if joined.is_empty() {
            Key::default()
        } else {
            Key::new(joined.split(','))
        };
        assert_eq!(split, key);
    }
}
