//! The table as a program for the host's packet filter machine (`seccomp(2)`).
//!
//! Calls are found by halving, so that the most frequent ones do not pay for their number. Each leaf is a verdict or a few
//! comparisons of arguments.

use super::{Class, Row, Rule, TABLE};

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const ANY_BIT: u16 = 0x45;
const JUMP: u16 = 0x05;
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const ASK: u32 = 0x7fc0_0000;
const KILL: u32 = 0x8000_0000;
const ERROR: u32 = 0x0005_0000;

const NUMBER: u32 = 0;
const ARCH: u32 = 4;
/// x86-64, as the kernel names it.
const OURS: u32 = 0xc000_003e;
/// Set in numbers of the x32 variant.
const X32: u32 = 0x4000_0000;

/// Namespaces, and becoming a sibling (`CLONE_PARENT`) or being traced from outside.
const CLONE_REFUSED: u32 = 0x7e02_0080 | 0x8000 | 0x2000;

const fn error(errno: i32) -> u32 {
    ERROR | errno.cast_unsigned()
}

fn op(code: u16, value: u32) -> libc::sock_filter {
    libc::sock_filter {
        code,
        jt: 0,
        jf: 0,
        k: value,
    }
}

/// A comparison that skips `then` or `otherwise` instructions.
fn test(code: u16, value: u32, then: u8, otherwise: u8) -> libc::sock_filter {
    libc::sock_filter {
        code,
        jt: then,
        jf: otherwise,
        k: value,
    }
}

/// Offset of the low or high half of an argument.
fn argument(index: usize, high: bool) -> u32 {
    16 + 8 * index as u32 + if high { 4 } else { 0 }
}

/// The whole filter.
pub(crate) fn program() -> Vec<libc::sock_filter> {
    let mut rows: Vec<&Row> = TABLE.iter().collect();
    rows.sort_by_key(|row| row.number);
    let mut code = vec![
        op(LOAD, ARCH),
        test(EQUAL, OURS, 1, 0),
        op(RETURN, KILL),
        op(LOAD, NUMBER),
        test(AT_LEAST, X32, 0, 1),
        op(RETURN, error(libc::ENOSYS)),
    ];
    code.extend(search(&rows));
    code
}

/// Finds the number that is loaded among sorted rows.
fn search(rows: &[&Row]) -> Vec<libc::sock_filter> {
    if let [row] = rows {
        let leaf = leaf(row.class);
        let mut code = vec![test(EQUAL, number(row), 1, 0), op(RETURN, error(libc::ENOSYS))];
        code.extend(leaf);
        return code;
    }
    let (low, high) = rows.split_at(rows.len() / 2);
    let Some(first) = high.first() else {
        return vec![op(RETURN, error(libc::ENOSYS))];
    };
    let (below, above) = (search(low), search(high));
    // Conditional jumps are short, so a long one stands behind.
    let mut code = vec![test(AT_LEAST, number(first), 0, 1), op(JUMP, below.len() as u32)];
    code.extend(below);
    code.extend(above);
    code
}

fn number(row: &Row) -> u32 {
    u32::try_from(row.number).unwrap_or(u32::MAX)
}

fn leaf(class: Class) -> Vec<libc::sock_filter> {
    match class {
        Class::Emulate(_) => vec![op(RETURN, ASK)],
        Class::Allow => vec![op(RETURN, ALLOW)],
        Class::Pretend => vec![op(RETURN, error(0))],
        Class::Deny(errno) => vec![op(RETURN, error(errno))],
        Class::Arguments(rule, _) => arguments(rule),
    }
}

