//! Options of a VM, checked as a whole before anything starts.

use crate::error::{Error, Result};
use crate::events::Callbacks;
use crate::layers::{self, ImageInput, Layers, Tools};
use crate::mount::Mount;
use crate::network::{Network, NetworkPlan};
use crate::outlet::{OutletDraft, OutletPlan};
use crate::permissions::{Permissions, PolicyInput};
use crate::tools::{ToolDraft, ToolPlan};
use crate::vm::AgentOs;
use agentos_image::Image;
use agentos_kernel::events::{AuditEvent, Event, LimitWarning};
use agentos_kernel::limits::Limits;
use agentos_kernel::policy::{InvalidPolicy, Policy};
use agentos_kernel::vfs::{Filesystem, FsQuota};
use agentos_net::hook::EgressHook;
use agentos_net::secrets::Secret;
use agentos_software::{Package, store};
use agentos_tools::{Caller, ToolFailure, ToolKit};
use bytes::Bytes;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Collects the options of a VM; made by [`AgentOs::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    pub(crate) options: Options,
    problem: Option<String>,
    network: Network,
    outlet: OutletDraft,
    tools: ToolDraft,
    loopback_exempt_ports: Vec<i64>,
    images: Vec<ImageInput>,
    packages: Vec<store::Package>,
    cwd_given: bool,
    invalid_policy: Option<InvalidPolicy>,
}

/// Checked options.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) software: Vec<Package>,
    pub(crate) limits: Limits,
    pub(crate) policy: Arc<Policy>,
    pub(crate) network: Arc<NetworkPlan>,
    pub(crate) outlet: Arc<OutletPlan>,
    pub(crate) host_tools: Arc<ToolPlan>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: String,
    pub(crate) hostname: String,
    pub(crate) cache_dir: Option<PathBuf>,
    pub(crate) callbacks: Callbacks,
    pub(crate) quota: Option<Arc<FsQuota>>,
    pub(crate) upper: Option<Upper>,
    pub(crate) images: Vec<Image>,
    /// What packages run with, below all images.
    pub(crate) runtimes: Vec<Image>,
    /// Software of a store that the VM is created with, and what the VM was given later whose copy it is.
    pub(crate) packages: Vec<store::Package>,
    pub(crate) added: Vec<store::Package>,
    /// Variables that packages want processes to have.
    pub(crate) package_env: Vec<(String, String)>,
    /// Whether there may be Linux programs in images or packages.
    pub(crate) native: bool,
    pub(crate) tools: Tools,
    pub(crate) archive: Option<Bytes>,
    pub(crate) layers: Layers,
    /// Whether Linux programs run; where nobody has said, they do in a VM that has images, or packages with such programs.
    pub(crate) linux_programs: Option<bool>,
    pub(crate) audit_life: bool,
    pub(crate) sessions: crate::sessions::SessionPlan,
}

impl Options {
    pub(crate) fn runs_linux_programs(&self) -> bool {
        self.linux_programs.unwrap_or(self.native)
    }
}

/// The filesystem that takes what is written outside of mounts.
#[derive(Clone)]
pub(crate) struct Upper(pub(crate) Arc<dyn Filesystem>);

impl std::fmt::Debug for Upper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.kind())
    }
}

impl Default for Builder {
    fn default() -> Self {
        let options = Options {
            software: vec![Package::Common],
            limits: Limits::default(),
            policy: Arc::default(),
            network: Arc::default(),
            outlet: Arc::default(),
            sessions: crate::sessions::SessionPlan::default(),
            host_tools: Arc::default(),
            mounts: Vec::new(),
            env: Vec::new(),
            cwd: "/home/user".to_owned(),
            hostname: "agent-os".to_owned(),
            cache_dir: crate::engine::default_cache_dir(),
            callbacks: Callbacks::default(),
            quota: None,
            upper: None,
            images: Vec::new(),
            runtimes: Vec::new(),
            packages: Vec::new(),
            added: Vec::new(),
            package_env: Vec::new(),
            native: false,
            tools: Tools::default(),
            archive: None,
            layers: Layers::default(),
            linux_programs: None,
            audit_life: true,
        };
        Self {
            options,
            problem: None,
            network: Network::default(),
            outlet: OutletDraft::default(),
            tools: ToolDraft::default(),
            loopback_exempt_ports: Vec::new(),
            images: Vec::new(),
            packages: Vec::new(),
            cwd_given: false,
            invalid_policy: None,
        }
    }
}

impl Builder {
    /// The packages that provide commands; `[Software::Common]` unless set. An empty list gives a VM without any command.
    #[must_use]
    pub fn software(mut self, packages: impl IntoIterator<Item = Package>) -> Self {
        self.options.software = packages.into_iter().collect();
        self
    }

    /// Gives the VM software of a [`Store`](store::Store): its layers lie over the images, its commands are in `/usr/local/bin`,
    /// and sessions know the agent in it. Of several packages the first lies on top.
    #[must_use]
    pub fn package(mut self, package: store::Package) -> Self {
        self.packages.push(package);
        self
    }

    /// Adds several [`package`](Self::package)s.
    #[must_use]
    pub fn packages(mut self, packages: impl IntoIterator<Item = store::Package>) -> Self {
        self.packages.extend(packages);
        self
    }

    /// All limits at once.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// What guests and clients may do; [`Policy::baseline`] unless set. Takes a [`Policy`], or its configuration as JSON.
    #[must_use]
    pub fn permissions(mut self, policy: impl Into<PolicyInput>) -> Self {
        match policy.into().0 {
            Ok(policy) => {
                self.options.policy = policy;
                self.invalid_policy = None;
            }
            Err(invalid) => self.invalid_policy = Some(invalid),
        }
        self
    }

    /// Name servers, ports to listen at, deadlines.
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// Ports of the host's 127.0.0.1 and ::1 that guests may reach, over TCP and UDP; none unless set, at most 256. A guest
    /// that listens at such a port itself is reached first. The policy must allow the connection, too.
    #[must_use]
    pub fn loopback_exempt_ports<P: Into<i64>>(mut self, ports: impl IntoIterator<Item = P>) -> Self {
        self.loopback_exempt_ports = ports.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a credential that never enters the guest: processes see a placeholder, requests to its hosts carry the value.
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.outlet.secrets.push(secret);
        self
    }

    /// Adds several [`secret`](Self::secret)s.
    #[must_use]
    pub fn secrets(mut self, secrets: impl IntoIterator<Item = Secret>) -> Self {
        self.outlet.secrets.extend(secrets);
        self
    }

    /// Adds functions of the host that programs in the VM may call as `agentos-{kit} {tool}`; see [`ToolKit`].
    #[must_use]
    pub fn tool_kit(mut self, kit: ToolKit) -> Self {
        self.tools.kits.push(kit);
        self
    }

    /// Adds several [`tool_kit`](Self::tool_kit)s.
    #[must_use]
    pub fn tool_kits(mut self, kits: impl IntoIterator<Item = ToolKit>) -> Self {
        self.tools.kits.extend(kits);
        self
    }

    /// Whose VM tools are told that it is; nobody's unless set.
    #[must_use]
    pub fn tool_caller(mut self, caller: Caller) -> Self {
        self.tools.caller = caller;
        self
    }

    /// Calls `report` for each failure of a tool that guests are not shown, with the id that they are given instead. It is
    /// logged (`agentos::tools`) in any case.
    #[must_use]
    pub fn on_tool_failure(mut self, report: impl Fn(&ToolFailure) + Send + Sync + 'static) -> Self {
        self.tools.on_failure = Some(Arc::new(report));
        self
    }

    /// Lets the host decide about each connection that policy and guard admit, and see how much went over it.
    #[must_use]
    pub fn egress_hook(mut self, hook: Arc<dyn EgressHook>) -> Self {
        self.outlet.hook = Some(hook);
        self
    }

    /// Sends connections through a proxy of the host: `http://`, `https://` or `socks5://[user:password@]host[:port]`
    /// (`network.proxy`). None unless set; the host's environment plays no part.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.outlet.proxy = Some(url.into());
        self
    }

    /// Trusts the certificate authorities of this PEM text besides the web's (`network.trustRoots`): the VM's programs do, and
    /// the host does where it connects for a secret or to a proxy.
    #[must_use]
    pub fn trust_root(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.outlet.trust_roots.push(pem.into());
        self
    }

    /// Calls `callback` for everything that the VM reports ([`AgentOs::events`] gives a stream instead). It is called on a thread
    /// that serves all VMs and must return soon.
    #[must_use]
    pub fn on_event(mut self, callback: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.options.callbacks.add(callback);
        self
    }

    /// Gives the VM's sessions one more agent by name; see [`AgentSpec`](crate::AgentSpec).
    #[must_use]
    pub fn agent(mut self, agent: agentos_session::AgentSpec) -> Self {
        self.options.sessions.agents.push(agent);
        self
    }

    /// Added to the system prompt of every session.
    #[must_use]
    pub fn additional_instructions(mut self, text: impl Into<String>) -> Self {
        self.options.sessions.instructions = Some(text.into());
        self
    }

    /// Calls `callback` for what happens in sessions: events, permission requests, crashes. It must return soon.
    #[must_use]
    pub fn on_session_notice(mut self, callback: impl Fn(&agentos_session::Notice) + Send + Sync + 'static) -> Self {
        self.options.sessions.on_notice.push(Arc::new(callback));
        self
    }

    /// Calls `callback` when usage comes near a limit; see [`on_event`](Self::on_event).
    #[must_use]
    pub fn on_limit_warning(self, callback: impl Fn(&LimitWarning) + Send + Sync + 'static) -> Self {
        self.on_event(move |event| {
            if let Event::LimitWarning(warning) = event {
                callback(warning);
            }
        })
    }

    /// Calls `callback` for each entry of the audit trail; see [`on_event`](Self::on_event).
    #[must_use]
    pub fn on_audit_event(self, callback: impl Fn(&AuditEvent) + Send + Sync + 'static) -> Self {
        self.on_event(move |event| {
            if let Event::Audit(entry) = event {
                callback(entry);
            }
        })
    }

    /// Counts what the VM stores in this quota, which filesystems of your own may share; made by [`Limits`] through
    /// [`quota`](crate::quota) unless set.
    #[must_use]
    pub fn quota(mut self, quota: Arc<FsQuota>) -> Self {
        self.options.quota = Some(quota);
        self
    }

    /// Puts an image below the root of the VM: an [`Image`] that was opened before, or what to open when the VM is created
    /// (`"host"`, or the path of a directory or an archive). Of several images the first lies on top, and below all are the
    /// bundled commands and files. An image that many VMs use should be opened once and cloned.
    #[must_use]
    pub fn image(mut self, image: impl Into<ImageInput>) -> Self {
        self.images.push(image.into());
        self
    }

    /// The command of the topmost image that names one: its entry point and its arguments. Empty if there is none. Only images
    /// that were opened before are asked.
    pub fn image_command(&self) -> Vec<String> {
        let opened = self.images.iter().filter_map(ImageInput::opened);
        layers::command(opened)
    }

    /// Which commands are found first by name in a VM that has images; the bundled ones unless set. Both are there in either
    /// case, the bundled ones in `/opt/agentos/bin`.
    #[must_use]
    pub fn tools(mut self, tools: Tools) -> Self {
        self.options.tools = tools;
        self
    }

    /// Whether Linux programs (ELF files) run, as real processes in a jail; unless set they do in a VM that has images or packages with such programs, and in no
    /// other: what a guest brings itself is then no program. Where the machine cannot jail them, starting one fails with
    /// `ENOEXEC` and a line that says what is missing; everything else is unaffected.
    #[must_use]
    pub fn linux_programs(mut self, run: bool) -> Self {
        self.options.linux_programs = Some(run);
        self
    }

    /// Keeps what is written outside of mounts in this filesystem, over the packages. It has to tell character devices 0:0
    /// and extended attributes from everything else, as an overlay needs. In memory unless set.
    #[must_use]
    pub fn upper(mut self, filesystem: Arc<dyn Filesystem>) -> Self {
        self.options.upper = Some(Upper(filesystem));
        self
    }

    /// Lays a filesystem over the packages, below what is written: the first that is given is on top. It is never written, and
    /// must not change while it is in use.
    #[must_use]
    pub fn lower(mut self, filesystem: Arc<dyn Filesystem>) -> Self {
        self.options.layers.lowers.push(filesystem);
        self
    }

    /// Whether nothing outside of mounts can be changed (`EROFS`), not even `/tmp` and the home directory; no unless set.
    #[must_use]
    pub fn read_only_root(mut self, read_only: bool) -> Self {
        self.options.layers.read_only = read_only;
        self
    }

    /// Starts with the files of a snapshot that was saved with [`Snapshot::to_archive`](crate::Snapshot::to_archive), over the
    /// packages of this VM. Its bytes need not be trusted; what they hold counts against the VM's limits.
    #[must_use]
    pub fn snapshot(mut self, archive: impl Into<Bytes>) -> Self {
        self.options.archive = Some(archive.into());
        self
    }

    /// Whether the audit trail says that the VM was created and destroyed (yes). Not for what is one boot of a VM that exists
    /// for longer: whoever keeps that says so.
    #[must_use]
    pub fn audit_life(mut self, audit: bool) -> Self {
        self.options.audit_life = audit;
        self
    }

    /// Adds a mount.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Self {
        self.options.mounts.push(mount);
        self
    }

    /// Sets a variable in the environment of every process.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            self.problem = Some(format!(
                "env: {name:?} cannot be an environment variable (no '=' or NUL, not empty)"
            ));
        }
        self.options.env.retain(|(known, _)| *known != name);
        self.options.env.push((name, value));
        self
    }

    /// Directory in which processes start; the one that an image names, else `/home/user`, unless set.
    #[must_use]
    pub fn cwd(mut self, path: impl Into<String>) -> Self {
        self.cwd_given = true;
        self.options.cwd = path.into();
        self
    }

    /// Host name that guests see.
    #[must_use]
    pub fn hostname(mut self, name: impl Into<String>) -> Self {
        self.options.hostname = name.into();
        self
    }

    /// Where compiled programs are kept between runs of this process; `None` keeps them in memory only.
    ///
    /// The directory must be private to this user: compiled programs are native code. By default it is `agentos` in the
    /// user's cache directory.
    #[must_use]
    pub fn cache_dir(mut self, path: Option<PathBuf>) -> Self {
        self.options.cache_dir = path;
        self
    }

    /// What guests and clients of the VM would be allowed to do, without creating it.
    ///
    /// # Errors
    /// What [`create`](Self::create) would fail with.
    pub fn policy(&self) -> Result<Permissions> {
        Ok(Permissions::planned(&self.clone().checked()?))
    }

    /// Checks all options without creating anything.
    ///
    /// # Errors
    /// What [`create`](Self::create) would fail with.
    pub fn check(&self) -> Result<()> {
        self.clone().checked().map(drop)
    }

    /// Checks all options, then creates the VM. Nothing is left behind when a check fails.
    pub async fn create(mut self) -> Result<AgentOs> {
        let cache = self.options.cache_dir.clone();
        let packages = std::mem::take(&mut self.packages);
        crate::packages::open(&mut self.options, &packages)?;
        let images = layers::open(std::mem::take(&mut self.images), cache).await?;
        self.options.native |= !images.is_empty();
        self.options.images.extend(images);
        if let (false, Some(cwd)) = (self.cwd_given, layers::working_dir(&self.options.images)) {
            self.options.cwd = cwd;
        }
        AgentOs::boot(self.checked()?)
    }

    fn checked(self) -> Result<Options> {
        if let Some(reason) = self.problem {
            return Err(Error::InvalidOption { option: "env", reason });
        }
        if let Some(invalid) = self.invalid_policy {
            return Err(invalid.into());
        }
        let mut options = self.options;
        options.limits.settle()?;
        options.network = Arc::new(NetworkPlan::new(&self.network, &self.loopback_exempt_ports)?);
        options.outlet = Arc::new(OutletPlan::new(self.outlet, &options.env)?);
        layers::check(options.images.len() + self.images.len() + self.packages.len())?;
        crate::packages::check(&self.packages, &options.limits)?;
        options.host_tools = Arc::new(ToolPlan::new(self.tools, &options.limits)?);
        crate::path::check(&options.cwd)?;
        if options.hostname.is_empty() || options.hostname.len() > 64 || options.hostname.contains(['/', '\0', '\n']) {
            let reason = format!(
                "must be 1 to 64 bytes without '/', NUL or line breaks, got {:?}",
                options.hostname
            );
            return Err(Error::InvalidOption {
                option: "hostname",
                reason,
            });
        }
        if options.archive.is_some() && options.upper.is_some() {
            return Err(Error::InvalidOption {
                option: "snapshot",
                reason: "a VM whose changes are kept elsewhere starts with those".to_owned(),
            });
        }
        if options.archive.is_some() && (layers::any(&options) || !self.images.is_empty() || !self.packages.is_empty())
        {
            return Err(Error::InvalidOption {
                option: "snapshot",
                reason: "what it holds is over the packages; it cannot be under or over layers of the VM's own"
                    .to_owned(),
            });
        }
        let mut seen = HashSet::new();
        for mount in &options.mounts {
            mount.check(options.cache_dir.as_deref())?;
            if !seen.insert(mount.guest.clone()) {
                return Err(mount.refused("another mount has the same guest path"));
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(builder: Builder) -> String {
        builder.checked().unwrap_err().to_string()
    }

    #[test]
    fn wrong_options_are_named_before_anything_starts() {
        let builder = Builder::default;
        assert!(refused(builder().cwd("src")).contains("absolute"));
        assert!(refused(builder().env("A=B", "x")).contains("A=B"));
        assert!(refused(builder().hostname("")).contains("hostname"));
        assert!(refused(builder().mount(Mount::memory("data"))).contains("data"));
        assert!(refused(builder().mount(Mount::memory("/a/../b"))).contains("normalized"));
        assert!(refused(builder().mount(Mount::memory("/x")).mount(Mount::memory("/x"))).contains("same guest path"));
        let missing = refused(builder().mount(Mount::host_dir("/no/such/directory", "/x")));
        assert!(
            missing.contains("/no/such/directory") && missing.contains("must exist"),
            "{missing}"
        );
        let policy = serde_json::json!({ "fs": { "rules": [{ "mode": "ask" }] } });
        assert!(refused(builder().permissions(policy)).contains("fs.rules[0].mode must be"));
        let mut limits = Limits::default();
        limits.max_open_fds = 8;
        limits.max_open_fds_per_process = 9;
        assert!(refused(builder().limits(limits)).contains("maxOpenFdsPerProcess"));
    }
}
