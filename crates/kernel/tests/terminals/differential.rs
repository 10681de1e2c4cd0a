//! Random settings and keystrokes on both sides: the same bytes on the screen, the same reads.
//!
//! The host handles what is typed in the background. Asking it whether there is something to read makes it finish that
//! first, unless there is something already; so a script types only when everything was read, and then asks.

use super::host::Host;
use super::ours::Ours;
use agentos_kernel::errno::Errno;
use agentos_kernel::tty::{Control, InputModes, LocalModes, OutputModes, Queue, Termios, When};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// A pair with its two ends. Nothing waits.
pub trait Terminal {
    /// Changes the attributes and gives what they are then.
    fn set(&mut self, termios: &Termios, when: When) -> Termios;
    fn type_keys(&mut self, keys: &[u8]) -> Result<usize, Errno>;
    fn print(&mut self, text: &[u8]) -> Result<usize, Errno>;
    fn read(&mut self, most: usize) -> Result<Vec<u8>, Errno>;
    /// All that the master can read now.
    fn screen(&mut self) -> Vec<u8>;
    fn available(&mut self) -> u64;
    fn readable(&mut self) -> bool;
    fn flush(&mut self, queue: Queue);
    fn hold(&mut self, held: bool);
}

/// What happens to a terminal, from one moment at which all was read to the next.
#[derive(Debug, Clone)]
struct Round {
    before: Vec<Step>,
    keys: Vec<u8>,
    between: Vec<Step>,
    /// Size of the reads.
    most: usize,
}

#[derive(Debug, Clone)]
enum Step {
    Set(Box<Termios>, When),
    Print(Vec<u8>),
    Flush(Queue),
    Hold(bool),
}

/// Keys: letters and everything that means something.
fn keys(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let special = vec![
        3u8, 4, 8, 9, 10, 13, 15, 17, 18, 19, 21, 22, 23, 26, 28, 127, 0, 1, 27, 255, b' ', b'_', 0xc3, 0xa9, 0xe2,
        0x82, 0xac, 0xd6, 0xdf, b'^', b'\\',
    ];
    let key = prop_oneof![
        6 => prop::sample::select(special),
        3 => prop::char::range('a', 'f').prop_map(|letter| letter as u8),
        1 => prop::char::range('A', 'C').prop_map(|letter| letter as u8),
        1 => any::<u8>(),
    ];
    prop::collection::vec(key, 0..most)
}

fn bits(all: u32, usual: u32) -> impl Strategy<Value = u32> {
    prop_oneof![
        2 => Just(usual),
        2 => any::<u32>().prop_map(move |random| random & all),
        // One or two changes to what is usual.
        3 => (any::<u32>(), any::<u32>(), any::<u32>()).prop_map(move |(a, b, c)| usual ^ (a & b & c & all)),
    ]
}

fn settings() -> impl Strategy<Value = Termios> {
    let usual = Termios::default();
    let input = InputModes::all_known().bits();
    let output = OutputModes::all_known().bits();
    let local = LocalModes::all_known().bits();
    let chars = prop::collection::vec(
        (0usize..17, prop_oneof![Just(0u8), 1u8..32, Just(b'a'), Just(127)]),
        0..3,
    );
    let raw = (0u8..4, 0u8..2);
    (
        bits(input, usual.input.bits()),
        bits(output, usual.output.bits()),
        bits(local, usual.local.bits()),
        chars,
        raw,
    )
        .prop_map(|(input, output, local, chars, (fewest, tenths))| {
            let mut termios = Termios::default();
            let input = InputModes::from_bits_retain(input);
            let output = OutputModes::from_bits_retain(output);
            let local = LocalModes::from_bits_retain(local);
            (termios.input, termios.output, termios.local) = (input, output, local);
            if flushes(&termios) {
                termios.input -= InputModes::IXANY;
            }
            for (place, value) in chars {
                termios.chars[place] = value;
            }
            termios.set_char(Control::Min, fewest);
            termios.set_char(Control::Time, tenths);
            // Place 7 is Linux's for a switch character that it does not use.
            termios.chars[7] = 0;
            termios.chars[13] = 15;
            termios
        })
}

trait Known {
    /// The modes that have a name here.
    fn all_known() -> Self;
}

impl Known for InputModes {
    fn all_known() -> Self {
        Self::PARMRK
            | Self::ISTRIP
            | Self::INLCR
            | Self::IGNCR
            | Self::ICRNL
            | Self::IUCLC
            | Self::IXON
            | Self::IXANY
            | Self::IXOFF
            | Self::IUTF8
    }
}

impl Known for OutputModes {
    fn all_known() -> Self {
        Self::OPOST | Self::OLCUC | Self::ONLCR | Self::OCRNL | Self::ONOCR | Self::ONLRET | Self::XTABS
    }
}

impl Known for LocalModes {
    fn all_known() -> Self {
        Self::ISIG
            | Self::ICANON
            | Self::ECHO
            | Self::ECHOE
            | Self::ECHOK
            | Self::ECHONL
            | Self::NOFLSH
            | Self::ECHOCTL
            | Self::ECHOPRT
            | Self::ECHOKE
            | Self::IEXTEN
    }
}

