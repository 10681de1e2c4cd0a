//! The table of configurable limits.

/// One configurable limit: where it stands, what it counts, what values it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// Full path, for example `limits.resources.maxProcesses`.
    pub path: &'static str,
    /// Unit of the value.
    pub unit: &'static str,
    /// Built-in value.
    pub default: u64,
    /// Smallest accepted value.
    pub min: u64,
    /// Largest accepted value.
    pub max: u64,
}

impl Field {
    /// The last part of the path, for example `maxProcesses`.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }
}

/// A limit that cannot be set as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLimit {
    /// No such field.
    #[error("{name}: unknown field (did you mean {nearest}?)")]
    Unknown {
        /// What was given.
        name: String,
        /// The most similar known name.
        nearest: &'static str,
    },
    /// A value outside the bounds.
    #[error("{path}: must be an integer between {min} and {max}, got {given}")]
    OutOfRange {
        /// The field.
        path: &'static str,
        /// Smallest accepted.
        min: u64,
        /// Largest accepted.
        max: u64,
        /// What was given, as written.
        given: String,
    },
    /// Two fields that exclude each other.
    #[error("{low} ({low_value}) must not exceed {high} ({high_value})")]
    Conflict {
        /// The field that must be the smaller.
        low: &'static str,
        /// Its value.
        low_value: u64,
        /// The field that must be the larger.
        high: &'static str,
        /// Its value.
        high_value: u64,
    },
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const MAX_BYTES: u64 = 1 << 40;
const MAX_COUNT: u64 = (1 << 31) - 1;

