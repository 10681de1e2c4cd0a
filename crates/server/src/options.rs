//! Options of the VMs of one definition (api.md section 2.2).

use crate::config::InvalidConfig;
use agentos::{Builder, EgressHook, Image, Limits, Mount, Network, PolicyInput, Secret, Software, ToolKit, Tools};
use agentos_value::{ActorId, Key, Value};
use std::sync::Arc;

/// Which paths survive sleep.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Persist {
    /// These directories with everything in them.
    Paths(Vec<String>),
    /// Everything that the VM writes outside of mounts, `/proc`, `/sys`, `/dev` and `/run`.
    All,
}

/// The home of the VM's user, which survives unless something else is said.
const HOME: &str = "/home/user";

/// Options of a VM. Each has a default.
///
/// ```
/// use agentos_server::{Persist, VmOptions};
/// let options = VmOptions::new().env("LANG", "C.UTF-8").persist(["/home/user", "/srv"]);
/// assert_eq!(options.persisted(), &Persist::Paths(vec!["/home/user".into(), "/srv".into()]));
/// ```
#[derive(Debug, Clone)]
pub struct VmOptions {
    pub(crate) builder: Builder,
    pub(crate) limits: Limits,
    persist: Persist,
    persist_given: bool,
    mounts: Vec<String>,
    images: usize,
    pub(crate) client_secrets: Arc<[String]>,
}

impl Default for VmOptions {
    fn default() -> Self {
        Self {
            builder: agentos::AgentOs::builder(),
            limits: Limits::default(),
            persist: Persist::Paths(vec![HOME.to_owned()]),
            persist_given: false,
            mounts: Vec::new(),
            images: 0,
            client_secrets: Arc::default(),
        }
    }
}

macro_rules! passed_on {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty),*);)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name(mut self, $($argument: $kind),*) -> Self {
                self.builder = self.builder.$name($($argument),*);
                self
            }
        )*
    };
}

impl VmOptions {
    /// The defaults: the bundled commands, `/home/user` persistent, the baseline policy, the built-in limits.
    pub fn new() -> Self {
        Self::default()
    }

    passed_on! {
        /// The packages that provide commands; the bundled ones unless set.
        software(packages: impl IntoIterator<Item = Software>);
        /// What guests and clients may do.
        permissions(policy: impl Into<PolicyInput>);
        /// Name servers, ports to listen at, deadlines.
        network(network: Network);
        /// Ports of the host's loopback that guests may reach.
        loopback_exempt_ports(ports: impl IntoIterator<Item = u16>);
        /// A credential that never enters the guest.
        secret(secret: Secret);
        /// Functions of the host that programs in the VM may call; they are told the key and the id of the VM.
        tool_kit(kit: ToolKit);
        /// Decides about each connection that policy and guard admit.
        egress_hook(hook: Arc<dyn EgressHook>);
        /// Sends connections through a proxy of the host.
        proxy(url: impl Into<String>);
        /// Trusts the certificate authorities of this PEM text besides the web's.
        trust_root(pem: impl Into<Vec<u8>>);
        /// Which commands are found first by name in a VM with images; the bundled ones unless set.
        tools(tools: Tools);
        /// A variable in the environment of every process.
        env(name: impl Into<String>, value: impl Into<String>);
        /// Directory in which processes start.
        cwd(path: impl Into<String>);
        /// Host name that guests see.
        hostname(name: impl Into<String>);
        /// Where compiled programs are kept; see [`Builder::cache_dir`].
        cache_dir(path: Option<std::path::PathBuf>);
    }

