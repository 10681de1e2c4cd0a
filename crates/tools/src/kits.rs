//! All kits of a VM, checked.

use crate::flags::Field;
use crate::help;
use crate::invalid::{InvalidTools, Problems};
use crate::kit::{Tool, ToolKit, repeated};
use crate::names::{DESCRIPTION_MAX, is_name};
use crate::stub::stub;
use agentos_kernel::limits::Limits;
use agentos_kernel::vfs::Blob;
use agentos_kernel::{Errno, LimitExceeded};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The kits of a VM and the files that stand for them. Copies of a VM share them: its files hold the stubs.
#[derive(Default)]
pub struct Kits {
    pub(crate) kits: Vec<Kit>,
    index: Option<Arc<Blob>>,
    by_blob: HashMap<u64, Command>,
}

/// What a stub calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// `agentos`.
    Index,
    /// The kit at this position.
    Kit(usize),
}

/// One kit.
pub(crate) struct Kit {
    pub(crate) name: Arc<str>,
    pub(crate) description: String,
    pub(crate) tools: Vec<CheckedTool>,
    stub: Arc<Blob>,
}

/// One tool of it.
pub(crate) struct CheckedTool {
    pub(crate) name: Arc<str>,
    pub(crate) tool: Tool,
    pub(crate) timeout: Duration,
}

/// The file of a command.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StubFile {
    /// Its name, for example `agentos-weather`.
    pub name: String,
    /// Its content; the file has to keep this very blob.
    pub blob: Arc<Blob>,
}

impl Kits {
    /// Checks kits against each other and against the limits of their VM.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn new(given: Vec<ToolKit>, limits: &Limits) -> Result<Self, InvalidTools> {
        let mut check = Check {
            limits,
            problems: Problems::default(),
        };
        check.count(
            "toolKits",
            "limits.tools.maxRegisteredToolkits",
            "toolkits",
            given.len(),
        );
        let tools = given.iter().map(|kit| kit.tools.len()).sum();
        check.count("toolKits", "limits.tools.maxRegisteredToolsPerVm", "tools", tools);
        for at in repeated(given.iter().map(ToolKit::name)) {
            let problem = format_args!("\"{}\" is the name of another kit, too", given[at].name);
            check.problems.add(&format!("toolKits[{at}].name"), problem);
        }
        let kits: Vec<Kit> = given
            .into_iter()
            .enumerate()
            .map(|(at, kit)| check.kit(&format!("toolKits[{at}]"), kit))
            .collect();
        check.problems.finish()?;
        let index = (!kits.is_empty()).then(|| stub("agentos"));
        let indexed = index.iter().map(|blob| (blob.id(), Command::Index));
        let stubs = kits
            .iter()
            .enumerate()
            .map(|(at, kit)| (kit.stub.id(), Command::Kit(at)));
        let by_blob = indexed.chain(stubs).collect();
        Ok(Self { kits, index, by_blob })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kits.is_empty()
    }

    /// All kits with their tools, as `agentos list-tools` prints them.
    pub fn list(&self) -> String {
        help::index(self)
    }

    /// The command files that the VM needs.
    pub fn stubs(&self) -> impl Iterator<Item = StubFile> {
        let file = |name: String, blob: &Arc<Blob>| StubFile {
            name,
            blob: Arc::clone(blob),
        };
        let index = self.index.iter().map(move |blob| file("agentos".to_owned(), blob));
        index.chain(self.kits.iter().map(move |kit| file(kit.command(), &kit.stub)))
    }

    /// What a file with this content calls; none if it is no stub of these kits.
    pub(crate) fn command(&self, blob: &Blob) -> Option<Command> {
        self.by_blob.get(&blob.id()).copied()
    }
}

impl fmt::Debug for Kits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kits.iter().map(|kit| &kit.name)).finish()
    }
}

impl Kit {
    /// The command that calls its tools.
    pub(crate) fn command(&self) -> String {
        format!("agentos-{}", self.name)
    }

    /// Its tool of this name.
    pub(crate) fn tool(&self, name: &str) -> Option<&CheckedTool> {
        self.tools.iter().find(|tool| &*tool.name == name)
    }
}