macro_rules! limits {
    ($($(#[$doc:meta])* $field:ident = $path:literal, $unit:literal, $default:expr, $min:expr, $max:expr;)*) => {
        /// Every limit of a VM with its value.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Limits { $($(#[$doc])* pub $field: u64,)* }

        impl Limits {
            /// All fields, in the order of the specification.
            pub const FIELDS: &[Field] = &[
                $(Field { path: $path, unit: $unit, default: $default, min: $min, max: $max },)*
            ];

            /// Present value of the field with this full path.
            pub fn get(&self, path: &str) -> Option<u64> {
                match path { $($path => Some(self.$field),)* _ => None }
            }

            fn slot(&mut self, path: &str) -> Option<&mut u64> {
                match path { $($path => Some(&mut self.$field),)* _ => None }
            }
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

limits! {
    /// CPUs that all processes of the VM may use at once.
    cpu_count = "limits.resources.cpuCount", "cpus", 1, 1, 256;
    /// Processes, running or not yet reaped.
    max_processes = "limits.resources.maxProcesses", "processes", 256, 1, 65_536;
    /// Open descriptions of the VM.
    max_open_fds = "limits.resources.maxOpenFds", "descriptors", 4096, 1, MAX_COUNT;
    /// Descriptors of one process.
    max_open_fds_per_process = "limits.resources.maxOpenFdsPerProcess", "descriptors", 1024, 1, MAX_COUNT;
    /// Pipes.
    max_pipes = "limits.resources.maxPipes", "pipes", 128, 0, MAX_COUNT;
    /// Pseudo-terminals.
    max_ptys = "limits.resources.maxPtys", "terminals", 128, 0, MAX_COUNT;
    /// Sockets of all families.
    max_sockets = "limits.resources.maxSockets", "sockets", 256, 0, MAX_COUNT;
    /// Established stream connections.
    max_connections = "limits.resources.maxConnections", "connections", 256, 0, MAX_COUNT;
    /// Bytes buffered in sockets.
    max_socket_buffered_bytes = "limits.resources.maxSocketBufferedBytes", "bytes", 4 * MIB, 1, MAX_BYTES;
    /// Datagrams queued at one socket.
    max_socket_datagram_queue_len = "limits.resources.maxSocketDatagramQueueLen", "datagrams", 1024, 1, MAX_COUNT;
    /// Bytes that the VM wrote to its filesystems.
    max_filesystem_bytes = "limits.resources.maxFilesystemBytes", "bytes", GIB, 1, MAX_BYTES;
    /// Inodes that the VM created.
    max_inode_count = "limits.resources.maxInodeCount", "inodes", 262_144, 1, MAX_COUNT;
    /// Longest wait of a blocking read in ms; 0 waits for ever.
    max_blocking_read_ms = "limits.resources.maxBlockingReadMs", "ms", 0, 0, MAX_COUNT;
    /// Bytes of one read call.
    max_pread_bytes = "limits.resources.maxPreadBytes", "bytes", 64 * MIB, 1, MAX_BYTES;
    /// Bytes of one write call.
    max_fd_write_bytes = "limits.resources.maxFdWriteBytes", "bytes", 64 * MIB, 1, MAX_BYTES;
    /// Bytes of the arguments of one process.
    max_process_argv_bytes = "limits.resources.maxProcessArgvBytes", "bytes", MIB, 1, MAX_BYTES;
    /// Bytes of the environment of one process.
    max_process_env_bytes = "limits.resources.maxProcessEnvBytes", "bytes", MIB, 1, MAX_BYTES;
    /// Entries of one listing that is returned to a client.
    max_readdir_entries = "limits.resources.maxReaddirEntries", "entries", 4096, 1, MAX_COUNT;
    /// Linear memory of one WebAssembly process.
    max_wasm_memory_bytes = "limits.resources.maxWasmMemoryBytes", "bytes", 128 * MIB, 64 * KIB, 4 * GIB;
    /// Native stack of one WebAssembly process.
    max_wasm_stack_bytes = "limits.resources.maxWasmStackBytes", "bytes", MIB, 64 * KIB, MIB;
    /// Private memory of all processes of the VM.
    max_memory_bytes = "limits.resources.maxMemoryBytes", "bytes", GIB, 64 * KIB, MAX_BYTES;
    /// Captured output of one stream of an `exec`.
    max_captured_output_bytes = "limits.process.maxCapturedOutputBytes", "bytes", 16 * MIB, 1, MAX_BYTES;
    /// CPU time of one process in ms; 0 is unlimited.
    max_cpu_time_ms = "limits.process.maxCpuTimeMs", "ms", 3_600_000, 0, MAX_COUNT;
    /// Exited processes that are remembered for the client.
    max_retained_exited = "limits.process.maxRetainedExited", "processes", 1024, 1, MAX_COUNT;
    /// File actions of one spawn.
    max_spawn_file_actions = "limits.process.maxSpawnFileActions", "actions", 4096, 1, MAX_COUNT;
    /// Bytes of the paths of one spawn's file actions.
    max_spawn_file_action_bytes = "limits.process.maxSpawnFileActionBytes", "bytes", MIB, 1, MAX_BYTES;
    /// Standard input that guests have not read yet.
    pending_stdin_bytes = "limits.process.pendingStdinBytes", "bytes", 64 * MIB, 1, MAX_BYTES;
    /// Bytes of a response that `fetch` collects.
    max_fetch_response_bytes = "limits.http.maxFetchResponseBytes", "bytes", 16 * MIB, 1, MAX_BYTES;
    /// Bytes of a request that `fetch` sends.
    max_fetch_request_bytes = "limits.http.maxFetchRequestBytes", "bytes", 16 * MIB, 1, MAX_BYTES;
    /// Bytes of the head of a response, and of a request that passes a proxy of ours.
    max_header_bytes = "limits.http.maxHeaderBytes", "bytes", 64 * KIB, 8 * KIB, MAX_BYTES;
    /// Longest wait of `fetch` in ms: for the head, and for each further part of the body.
    fetch_timeout_ms = "limits.http.fetchTimeoutMs", "ms", 300_000, 1, MAX_COUNT;
    /// Size of a WebAssembly module file.
    max_module_file_bytes = "limits.wasm.maxModuleFileBytes", "bytes", 256 * MIB, 8, MAX_BYTES;
}

impl Limits {
    /// Sets a field by its full path, its path without `limits.`, or its bare name.
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), InvalidLimit> {
        let field = Self::find(name)?;
        if !(field.min..=field.max).contains(&value) {
            return Err(Self::out_of_range(field, value.to_string()));
        }
        if let Some(slot) = self.slot(field.path) {
            *slot = value;
        }
        Ok(())
    }

    /// Sets a field from text: a whole number, for byte fields optionally with `KiB`, `MiB` or `GiB`.
    pub fn set_text(&mut self, name: &str, text: &str) -> Result<(), InvalidLimit> {
        let field = Self::find(name)?;
        let value = parse_amount(text, field.unit == "bytes");
        self.set(
            name,
            value.ok_or_else(|| Self::out_of_range(field, format!("{text:?}")))?,
        )
    }

    /// The field with this name, in any of the forms that [`set`](Self::set) takes.
    pub fn find(name: &str) -> Result<&'static Field, InvalidLimit> {
        let matches = |field: &&Field| {
            field.path == name || field.path.strip_prefix("limits.") == Some(name) || field.name() == name
        };
        Self::FIELDS.iter().find(matches).ok_or_else(|| InvalidLimit::Unknown {
            name: name.to_owned(),
            nearest: nearest(name),
        })
    }

    /// Checks the rules between fields. A default that conflicts with a lower explicit value was to be lowered before; use
    /// [`settle`](Self::settle).
    pub fn check(&self) -> Result<(), InvalidLimit> {
        for &(low, high) in ORDERED {
            if let (Some(low_value), Some(high_value)) = (self.get(low), self.get(high))
                && low_value > high_value
            {
                return Err(InvalidLimit::Conflict {
                    low,
                    low_value,
                    high,
                    high_value,
                });
            }
        }
        Ok(())
    }

    /// Lowers fields that still have their default where they conflict with a configured one, then checks.
    pub fn settle(&mut self) -> Result<(), InvalidLimit> {
        for &(low, high) in ORDERED {
            let default = Self::find(low)?.default;
            if let (Some(low_value), Some(high_value)) = (self.get(low), self.get(high))
                && low_value > high_value
                && low_value == default
                && let Some(slot) = self.slot(low)
            {
                *slot = high_value;
            }
        }
        self.check()
    }

    fn out_of_range(field: &Field, given: String) -> InvalidLimit {
        InvalidLimit::OutOfRange {
            path: field.path,
            min: field.min,
            max: field.max,
            given,
        }
    }
}

/// Pairs of fields of which the first must not exceed the second (limits.md section 3).
const ORDERED: &[(&str, &str)] = &[
    ("limits.resources.maxOpenFdsPerProcess", "limits.resources.maxOpenFds"),
    ("limits.resources.maxWasmMemoryBytes", "limits.resources.maxMemoryBytes"),
];

fn parse_amount(text: &str, bytes: bool) -> Option<u64> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = digits.parse().ok()?;
    let factor = match unit {
        "" => 1,
        "KiB" | "K" | "k" if bytes => KIB,
        "MiB" | "M" | "m" if bytes => MIB,
        "GiB" | "G" | "g" if bytes => GIB,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// The known field name with the smallest edit distance.
fn nearest(name: &str) -> &'static str {
    let wanted = name.rsplit('.').next().unwrap_or(name);
    let by_distance = |field: &&Field| edit_distance(field.name(), wanted);
    Limits::FIELDS.iter().min_by_key(by_distance).map_or("", Field::name)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_is_accepted() {
        let mut limits = Limits::default();
        limits.set("cpuCount", 1).unwrap();
        limits.set("maxProcesses", 64).unwrap();
        limits.set_text("resources.maxFilesystemBytes", "512MiB").unwrap();
        limits
            .set_text("limits.resources.maxWasmMemoryBytes", "268435456")
            .unwrap();
        limits.settle().unwrap();
        assert_eq!(
            (limits.max_filesystem_bytes, limits.max_wasm_memory_bytes),
            (512 * MIB, 256 * MIB)
        );
    }

    #[test]
    fn errors_name_the_field_and_what_is_accepted() {
        let mut limits = Limits::default();
        let unknown = limits.set("limits.resources.maxProceses", 1).unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "limits.resources.maxProceses: unknown field (did you mean maxProcesses?)"
        );
        let text = limits.set_text("maxProcesses", "-1").unwrap_err().to_string();
        assert_eq!(
            text,
            "limits.resources.maxProcesses: must be an integer between 1 and 65536, got \"-1\""
        );
        assert_eq!(limits, Limits::default());
    }

    #[test]
    fn an_explicit_total_lowers_the_default_share() {
        let mut limits = Limits::default();
        limits.set("maxOpenFds", 512).unwrap();
        limits.settle().unwrap();
        assert_eq!(limits.max_open_fds_per_process, 512);
        limits.set("maxOpenFdsPerProcess", 1024).unwrap();
        limits.max_open_fds_per_process = 1000;
        assert!(matches!(limits.settle(), Err(InvalidLimit::Conflict { .. })));
    }

    #[test]
    fn every_default_lies_within_its_bounds() {
        for field in Limits::FIELDS {
            assert!((field.min..=field.max).contains(&field.default), "{}", field.path);
        }
        Limits::default().check().unwrap();
    }
}