    /// All limits of a VM at once.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits.clone();
        self.builder = self.builder.limits(limits);
        self
    }

    /// Puts an image below the root of every VM; of several the first lies on top.
    #[must_use]
    pub fn image(mut self, image: Image) -> Self {
        self.images += 1;
        self.builder = self.builder.image(image);
        self
    }

    /// Gives every VM software of a store; of several packages the first lies on top.
    #[must_use]
    pub fn package(mut self, package: agentos::store::Package) -> Self {
        self.images += usize::from(!package.is_bundled());
        self.builder = self.builder.package(package);
        self
    }

    /// Gives sessions one more agent by name.
    #[must_use]
    pub fn agent(mut self, agent: agentos::AgentSpec) -> Self {
        self.builder = self.builder.agent(agent);
        self
    }

    /// Added to the system prompt of every session.
    #[must_use]
    pub fn additional_instructions(mut self, text: impl Into<String>) -> Self {
        self.builder = self.builder.additional_instructions(text);
        self
    }

    /// Adds a mount.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Self {
        self.mounts.push(mount.guest().to_owned());
        self.builder = self.builder.mount(mount);
        self
    }

    /// Secrets of the host that clients may refer to in environments (`clientSecrets`); none unless set. Where their values come
    /// from is the definition's [`secret_source`](crate::VmDefinitionBuilder::secret_source).
    #[must_use]
    pub fn client_secrets<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.client_secrets = names.into_iter().map(Into::into).collect();
        self
    }

    /// Directories that survive sleep, with everything in them.
    #[must_use]
    pub fn persist<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.persist = Persist::Paths(paths.into_iter().map(Into::into).collect());
        self.persist_given = true;
        self
    }

    /// Lets everything survive sleep that the VM writes outside of mounts.
    #[must_use]
    pub fn persist_all(mut self) -> Self {
        self.persist = Persist::All;
        self.persist_given = true;
        self
    }

    /// The options of the VM itself, without what survives sleep.
    pub fn into_builder(self) -> Builder {
        self.builder
    }

    /// What survives sleep.
    pub fn persisted(&self) -> &Persist {
        &self.persist
    }

    /// Checks everything that can be known before a VM exists.
    ///
    /// # Errors
    /// Every problem, with the path of the option.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let problems = crate::config::Problems::default();
        if let Err(error) = self.builder.check() {
            problems.extend(InvalidConfig::lines("", &error.to_string()));
        }
        if self.images > 0 && matches!(self.persist, Persist::All) {
            // The stored layer refers to files of the layers below it, which another image would not have.
            let reason = "\"all\" cannot be combined with image or with packages of the store; name the directories that are to persist";
            problems.add("persist", reason);
        }
        if let Persist::Paths(paths) = &self.persist {
            for (at, path) in paths.iter().enumerate() {
                if let Err(reason) = self.check_persistent(path, paths) {
                    problems.add(&format!("persist[{at}]"), reason);
                }
            }
        }
        problems.finish()
    }

    /// The persistent directories; a mount at the home takes its place unless the home is asked for.
    pub(crate) fn persistent_paths(&self) -> Vec<String> {
        match &self.persist {
            Persist::All => Vec::new(),
            Persist::Paths(paths) => {
                let hidden = |path: &str| !self.persist_given && self.mounts.iter().any(|mount| mount == path);
                paths.iter().filter(|path| !hidden(path)).cloned().collect()
            }
        }
    }

    fn check_persistent(&self, path: &str, all: &[String]) -> Result<(), String> {
        let normal = path.strip_prefix('/').is_some_and(|rest| {
            !rest.is_empty() && rest.split('/').all(|part| !matches!(part, "" | "." | "..")) && !rest.contains('\0')
        });
        if !normal {
            return Err("must be an absolute path without ., .., // and trailing /, and not /".to_owned());
        }
        if let Some(tree) = RESERVED.iter().find(|tree| inside(path, tree)) {
            return Err(format!("must not be inside {tree}"));
        }
        if all.iter().filter(|other| *other == path).count() > 1 {
            return Err("stands twice".to_owned());
        }
        if let Some(outer) = all.iter().find(|other| *other != path && inside(path, other)) {
            return Err(format!("must not be inside {outer}, which is persistent as well"));
        }
        match self.mounts.iter().find(|mount| inside(path, mount)) {
            Some(mount) if self.persist_given || path != mount => {
                Err(format!("must not be inside the mount at {mount}"))
            }
            _ => Ok(()),
        }
    }
}

/// Generated trees, and those that end with the VM.
const RESERVED: [&str; 5] = ["/proc", "/sys", "/dev", "/run", "/etc/agentos"];

fn inside(path: &str, tree: &str) -> bool {
    path.strip_prefix(tree)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// For whom options are made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OptionsRequest {
    /// Key of the VM.
    pub key: Key,
    /// Id of the VM.
    pub actor_id: ActorId,
    /// What the creator sent along.
    pub input: Value,
}

impl OptionsRequest {
    pub(crate) fn new(key: Key, actor_id: ActorId, input: Value) -> Self {
        Self { key, actor_id, input }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(options: &VmOptions) -> String {
        options.check().unwrap_err().to_string()
    }

    #[test]
    fn persistent_paths_are_checked() {
        for (path, reason) in [
            ("home", "absolute"),
            ("/", "absolute"),
            ("/a/../b", "absolute"),
            ("/a/", "absolute"),
            ("/proc/x", "/proc"),
            ("/dev", "/dev"),
            ("/etc/agentos", "/etc/agentos"),
        ] {
            let text = problems(&VmOptions::new().persist([path]));
            assert!(text.starts_with("persist[0]") && text.contains(reason), "{text}");
        }
        assert!(problems(&VmOptions::new().persist(["/a", "/a/b"])).contains("persist[1]: must not be inside /a"));
        assert!(problems(&VmOptions::new().persist(["/a", "/a"])).contains("twice"));
        let mounted = VmOptions::new().mount(Mount::memory("/m")).persist(["/m/x"]);
        assert!(problems(&mounted).contains("mount at /m"));
    }

    #[test]
    fn a_mount_at_the_home_takes_its_place() {
        let options = VmOptions::new().mount(Mount::memory("/home/user"));
        options.check().unwrap();
        assert!(options.persistent_paths().is_empty());
        assert_eq!(VmOptions::new().persistent_paths(), ["/home/user"]);
    }

    #[test]
    fn wrong_options_of_the_sdk_are_reported_with_the_rest() {
        let options = VmOptions::new().cwd("src").persist(["x"]);
        assert_eq!(options.check().unwrap_err().problems().len(), 2);
    }
}
