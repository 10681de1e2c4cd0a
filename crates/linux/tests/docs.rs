//! The page of system calls is made from the table. `AGENTOS_BLESS=1` writes it anew.
#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(jail)]

#[test]
fn the_page_of_system_calls_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/linux-calls.md");
    let head = "# System calls of Linux programs\n\nMade from the table in `crates/linux/src/table/rows.rs`. Every other call fails with \
                `ENOSYS`. How it works is in [linux.md](linux.md).\n\n";
    let page = format!("{head}{}", agentos_linux::system_calls());
    if std::env::var_os("AGENTOS_BLESS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap() == page,
        "run this test with AGENTOS_BLESS=1"
    );
}