fn arguments(rule: Rule) -> Vec<libc::sock_filter> {
    match rule {
        Rule::Clone => vec![
            op(LOAD, argument(0, false)),
            test(ANY_BIT, CLONE_REFUSED, 0, 1),
            op(RETURN, error(libc::EPERM)),
            op(RETURN, ASK),
        ],
        Rule::IntoGroup => vec![
            op(LOAD, argument(2, false)),
            test(EQUAL, crate::sys::INTO_GROUP as u32, 1, 0),
            op(RETURN, error(libc::ENOSYS)),
            op(RETURN, ASK),
        ],
        Rule::Among(index, values, errno) => {
            let mut code = vec![op(LOAD, argument(index, false))];
            code.extend(verdicts(values, ALLOW));
            code.push(op(RETURN, error(errno)));
            code
        }
        Rule::AmongOrAsk(index, values, asked, errno) => {
            let mut code = vec![op(LOAD, argument(index, false))];
            code.extend(verdicts(values, ALLOW));
            code.extend(verdicts(asked, ASK));
            code.push(op(RETURN, error(errno)));
            code
        }
        Rule::Without(index, bits, errno) => vec![
            op(LOAD, argument(index, false)),
            test(ANY_BIT, bits, 0, 1),
            op(RETURN, error(errno)),
            op(RETURN, ALLOW),
        ],
        Rule::Masked(index, mask, values, errno) => {
            let mut code = vec![op(LOAD, argument(index, false)), op(AND, mask)];
            code.extend(verdicts(values, ALLOW));
            code.push(op(RETURN, error(errno)));
            code
        }
        Rule::SelfOrAsk => vec![
            op(LOAD, argument(0, false)),
            test(EQUAL, 0, 0, 1),
            op(RETURN, ALLOW),
            op(RETURN, ASK),
        ],
        Rule::ChildHandler => vec![
            op(LOAD, argument(0, false)),
            test(EQUAL, libc::SIGCHLD.cast_unsigned(), 1, 0),
            op(RETURN, ALLOW),
            op(LOAD, argument(1, false)),
            test(EQUAL, 0, 0, 3),
            op(LOAD, argument(1, true)),
            test(EQUAL, 0, 0, 1),
            op(RETURN, ALLOW),
            op(RETURN, ASK),
        ],
        Rule::Address(address, flags, bits, errno) => vec![
            op(LOAD, argument(flags, false)),
            test(ANY_BIT, bits, 0, 1),
            op(RETURN, error(errno)),
            op(LOAD, argument(address, false)),
            test(EQUAL, 0, 1, 0),
            op(RETURN, ASK),
            op(LOAD, argument(address, true)),
            test(EQUAL, 0, 1, 0),
            op(RETURN, ASK),
            op(RETURN, ALLOW),
        ],
        Rule::WithoutThenAsk(index, bits, errno) => vec![
            op(LOAD, argument(index, false)),
            test(ANY_BIT, bits, 0, 1),
            op(RETURN, error(errno)),
            op(RETURN, ASK),
        ],
        Rule::SocketPair => {
            let mut code = vec![
                op(LOAD, argument(0, false)),
                test(EQUAL, libc::AF_UNIX.cast_unsigned(), 4, 0),
                test(EQUAL, libc::AF_INET.cast_unsigned(), 1, 0),
                test(EQUAL, libc::AF_INET6.cast_unsigned(), 0, 1),
                op(RETURN, error(libc::EOPNOTSUPP)),
                op(RETURN, error(libc::EAFNOSUPPORT)),
                op(LOAD, argument(1, false)),
                op(AND, 0xf),
            ];
            code.extend(verdicts(&[1, 5], ALLOW));
            code.extend(verdicts(&[2], ASK));
            code.push(op(RETURN, error(libc::ESOCKTNOSUPPORT)));
            code
        }
        Rule::BitsOrAsk(index, bits) => vec![
            op(LOAD, argument(index, false)),
            test(ANY_BIT, bits, 0, 1),
            op(RETURN, ASK),
            op(RETURN, ALLOW),
        ],
        Rule::MapShared => vec![
            op(LOAD, argument(4, false)),
            test(EQUAL, u32::MAX, 0, 1),
            op(RETURN, ALLOW),
            op(LOAD, argument(3, false)),
            // Shared, and shared with its flags checked, have this bit, private has not.
            test(ANY_BIT, libc::MAP_SHARED.cast_unsigned(), 0, 1),
            op(RETURN, ASK),
            op(RETURN, ALLOW),
        ],
    }
}

