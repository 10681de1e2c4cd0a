//! Programs that somebody has changed: refused, or planned soundly.
#![cfg(jail)]
#![allow(clippy::unwrap_used, missing_docs)]

/// The same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[test]
fn changed_files_are_refused_or_planned_soundly() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/elf");
    for seed in std::fs::read_dir(folder).unwrap() {
        let whole = std::fs::read(seed.unwrap().path()).unwrap();
        agentos_linux::fuzzing::program(&whole).unwrap();
        for _ in 0..20_000 {
            let mut file = whole.clone();
            for _ in 0..=numbers.next() % 4 {
                let at = numbers.next() as usize % file.len();
                file[at] = match numbers.next() % 3 {
                    0 => 0,
                    1 => 0xff,
                    _ => numbers.next() as u8,
                };
            }
            file.truncate(file.len() - numbers.next() as usize % 3 * 40);
            agentos_linux::fuzzing::program(&file).unwrap();
        }
    }
}
