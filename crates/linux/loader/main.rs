//! The loader: what the host executes in the place of every Linux guest's program.
//!
//! It asks its supervisor for a job (a call that only the supervisor answers, see [`ASK`]), with the place where it wants it, and
//! finds a page of instructions there, and the files to map among its descriptors. It maps them, builds the stack that a program
//! expects, and jumps. It has no library, no relocations and no state; whatever it is told comes from the supervisor, which has
//! checked it.
//!
//! Started by the host process itself, with its directory as an argument and perhaps two more, it is the guardian instead: it waits
//! for the end of its input, or of the host process, which stands in the place of its output, kills every process that executes
//! this same file, and removes the directories with what is in them. One of them may be a control group, whose processes it kills.
//!
//! All numbers in a job are 64-bit words; the layout is in `src/job.rs`.

#![no_std]
#![no_main]
#![no_builtins]

mod answers;

use core::arch::{asm, global_asm};
use core::mem::MaybeUninit;

/// The directory descriptor that marks a question to the supervisor (`src/job.rs` has the same).
const ASK: usize = -0x4147_4f53_isize as usize;
const ASK_JOB: usize = 1;
const ASK_INTERPRETER: usize = 3;
const ASK_END: usize = 6;

/// What a job begins with (`src/job.rs` has the same).
const MARK: usize = 0x4a4f_4253_4f47_4121;
/// Room for a job that is tried first.
const ROOM: usize = 16 << 10;

global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {main}",
    "ud2",
    main = sym main,
);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    fail(99)
}

/// The compiler may call these.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8 {
    // SAFETY: as for C's `memset`.
    unsafe { asm!("rep stosb", inout("rcx") len => _, inout("rdi") to => _, in("al") byte as u8, options(nostack)) };
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    // SAFETY: as for C's `memcpy`.
    unsafe { asm!("rep movsb", inout("rcx") len => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack)) };
    to
}

fn call(number: usize, args: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: a system call; those that are made here touch only memory that the loader maps or owns.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2], in("r10") args[3], in("r8") args[4], in("r9") args[5],
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

fn ask(what: usize, at: usize, room: usize) -> isize {
    call(257, [ASK, what, at, room, 0, 0])
}

fn fail(status: usize) -> ! {
    loop {
        call(231, [status, 0, 0, 0, 0, 0]);
    }
}

fn map(at: usize, len: usize, prot: usize, flags: usize, fd: usize, offset: usize) -> usize {
    let at = call(9, [at, len, prot, flags, fd, offset]);
    if (-4095..0).contains(&at) {
        fail(98);
    }
    at as usize
}

const PRIVATE: usize = 2;
const FIXED: usize = 0x10;
const ANONYMOUS: usize = 0x20;
const NO_RESERVE: usize = 0x4000;
const NO_FD: usize = usize::MAX;

/// Words of a job's head; `src/job.rs` writes them.
mod word {
    pub(crate) const MARK: usize = 0;
    pub(crate) const ARGC: usize = 2;
    pub(crate) const ENVC: usize = 3;
    pub(crate) const STRINGS: usize = 4;
    pub(crate) const EXECFN: usize = 5;
    pub(crate) const NAME: usize = 6;
    pub(crate) const IDS: usize = 8;
    pub(crate) const HAS_INTERPRETER: usize = 12;
    /// Descriptors of the two files. That of the interpreter is -1 if it has to be asked for.
    pub(crate) const PROGRAM: usize = 13;
    pub(crate) const INTERPRETER: usize = 14;
    /// Two images of [`IMAGE`] words.
    pub(crate) const IMAGES: usize = 16;
    pub(crate) const IMAGE: usize = 8;
    pub(crate) const SPAN: usize = 0;
    pub(crate) const ALIGN: usize = 1;
    pub(crate) const ENTRY: usize = 2;
    pub(crate) const PHDR: usize = 3;
    pub(crate) const PHNUM: usize = 4;
    pub(crate) const SEGMENTS: usize = 5;
    pub(crate) const SEGMENT_AT: usize = 6;
    pub(crate) const SEGMENT: usize = 8;
}

/// Where an image was put.
#[derive(Clone, Copy)]
struct Placed {
    bias: usize,
    entry: usize,
    phdr: usize,
    phnum: usize,
}