impl CheckedTool {
    /// The fields of its input.
    pub(crate) fn fields(&self) -> &[Field] {
        self.tool.compiled().map_or(&[], |compiled| &compiled.fields)
    }

    /// Checks input against its schema.
    ///
    /// # Errors
    /// The first violation, as the guest is told.
    pub(crate) fn check(&self, input: &Value) -> Result<(), String> {
        // Kits with a schema that does not compile are refused.
        self.tool.compiled().map_err(str::to_owned)?.schema.check(input)
    }
}

/// A check under way.
struct Check<'a> {
    limits: &'a Limits,
    problems: Problems,
}

impl Check<'_> {
    fn kit(&mut self, path: &str, kit: ToolKit) -> Kit {
        self.name(&format!("{path}.name"), &kit.name);
        self.describe(path, &format!("Toolkit \"{}\"", kit.name), &kit.description);
        self.count(
            &format!("{path}.tools"),
            "limits.tools.maxToolsPerToolkit",
            "tools",
            kit.tools.len(),
        );
        for at in repeated(kit.tools.iter().map(|(name, _)| name.as_str())) {
            let problem = format_args!("\"{}\" is the name of another tool, too", kit.tools[at].0);
            self.problems.add(&format!("{path}.tools"), problem);
        }
        let tools = kit.tools.into_iter().map(|(name, tool)| {
            let title = format!("Tool \"{}/{name}\"", kit.name);
            self.tool(&format!("{path}.tools.{name}"), &title, name, tool)
        });
        let tools = tools.collect();
        let stub = stub(&format!("agentos-{}", kit.name));
        Kit {
            name: kit.name.into(),
            description: kit.description,
            tools,
            stub,
        }
    }

    fn tool(&mut self, path: &str, title: &str, name: String, tool: Tool) -> CheckedTool {
        self.name(path, &name);
        self.describe(path, title, &tool.description);
        let timeout = self.timeout(&format!("{path}.timeout"), tool.timeout);
        let examples = format!("{path}.examples");
        self.count(
            &examples,
            "limits.tools.maxToolExamplesPerTool",
            "examples",
            tool.examples.len(),
        );
        for (at, example) in tool.examples.iter().enumerate() {
            let size = example.input.to_string().len();
            self.count(
                &format!("{examples}[{at}].input"),
                "limits.tools.maxToolExampleInputBytes",
                "bytes",
                size,
            );
        }
        let at = format!("{path}.inputSchema");
        self.count(
            &at,
            "limits.tools.maxToolSchemaBytes",
            "bytes",
            tool.schema.to_string().len(),
        );
        if let Err(problem) = tool.compiled() {
            self.problems.add(&at, problem);
        }
        CheckedTool {
            name: name.into(),
            timeout,
            tool,
        }
    }

    fn name(&mut self, path: &str, name: &str) {
        if !is_name(name) {
            let problem =
                format_args!("must be lower-case letters and digits, with single hyphens between, got {name:?}");
            self.problems.add(path, problem);
        }
    }

    fn describe(&mut self, path: &str, title: &str, description: &str) {
        let count = description.chars().count();
        if count > DESCRIPTION_MAX {
            let problem = format_args!("{title} description is {count} characters, max is {DESCRIPTION_MAX}");
            self.problems.add(&format!("{path}.description"), problem);
        }
    }

    fn timeout(&mut self, path: &str, given: Option<Duration>) -> Duration {
        let Some(timeout) = given else {
            return Duration::from_millis(self.limits.default_tool_timeout_ms);
        };
        let ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        if ms == 0 {
            self.problems.add(path, "must be at least 1 ms");
        }
        self.bound(path, "limits.tools.maxToolTimeoutMs", "ms", ms);
        timeout
    }

    fn count(&mut self, path: &str, limit: &'static str, noun: &'static str, count: usize) {
        self.bound(path, limit, noun, count as u64);
    }

    fn bound(&mut self, path: &str, limit: &'static str, noun: &'static str, observed: u64) {
        let capacity = self.limits.get(limit).unwrap_or(0);
        if observed > capacity {
            let exceeded = LimitExceeded::new(limit, noun, observed, capacity, "create", Errno::E2BIG);
            self.problems.add(path, exceeded);
        }
    }
}
