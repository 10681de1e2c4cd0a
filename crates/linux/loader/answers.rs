//! What answers `readlink` within a guest (`src/answers/mod.rs` says when, and why it may).
//!
//! It lies in the loader's text, which stays mapped, and is called in the place of a `syscall` instruction: it keeps all registers that a
//! system call keeps. Whatever it is not certain of it asks the supervisor, as the instruction would have.
//!
//! ```text
//!   +0   two words by which the supervisor finds this
//!   +16  end of the stack   written by the supervisor into the memory of one process; 0 until the table is there
//!   +24  the table          likewise
//!   +32  asked for          likewise, when the table was asked for: nobody asks twice
//!   +40  offset of the instruction behind the system call
//!   +48  the code
//! ```
//!
//! The path is read only between the present end of the stack and where the stack began, as that is there for certain if the two are
//! close: what lies between is one mapping. So nothing that is read can be missing.

use core::arch::global_asm;

global_asm!(
    ".balign 64",
    "agentos_answers:",
    ".quad {mark}",
    ".quad {mark_two}",
    "2: .quad 0",
    "3: .quad 0",
    "4: .quad 0",
    ".quad 9f - agentos_answers",
    "endbr64",
    "mov rcx, qword ptr [rip + 2b]",
    "test rcx, rcx",
    "jz 7f",
    // The path begins on the stack, and the stack is the one that began there.
    "mov rax, rcx",
    "sub rax, rsp",
    "cmp rax, {depth}",
    "ja 8f",
    "cmp rdi, rsp",
    "jb 8f",
    "cmp rdi, rcx",
    "jae 8f",
    "cmp byte ptr [rdi], 0x2f",
    "jne 8f",
    "push rdx",
    "push rsi",
    "push r8",
    "push r9",
    // Its end, before the end of what may be read, and its hash.
    "lea r8, [rdi + {path_max} + 1]",
    "cmp r8, rcx",
    "cmova r8, rcx",
    "mov r9, rdi",
    "mov eax, {hash_seed}",
    "20: movzx ecx, byte ptr [r9]",
    "test ecx, ecx",
    "jz 21f",
    "xor eax, ecx",
    "imul eax, eax, {hash_factor}",
    "inc r9",
    "cmp r9, r8",
    "jb 20b",
    "jmp 6f",
    "21: sub r9, rdi",
    "mov ecx, eax",
    "shr ecx, 16",
    "xor eax, ecx",
    "and eax, {slots} - 1",
    "shl eax, {slot_bits}",
    "mov rsi, qword ptr [rip + 3b]",
    "lea r8, [rsi + rax + {head}]",
    // An entry that is being written has an odd number, and another one afterwards.
    "mov r11, qword ptr [r8]",
    "test r11b, 1",
    "jnz 6f",
    "cmp r9, qword ptr [r8 + 32]",
    "jne 6f",
    "xor ecx, ecx",
    "22: movzx eax, byte ptr [rdi + rcx]",
    "cmp al, byte ptr [r8 + rcx + 40]",
    "jne 6f",
    "inc rcx",
    "cmp rcx, r9",
    "jb 22b",
    // It is young: a clock that went back makes it old.
    "rdtsc",
    "shl rdx, 32",
    "or rax, rdx",
    "sub rax, qword ptr [r8 + 16]",
    "cmp rax, qword ptr [r8 + 24]",
    "jae 6f",
    // Nothing has changed since it was found out, and it was whole.
    "mov rax, qword ptr [r8 + 8]",
    "cmp r11, qword ptr [r8]",
    "jne 6f",
    "cmp rax, qword ptr [rsi]",
    "jne 6f",
    "pop r9",
    "pop r8",
    "pop rsi",
    "pop rdx",
    "mov rax, -22",
    "ret",
    // The table is not there yet: asked for once, and mapped where there is room.
    "7: cmp qword ptr [rip + 4b], 0",
    "jne 8f",
    "push rdi",
    "push rsi",
    "push rdx",
    "push r10",
    "push r8",
    "push r9",
    "mov rdi, {ask}",
    "mov esi, {ask_table}",
    "xor edx, edx",
    "xor r10d, r10d",
    "mov eax, 257",
    "syscall",
    "test eax, eax",
    "js 5f",
    "push rax",
    "mov r8d, eax",
    "xor edi, edi",
    "mov esi, {length}",
    "mov edx, 1",
    "mov r10d, 1",
    "xor r9d, r9d",
    "mov eax, 9",
    "syscall",
    "mov rdi, qword ptr [rsp]",
    "mov qword ptr [rsp], rax",
    "mov eax, 3",
    "syscall",
    "pop rdx",
    "mov rdi, {ask}",
    "mov esi, {ask_mapped}",
    "xor r10d, r10d",
    "mov eax, 257",
    "syscall",
    "5: pop r9",
    "pop r8",
    "pop r10",
    "pop rdx",
    "pop rsi",
    "pop rdi",
    "jmp 8f",
    "6: pop r9",
    "pop r8",
    "pop rsi",
    "pop rdx",
    "8: mov eax, 89",
    "syscall",
    "9: ret",
    mark = const MARK,
    mark_two = const MARK_TWO,
    depth = const DEPTH,
    path_max = const PATH_MAX,
    hash_seed = const HASH_SEED,
    hash_factor = const HASH_FACTOR,
    slots = const SLOTS,
    slot_bits = const SLOT_BITS,
    head = const HEAD,
    length = const LENGTH,
    ask = const super::ASK as isize,
    ask_table = const ASK_TABLE,
    ask_mapped = const ASK_MAPPED,
);

// `src/answers/` has the same numbers.
const MARK: u64 = 0x5eed_a4c0_11ab_1e55;
const MARK_TWO: u64 = 0x7e11_ab1e_d1ec_7047;
const DEPTH: usize = 1 << 20;
const PATH_MAX: usize = 215;
const HASH_SEED: u32 = 0x811c_9dc5;
const HASH_FACTOR: u32 = 0x0100_0193;
const SLOTS: usize = 256;
const SLOT_BITS: u32 = 8;
const HEAD: usize = 4096;
const LENGTH: usize = HEAD + (SLOTS << SLOT_BITS);
const ASK_TABLE: usize = 8;
const ASK_MAPPED: usize = 9;