unsafe extern "C" fn main(stack: *const usize) -> ! {
    let mut room = ROOM;
    let mut job = fresh(room);
    let mut total = ask(ASK_JOB, job, room);
    if total > room as isize {
        call(11, [job, room, 0, 0, 0, 0]);
        room = total as usize;
        job = fresh(room);
        total = ask(ASK_JOB, job, room);
    }
    if total == -2 {
        // The program is another's; this process only stands in for it.
        let status = ask(ASK_END, 0, 0);
        fail(if status < 0 { 97 } else { status as usize });
    }
    if total < 0 {
        // Nobody supervises this process.
        // SAFETY: the host's stack begins with the number of arguments, and pointers to them.
        unsafe {
            match *stack {
                2 => guard([*stack.add(2), 0, 0]),
                3 => guard([*stack.add(3), *stack.add(2), 0]),
                4 => guard([*stack.add(4), *stack.add(3), *stack.add(2)]),
                _ => fail(97),
            }
        }
    }
    let job = job as *mut usize;
    // SAFETY: there is room for more than these words, and the supervisor wrote the job: all offsets in it lie within it.
    unsafe {
        let at = |word: usize| *job.add(word);
        if total > room as isize || at(word::MARK) != MARK {
            fail(96);
        }
        let program = place(job, word::IMAGES, at(word::PROGRAM) as isize);
        let interpreter = match (at(word::HAS_INTERPRETER), at(word::INTERPRETER) as isize) {
            (0, _) => None,
            // There was room for one descriptor only, which is free again.
            (_, ..0) => Some(place(job, word::IMAGES + word::IMAGE, ask(ASK_INTERPRETER, 0, 0))),
            (_, fd) => Some(place(job, word::IMAGES + word::IMAGE, fd)),
        };
        call(157, [15, job.add(word::NAME) as usize, 0, 0, 0, 0]);
        let top = build_stack(stack, job, program, interpreter);
        let entry = interpreter.unwrap_or(program).entry;
        asm!("mov rsp, {top}", "xor edx, edx", "xor ebp, ebp", "xor ebx, ebx", "xor edi, edi", "xor esi, esi", "jmp {entry}",
            top = in(reg) top, entry = in(reg) entry, options(noreturn));
    }
}

/// New memory for a job.
fn fresh(len: usize) -> usize {
    map(0, len, 3, PRIVATE | ANONYMOUS, NO_FD, 0)
}

/// Words of `struct stat` that are looked at.
const STAT: usize = 18;

/// Device and inode of a file; none if it cannot be asked for.
fn identity(path: *const u8) -> Option<(usize, usize)> {
    let mut stat = [0usize; STAT];
    match call(262, [AT_FDCWD, path as usize, &raw mut stat as usize, 0, 0, 0]) {
        0 => Some((stat[0], stat[1])),
        _ => None,
    }
}

const AT_FDCWD: usize = -100_isize as usize;
const KILL: usize = 9;

/// Waits for the end of the host process and clears up after it. The working directory is that of this file, and one of the
/// directories.
fn guard(dirs: [usize; 3]) -> ! {
    call(112, [0; 6]);
    call(436, [2, u32::MAX as usize, 0, 0, 0, 0]);
    for signal in [1usize, 2, 3, 13, 15] {
        // Ignored: only the end of the host process ends this one.
        let action = [1usize, 0, 0, 0];
        call(13, [signal, &raw const action as usize, 0, 8, 0, 0]);
    }
    // Found out while the file is certainly there.
    let own = identity(c"x".as_ptr().cast());
    if own.is_none() {
        fail(93);
    }
    wait();
    for dir in dirs {
        kill_group(dir);
    }
    // A guest may just be starting another; once the host process is gone none of them can any more.
    let mut quiet = 0;
    for _ in 0..SWEEPS_MAX {
        quiet = if sweep(own) { 0 } else { quiet + 1 };
        if quiet == 3 {
            break;
        }
        pause();
    }
    // What the host process had there when it was killed goes too.
    for dir in dirs {
        for _ in 0..SWEEPS_MAX {
            let here = call(257, [AT_FDCWD, dir, 0o200_000, 0, 0, 0]);
            each_entry(here, |name| {
                for flags in [0, REMOVE_DIRECTORY] {
                    call(263, [here as usize, name as usize, flags, 0, 0, 0]);
                }
            });
            // A group has whoever was killed in it until that is gone.
            if call(84, [dir, 0, 0, 0, 0, 0]) != BUSY {
                break;
            }
            pause();
        }
    }
    fail(0)
}

const BUSY: isize = -16;

