//! Programs that do nothing but reach for more, as text of modules.

/// Never ends.
pub(crate) const SPIN: &str = r#"(module (memory (export "memory") 1) (func (export "_start") (loop $l (br $l))))"#;

/// Ends at once.
pub(crate) const NOTHING: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

/// Makes a call again and again until it fails, and exits with the preview-1 number of the error.
pub(crate) fn until_it_fails(imports: &str, call: &str) -> String {
    module_of(
        imports,
        "",
        "",
        &format!("(loop $more (br_if $more (i32.eqz (local.tee $error {call}))))"),
    )
}

/// A program with these imports, data and functions. `$error` is what it exits with.
pub(crate) fn module_of(imports: &str, items: &str, locals: &str, body: &str) -> String {
    format!(
        r#"(module {imports}
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 2) {items}
        (func (export "_start") (local $error i32) {locals}
            {body}
            (call $exit (local.get $error))))"#
    )
}

/// Takes what it can get of memory in steps of 1 MiB, and exits with their number.
pub(crate) const GROW: &str = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start") (local $mib i32)
        (loop $more (if (i32.ne (memory.grow (i32.const 16)) (i32.const -1))
            (then (local.set $mib (i32.add (local.get $mib) (i32.const 1))) (br $more))))
        (call $exit (local.get $mib))))"#;

/// The same, but it stays.
pub(crate) const HOG: &str = r#"(module (import "agentos_v1" "sig_wait" (func $wait (param i64 i64 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
        (loop $stay (drop (call $wait (i64.const 0) (i64.const -1) (i32.const 64))) (br $stay))))"#;

pub(crate) const PIPE: &str = r#"(import "agentos_v1" "fd_pipe" (func $pipe (param i32 i32 i32) (result i32)))"#;
pub(crate) const MAKE_PIPE: &str = "(call $pipe (i32.const 0) (i32.const 64) (i32.const 68))";
pub(crate) const PAIR: &str = r#"(import "agentos_v1" "sock_pair" (func $pair (param i32 i32 i32 i32) (result i32)))"#;
pub(crate) const OPEN: &str = r#"(import "agentos_v1" "sock_open" (func $open (param i32 i32 i32 i32) (result i32)))"#;
pub(crate) const WRITE: &str =
    r#"(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))"#;
pub(crate) const READ: &str =
    r#"(import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))"#;

/// An IPv4 address for socket calls, as the text of a data segment; it has 8 bytes.
pub(crate) fn address([a, b, c, d]: [u8; 4], port: u16) -> String {
    let [low, high] = port.to_le_bytes();
    let bytes = [2, 0, low, high, a, b, c, d];
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// Writes to one end of a pair of unix sockets of this kind for ever.
pub(crate) fn flood(kind: u32) -> String {
    let body = format!(
        "(drop (call $pair (i32.const 1) (i32.const {kind}) (i32.const 64) (i32.const 68)))
         (i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const 1000))
         (loop $more
             (drop (call $write (i32.load (i32.const 64)) (i32.const 0) (i32.const 1) (i32.const 16)))
             (br $more))"
    );
    module_of(&format!("{PAIR} {WRITE}"), "", "", &body)
}

/// Writes `bytes` at a time to the two output streams in turn, for ever.
pub(crate) fn shout(bytes: u32) -> String {
    let body = format!(
        "(i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const {bytes}))
         (loop $more
             (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
             (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 16)))
             (br $more))"
    );
    module_of(WRITE, "", "", &body)
}

/// Exits with 1/100 of what one call of `name` moves of 5000 bytes; 200 for an error.
pub(crate) fn one_call(name: &str, fd: u32) -> String {
    let import =
        format!(r#"(import "wasi_snapshot_preview1" "{name}" (func $move (param i32 i32 i32 i32) (result i32)))"#);
    let body = format!(
        "(i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const 2500))
         (i32.store (i32.const 8) (i32.const 8192)) (i32.store (i32.const 12) (i32.const 2500))
         (local.set $error (i32.const 200))
         (if (i32.eqz (call $move (i32.const {fd}) (i32.const 0) (i32.const 2) (i32.const 16)))
             (then (local.set $error (i32.div_u (i32.load (i32.const 16)) (i32.const 100)))))"
    );
    module_of(&import, "", "", &body)
}
