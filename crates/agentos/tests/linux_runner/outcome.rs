//! What a case did, and how two runs of it differ.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a program said and left behind.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// Exit status; 128 + n after signal n.
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// What is in the working directory: kind, permissions, and content or target.
    pub(crate) files: BTreeMap<String, String>,
}

impl Outcome {
    /// Replaces the name of the world's folder, which is not the same in both.
    pub(crate) fn neutral(mut self, root: &str) -> Self {
        for text in [&mut self.stdout, &mut self.stderr]
            .into_iter()
            .chain(self.files.values_mut())
        {
            *text = text.replace(root, "@");
        }
        self
    }

    /// Says how `found` is not this.
    pub(crate) fn compare(&self, found: &Self, exactly: bool) -> Result<(), String> {
        let mut report = String::new();
        if self.status != found.status {
            let _ = writeln!(report, "status: host {}, VM {}", self.status, found.status);
        }
        differ(&mut report, "stdout", &self.stdout, &found.stdout);
        if exactly {
            differ(&mut report, "stderr", &self.stderr, &found.stderr);
        } else if self.stderr.is_empty() != found.stderr.is_empty() {
            let _ = writeln!(report, "stderr: host {:?}, VM {:?}", self.stderr, found.stderr);
        }
        for name in self.files.keys().chain(found.files.keys()) {
            let (wanted, got) = (self.files.get(name), found.files.get(name));
            if wanted != got && !report.contains(&format!("file {name}:")) {
                let _ = writeln!(report, "file {name}: host {}, VM {}", brief(wanted), brief(got));
            }
        }
        if report.is_empty() {
            return Ok(());
        }
        if !found.stderr.is_empty() {
            let _ = writeln!(report, "stderr of the VM: {}", cut(&found.stderr));
        }
        Err(report)
    }
}

/// Reports the lines from the first that differs.
fn differ(report: &mut String, what: &str, wanted: &str, found: &str) {
    if wanted == found {
        return;
    }
    let same = wanted.lines().zip(found.lines()).take_while(|(a, b)| a == b).count();
    let rest = |text: &str| text.lines().skip(same).take(4).collect::<Vec<_>>().join("\n      ");
    let _ = writeln!(
        report,
        "{what}, line {}:\n host {}\n VM   {}",
        same + 1,
        cut(&rest(wanted)),
        cut(&rest(found))
    );
}

fn brief(file: Option<&String>) -> String {
    file.map_or("missing".to_owned(), |text| format!("{:?}", cut(text)))
}

fn cut(text: &str) -> String {
    text.chars().take(700).collect()
}

/// One file, as it is compared. Content beyond a few KiB is compared by a sum of it.
pub(crate) fn file(mode: u32, content: &[u8]) -> String {
    const SHOWN: usize = 4096;
    if content.len() <= SHOWN {
        return format!("file {:o} {}", mode & 0o777, String::from_utf8_lossy(content));
    }
    let sum = content.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("file {:o} {} bytes {sum:x}", mode & 0o777, content.len())
}