/// Kills every process of a control group and of those below it. Of a directory that is none nothing happens.
fn kill_group(dir: usize) {
    let here = call(257, [AT_FDCWD, dir, 0o200_000, 0, 0, 0]);
    if here < 0 {
        return;
    }
    let file = call(257, [here as usize, c"cgroup.kill".as_ptr() as usize, 1, 0, 0, 0]);
    if file >= 0 {
        call(1, [file as usize, c"1".as_ptr() as usize, 1, 0, 0, 0]);
        call(3, [file as usize, 0, 0, 0, 0, 0]);
    }
    call(3, [here as usize, 0, 0, 0, 0, 0]);
}

/// About a millisecond.
fn pause() {
    let pause = [0usize, 1_000_000];
    call(35, [&raw const pause as usize, 0, 0, 0, 0, 0]);
}

const REMOVE_DIRECTORY: usize = 0x200;

/// Waits until the input ends or the process that descriptor 1 is ends.
fn wait() {
    const READABLE: usize = 1 << 32;
    loop {
        // A descriptor, the events that are waited for, and those that came.
        let mut polls = [READABLE, READABLE | 1];
        match call(7, [&raw mut polls as usize, 2, usize::MAX, 0, 0, 0]) {
            -4 => continue,
            1.. => {}
            _ => fail(94),
        }
        let mut byte = 0u8;
        // Another event than the expected one ends the wait as well: rather too early than never.
        if polls[1] >> 48 != 0 || polls[0] >> 48 != 0 && call(0, [0, &raw mut byte as usize, 1, 0, 0, 0]) <= 0 {
            return;
        }
    }
}

/// How often it is looked, each millisecond, whether a killed process is there still; then it is left to the host.
const SWEEPS_MAX: usize = 10_000;

/// Kills every other process that executes this file, and says whether there was one.
fn sweep(own: Option<(usize, usize)>) -> bool {
    let proc = call(257, [AT_FDCWD, c"/proc".as_ptr() as usize, 0o200_000, 0, 0, 0]);
    let this = call(39, [0; 6]) as usize;
    let mut found = false;
    each_entry(proc, |name| {
        // SAFETY: names end in a NUL.
        let Some(pid) = (unsafe { number(name) }) else { return };
        if pid == this {
            return;
        }
        // The descriptor first: what is looked at afterwards is the same process, or one that has ended.
        let process = call(434, [pid, 0, 0, 0, 0, 0]);
        if process >= 0 {
            if executable(pid) == own {
                found = true;
                call(424, [process as usize, KILL, 0, 0, 0, 0]);
            }
            call(3, [process as usize, 0, 0, 0, 0, 0]);
        }
    });
    found
}

/// Calls `visit` with each name in a directory, and closes it.
fn each_entry(dir: isize, mut visit: impl FnMut(*const u8)) {
    if dir < 0 {
        return;
    }
    // Only what the host has written is read.
    let mut entries = MaybeUninit::<[u8; 4096]>::uninit();
    loop {
        let count = call(217, [dir as usize, entries.as_mut_ptr() as usize, 4096, 0, 0, 0]);
        if count <= 0 {
            break;
        }
        let mut at = 0;
        while at < count as usize {
            // SAFETY: the host has written whole entries: number, position, length, kind, name.
            let (length, name) = unsafe {
                let entry = entries.as_ptr().cast::<u8>().add(at);
                (entry.add(16).cast::<u16>().read_unaligned() as usize, entry.add(19))
            };
            at += if length == 0 { 4096 } else { length };
            visit(name);
        }
    }
    call(3, [dir as usize, 0, 0, 0, 0, 0]);
}

/// The number that a name is.
///
/// # Safety
/// `name` ends in a NUL.
unsafe fn number(mut name: *const u8) -> Option<usize> {
    let mut value = 0usize;
    // SAFETY: stops at the NUL.
    unsafe {
        while *name != 0 {
            let digit = (*name).wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value.wrapping_mul(10).wrapping_add(digit as usize);
            name = name.add(1);
        }
    }
    Some(value)
}