/// Whether signals and flow control are on together, and signals flush. How much of the echo a signal then catches depends
/// on the host's background work, if output was restarted among the same keys; scripts avoid that.
fn flushes(termios: &Termios) -> bool {
    let local = termios.local;
    termios.input.contains(InputModes::IXON) && local.contains(LocalModes::ISIG) && !local.contains(LocalModes::NOFLSH)
}

/// The keys without what would make the comparison depend on the host's timing.
fn timeless(keys: &[u8], termios: &Termios) -> Vec<u8> {
    let flow = [termios.char(Control::Start), termios.char(Control::Stop)];
    // Before flow control looks at it, a key may lose its eighth bit or its case.
    let means_flow = |key: u8| {
        flow.iter()
            .any(|flow| *flow == key & 0x7f || *flow == (key & 0x7f).to_ascii_lowercase())
    };
    let drop = flushes(termios);
    keys.iter().copied().filter(|key| !drop || !means_flow(*key)).collect()
}

fn step() -> impl Strategy<Value = Step> {
    let when = prop::sample::select(vec![When::Now, When::Drain, When::Flush]);
    let queue = prop::sample::select(vec![Queue::Input, Queue::Output, Queue::Both]);
    prop_oneof![
        4 => (settings(), when).prop_map(|(termios, when)| Step::Set(Box::new(termios), when)),
        4 => keys(30).prop_map(Step::Print),
        1 => queue.prop_map(Step::Flush),
        1 => any::<bool>().prop_map(Step::Hold),
    ]
}

fn round() -> impl Strategy<Value = Round> {
    let steps = || prop::collection::vec(step(), 0..3);
    (
        steps(),
        keys(40),
        steps(),
        prop_oneof![Just(1usize), 2usize..6, Just(200)],
    )
        .prop_map(|(before, keys, between, most)| Round {
            before,
            keys,
            between,
            most,
        })
}

fn run(step: &Step, host: &mut Host, ours: &mut Ours, current: &mut Termios) -> Result<(), TestCaseError> {
    match step {
        Step::Set(termios, when) => {
            *current = ours.set(termios, *when);
            prop_assert_eq!(*current, host.set(termios, *when));
        }
        Step::Print(text) => prop_assert_eq!(ours.print(text), host.print(text)),
        Step::Flush(queue) => {
            ours.flush(*queue);
            host.flush(*queue);
        }
        Step::Hold(held) => {
            ours.hold(*held);
            host.hold(*held);
        }
    }
    compare_screens(host, ours)
}

fn compare_screens(host: &mut Host, ours: &mut Ours) -> Result<(), TestCaseError> {
    let (ours, theirs) = (ours.screen(), host.screen());
    prop_assert_eq!(show(&ours), show(&theirs), "screens: ours, the host's");
    Ok(())
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn compare(rounds: &[Round]) -> Result<(), TestCaseError> {
    let Some(mut host) = Host::new() else { return Ok(()) };
    let mut ours = Ours::new();
    let mut current = Termios::default();
    for round in rounds {
        for step in &round.before {
            run(step, &mut host, &mut ours, &mut current)?;
        }
        // What changed settings made readable.
        read_all(&mut host, &mut ours, 100)?;
        let keys = timeless(&round.keys, &current);
        prop_assert_eq!(ours.type_keys(&keys), host.type_keys(&keys));
        let readable = ours.readable();
        prop_assert_eq!(readable, eventually(readable, || host.readable()));
        let available = ours.available();
        prop_assert_eq!(available, eventually(available, || host.available()), "available");
        compare_screens(&mut host, &mut ours)?;
        for step in &round.between {
            run(step, &mut host, &mut ours, &mut current)?;
        }
        read_all(&mut host, &mut ours, round.most)?;
        compare_screens(&mut host, &mut ours)?;
    }
    Ok(())
}

/// Reads until there is nothing.
fn read_all(host: &mut Host, ours: &mut Ours, most: usize) -> Result<(), TestCaseError> {
    loop {
        let (got, theirs) = (ours.read(most), host.read(most));
        prop_assert_eq!(&got, &theirs, "reads: ours, the host's");
        if !got.is_ok_and(|bytes| !bytes.is_empty() || ours.readable()) {
            return Ok(());
        }
    }
}

/// The host's answer, which may need a moment to become the expected one.
fn eventually<T: PartialEq + Copy>(expected: T, mut ask: impl FnMut() -> T) -> T {
    // Only a disagreement takes that long.
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = ask();
        if answer == expected || Instant::now() > until {
            return answer;
        }
        std::thread::yield_now();
    }
}

/// Random scripts, as many as `PROPTEST_CASES` says if that is more than usual. Making a failure small takes a minute at most.
fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..ProptestConfig::with_cases(ProptestConfig::default().cases.max(800))
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn behaves_as_the_host_does(rounds in prop::collection::vec(round(), 1..6)) {
        if Host::new().is_none() {
            eprintln!("skipped: /dev/ptmx cannot be opened here, so there is nothing to compare with");
            return Ok(());
        }
        compare(&rounds)?;
    }
}