/// `MSG_OOB` and `MSG_FASTOPEN`.
pub(super) const SEND_REFUSED: u32 = 0x2000_0001;

/// The same verdict for each of these values of what is loaded.
fn verdicts(values: &[u32], verdict: u32) -> impl Iterator<Item = libc::sock_filter> + '_ {
    values
        .iter()
        .flat_map(move |value| [test(EQUAL, *value, 0, 1), op(RETURN, verdict)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the host would.
    fn verdict(code: &[libc::sock_filter], arch: u32, number: u32, args: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend(number.to_le_bytes());
        data.extend(arch.to_le_bytes());
        data.extend(0u64.to_le_bytes());
        args.iter().for_each(|arg| data.extend(arg.to_le_bytes()));
        let (mut at, mut a) = (0, 0u32);
        loop {
            let i = code[at];
            at += 1;
            let jump = |yes: bool| usize::from(if yes { i.jt } else { i.jf });
            match i.code {
                LOAD => {
                    a = data[i.k as usize..i.k as usize + 4]
                        .iter()
                        .rev()
                        .fold(0, |v, b| v << 8 | u32::from(*b));
                }
                AND => a &= i.k,
                EQUAL => at += jump(a == i.k),
                AT_LEAST => at += jump(a >= i.k),
                ANY_BIT => at += jump(a & i.k != 0),
                JUMP => at += i.k as usize,
                RETURN => return i.k,
                code => panic!("instruction {code:#x}"),
            }
        }
    }

    #[test]
    fn every_number_gets_the_verdict_of_its_row_and_all_others_enosys() {
        let code = program();
        assert!(code.len() < 4096, "{} instructions", code.len());
        for number in 0..1000 {
            let row = TABLE.iter().find(|row| row.number == i64::from(number));
            let got = verdict(&code, OURS, number, [0; 6]);
            let wanted = match row.map(|row| row.class) {
                None => error(libc::ENOSYS),
                Some(Class::Allow) => ALLOW,
                Some(Class::Emulate(_)) => ASK,
                Some(Class::Pretend) => error(0),
                Some(Class::Deny(errno)) => error(errno),
                Some(Class::Arguments(..)) => continue,
            };
            assert_eq!(got, wanted, "call {number}");
        }
    }

    #[test]
    fn only_handlers_for_the_ends_of_children_are_asked_about() {
        let code = program();
        let verdict =
            |signal, action| verdict(&code, OURS, libc::SYS_rt_sigaction as u32, [signal, action, 0, 8, 0, 0]);
        assert_eq!([verdict(17, 0), verdict(10, 0x7000)], [ALLOW; 2]);
        assert_eq!([verdict(17, 0x7000), verdict(17, 1 << 32)], [ASK; 2]);
    }

    #[test]
    fn numbers_and_names_are_unique() {
        for (index, row) in TABLE.iter().enumerate() {
            for other in &TABLE[index + 1..] {
                assert!(
                    row.number != other.number && row.name != other.name,
                    "{} and {}",
                    row.name,
                    other.name
                );
            }
        }
    }

    #[test]
    fn other_variants_of_the_processor_get_nothing() {
        let code = program();
        for number in [0, 1, 2, 59, 11, 231] {
            assert_eq!(verdict(&code, 0x4000_0003, number, [0; 6]), KILL);
            assert_eq!(verdict(&code, OURS, number | X32, [0; 6]), error(libc::ENOSYS));
            assert_eq!(verdict(&code, OURS, number | 1 << 31, [0; 6]), error(libc::ENOSYS));
        }
    }

    #[test]
    fn arguments_decide_where_they_are_in_registers() {
        let code = program();
        let ask = |number: i64, args: [u64; 6]| verdict(&code, OURS, number as u32, args);
        let clone3 = |mark: u64| ask(libc::SYS_clone3, [1, 88, mark, 0, 0, 0]);
        assert_eq!([clone3(0), clone3(1)], [error(libc::ENOSYS); 2]);
        assert_eq!(clone3(crate::sys::INTO_GROUP), ASK, "the supervisor knows whose it is");
        let clone = |flags: u64| ask(libc::SYS_clone, [flags, 0, 0, 0, 0, 0]);
        assert_eq!(clone(0x11), ASK);
        assert_eq!(clone(0x3d0f00), ASK, "a thread");
        for bit in [
            0x20000,
            0x0200_0000,
            0x0400_0000,
            0x0800_0000,
            0x1000_0000,
            0x2000_0000,
            0x4000_0000,
            0x80,
            0x8000,
        ] {
            assert_eq!(clone(0x11 | bit), error(libc::EPERM), "{bit:#x}");
            assert_eq!(clone(0x3d0f00 | bit), error(libc::EPERM), "{bit:#x}");
        }
        let sendto = |flags: u64, to: u64| ask(libc::SYS_sendto, [0, 0, 0, flags, to, 0]);
        assert_eq!(sendto(0, 0), ALLOW);
        assert_eq!(sendto(1, 0), error(libc::EOPNOTSUPP));
        assert_eq!(sendto(0x2000_0000, 0), error(libc::EOPNOTSUPP));
        assert_eq!(sendto(0, 1), ASK);
        assert_eq!(sendto(0, 1 << 32), ASK, "also an address whose low half is zero");
        assert_eq!(sendto(1, 1), error(libc::EOPNOTSUPP));
        let sendmsg = |flags: u64| ask(libc::SYS_sendmsg, [0, 0, flags, 0, 0, 0]);
        assert_eq!(sendmsg(0), ASK);
        assert_eq!(sendmsg(0x2000_0000), error(libc::EOPNOTSUPP));
        let pair = |family: u64, kind: u64| ask(libc::SYS_socketpair, [family, kind, 0, 0, 0, 0]);
        assert_eq!(pair(1, 1 | 0x80000), ALLOW);
        assert_eq!(pair(1, 2), ASK);
        assert_eq!(pair(1, 3), error(libc::ESOCKTNOSUPPORT));
        assert_eq!(pair(2, 1), error(libc::EOPNOTSUPP));
        assert_eq!(pair(10, 1), error(libc::EOPNOTSUPP));
        assert_eq!(pair(3, 1), error(libc::EAFNOSUPPORT));
        let fcntl = |command: u64| ask(libc::SYS_fcntl, [0, command, 0, 0, 0, 0]);
        assert_eq!(fcntl(3), ALLOW);
        assert_eq!(fcntl(8), error(libc::EINVAL), "F_SETOWN");
        assert_eq!(fcntl(1033), error(libc::EINVAL), "F_ADD_SEALS");
        let futex = |operation: u64| ask(libc::SYS_futex, [0, operation, 0, 0, 0, 0]);
        assert_eq!(futex(128 | 9), ALLOW);
        assert_eq!(futex(6), error(libc::ENOSYS));
        let map = |flags: u64, fd: u64| ask(libc::SYS_mmap, [0, 4096, 3, flags, fd, 0]);
        assert_eq!(map(1, 3), ASK);
        assert_eq!(map(3, 3), ASK);
        assert_eq!(map(2, 3), ALLOW);
        assert_eq!(map(0x21, u64::MAX), ALLOW);
        assert_eq!(ask(libc::SYS_msync, [0, 4096, 4, 0, 0, 0]), ASK);
        assert_eq!(ask(libc::SYS_msync, [0, 4096, 1, 0, 0, 0]), ALLOW);
        assert_eq!(ask(libc::SYS_prlimit64, [0; 6]), ALLOW);
        assert_eq!(ask(libc::SYS_prlimit64, [7, 0, 0, 0, 0, 0]), ASK);
        assert_eq!(
            ask(libc::SYS_ioctl, [0, 0x5412, 0, 0, 0, 0]),
            error(libc::ENOTTY),
            "TIOCSTI"
        );
        assert_eq!(ask(libc::SYS_prctl, [4, 1, 0, 0, 0, 0]), ASK, "PR_SET_DUMPABLE");
        assert_eq!(
            ask(libc::SYS_prctl, [22, 2, 0, 0, 0, 0]),
            error(libc::EINVAL),
            "PR_SET_SECCOMP"
        );
    }
}