/// What a process executes.
fn executable(pid: usize) -> Option<(usize, usize)> {
    let mut path = [0u8; 40];
    let mut end = 39;
    for byte in b"exe/".iter().take(3).rev() {
        end -= 1;
        path[end % 40] = *byte;
    }
    end -= 1;
    path[end % 40] = b'/';
    let mut rest = pid;
    while rest > 0 && end > 8 {
        end -= 1;
        path[end % 40] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    for byte in b"/proc/".iter().rev() {
        end -= 1;
        path[end % 40] = *byte;
    }
    identity((&raw const path).cast::<u8>().wrapping_add(end))
}

/// Maps an image and closes its file.
///
/// # Safety
/// `job` is a job, and `image` the index of an image in it.
unsafe fn place(job: *const usize, image: usize, fd: isize) -> Placed {
    if fd < 0 {
        fail(95);
    }
    let fd = fd as usize;
    // SAFETY: the caller's promise.
    unsafe {
        let at = |word: usize| *job.add(image + word);
        let mut bias = 0;
        if at(word::SPAN) > 0 {
            // Room for the image and for moving it to where its alignment wants it.
            let align = at(word::ALIGN);
            let slack = if align > 4096 { align } else { 0 };
            let start = map(0, at(word::SPAN) + slack, 0, PRIVATE | ANONYMOUS | NO_RESERVE, NO_FD, 0);
            bias = if slack > 0 {
                (start + slack - 1) & !(slack - 1)
            } else {
                start
            };
            let end = bias + at(word::SPAN);
            if bias > start {
                call(11, [start, bias - start, 0, 0, 0, 0]);
            }
            if start + at(word::SPAN) + slack > end {
                call(11, [end, start + at(word::SPAN) + slack - end, 0, 0, 0, 0]);
            }
        }
        let mut segment = (job as *const u8).add(at(word::SEGMENT_AT)).cast::<usize>();
        for _ in 0..at(word::SEGMENTS) {
            // Address, bytes to map, offset, protection, start and end of zeros, end of fresh pages.
            let [address, len, offset, prot, zero, zero_end, fresh_end] =
                [0, 1, 2, 3, 4, 5, 6].map(|index| *segment.add(index));
            if len > 0 {
                map(bias + address, len, prot, PRIVATE | FIXED, fd, offset);
            }
            if zero_end > zero {
                memset((bias + zero) as *mut u8, 0, zero_end - zero);
            }
            if fresh_end > zero_end {
                map(
                    bias + zero_end,
                    fresh_end - zero_end,
                    prot,
                    PRIVATE | FIXED | ANONYMOUS,
                    NO_FD,
                    0,
                );
            }
            segment = segment.add(word::SEGMENT);
        }
        call(3, [fd, 0, 0, 0, 0, 0]);
        Placed {
            bias,
            entry: bias + at(word::ENTRY),
            phdr: bias + at(word::PHDR),
            phnum: at(word::PHNUM),
        }
    }
}

/// Builds argument count, arguments, environment and auxiliary vector below the present stack, and says where they begin.
///
/// # Safety
/// `stack` is what the host started the loader with; `job` is a job.
unsafe fn build_stack(stack: *const usize, job: *mut usize, program: Placed, interpreter: Option<Placed>) -> usize {
    // SAFETY: the host's stack is laid out as the System V ABI says, and the job as `word` says.
    unsafe {
        let (argc, envc) = (*job.add(word::ARGC), *job.add(word::ENVC));
        // The host's auxiliary vector is behind its arguments and environment.
        let mut old = stack.add(*stack + 2);
        while *old != 0 {
            old = old.add(1);
        }
        old = old.add(1);
        let mut pairs = 0;
        while *old.add(pairs * 2) != 0 {
            pairs += 1;
        }
        let words = 1 + argc + 1 + envc + 1 + (pairs + 1) * 2;
        // The frames of this program lie below `stack` too; they are left alone.
        let room = words * 8 + 16384;
        let top = (stack as usize - room) & !15;
        let mut to = top as *mut usize;
        let mut push = |word: usize| {
            *to = word;
            to = to.add(1);
        };
        push(argc);
        let mut text = (job as *mut u8).add(*job.add(word::STRINGS));
        for count in [argc, envc] {
            for _ in 0..count {
                push(text as usize);
                while *text != 0 {
                    text = text.add(1);
                }
                text = text.add(1);
            }
            push(0);
        }
        for pair in 0..pairs {
            let (kind, value) = (*old.add(pair * 2), *old.add(pair * 2 + 1));
            push(kind);
            push(match kind {
                3 => program.phdr,
                4 => 56,
                5 => program.phnum,
                7 => interpreter.map_or(0, |placed| placed.bias),
                9 => program.entry,
                11..=14 => *job.add(word::IDS + kind - 11),
                23 => 0,
                31 => job as usize + *job.add(word::EXECFN),
                _ => value,
            });
        }
        push(0);
        push(0);
        top
    }
}
