//! From the options to a session: a VM, its agent, and what is heard of them.

use super::args::ChatArgs;
use super::keep::{Folder, Journal, default_data};
use super::provider::Model;
use crate::error::Error;
use crate::{prepare, vm};
use agentos::{AgentOs, ApprovalPolicy, Builder, CreateOptions, Mount, Notice, PermissionRequest, Sessions};
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};

/// A session that can be talked to, with what it needs to live.
pub(crate) struct Chat {
    pub(crate) vm: AgentOs,
    pub(crate) sessions: Sessions,
    /// Id of the session.
    pub(crate) id: String,
    pub(crate) agent: String,
    /// Woken when a request came or went.
    pub(crate) asked: Arc<Notify>,
    /// What happened to the agent, as sentences.
    pub(crate) told: mpsc::Receiver<String>,
    /// Number of the first event that is new.
    pub(crate) from: u64,
    /// Kept for as long as it is needed.
    pub(crate) model: Model,
}

/// Sentences that wait to be shown.
const TOLD: usize = 64;

/// What a VM is to have for a session, whoever makes it.
pub(crate) struct Setup {
    pub(crate) builder: Builder,
    pub(crate) agent: String,
    pub(crate) policy: ApprovalPolicy,
    pub(crate) cwd: Option<String>,
    pub(crate) model: Model,
    /// Ports of the host that the VM may reach.
    pub(crate) ports: Vec<i64>,
    /// Where it is kept, if it is to be.
    pub(crate) folder: Option<Folder>,
}

/// Opens what the options of `agentos chat` name.
pub(crate) async fn open(args: &ChatArgs) -> Result<(Chat, Folder), Error> {
    let config = vm::config(&args.vm)?;
    let data = args.data.clone().map_or_else(default_data, Ok)?;
    let mut builder = vm::builder(&args.vm, &config)?;
    let mounted = args
        .vm
        .mounts
        .iter()
        .map(|mount| &mount.guest)
        .chain(config.mounts.iter().map(|mount| &mount.guest));
    let first = mounted.clone().next().cloned();
    let cwd = args.vm.cwd.clone().or_else(|| config.cwd.clone()).or(first);
    let model = if let Some(script) = &args.script {
        Model::of_file(script).await?
    } else if args.scripted {
        Model::scripted(cwd.as_deref().unwrap_or(HOME)).await?
    } else {
        let given = |name: &str| {
            args.vm.secrets.iter().any(|secret| secret.name() == name)
                || config.secrets.iter().any(|secret| secret.name == name)
        };
        Model::keys(given)
    };
    let folder = Folder::find(&data, &args.which())?;
    if !mounted.clone().any(|guest| guest.trim_end_matches('/') == HOME) {
        builder = builder.mount(Mount::host_dir(folder.home(), HOME));
    }
    let setup = Setup {
        builder,
        agent: args.agent.clone(),
        policy: args.approve.0,
        cwd,
        model,
        ports: config
            .loopback_exempt_ports
            .iter()
            .chain(&args.vm.allow_ports)
            .copied()
            .collect(),
        folder: Some(folder.clone()),
    };
    Ok((start(setup).await?, folder))
}

const HOME: &str = "/home/user";

/// Makes the VM and begins or continues the session.
pub(crate) async fn start(setup: Setup) -> Result<Chat, Error> {
    let mut builder = setup.model.prepare(setup.builder, &setup.ports)?;
    if setup.agent == "pi" {
        // No look for newer versions: what runs is what was installed.
        builder = builder.env("PI_OFFLINE", "1");
    }
    prepare::programs(&builder).await?;
    let vm = builder.create().await?;
    for (name, content) in setup.model.files(&setup.agent) {
        let path = format!("{HOME}/{name}");
        if let Some((folder, _)) = path.rsplit_once('/') {
            vm.mkdir_all(folder).await?;
        }
        vm.write_file(&path, content).await?;
    }
    let (asked, (tell, told)) = (Arc::new(Notify::new()), mpsc::channel(TOLD));
    let wake = Arc::clone(&asked);
    let mut sessions = vm.session_setup(None)?.on_notice(move |notice| match notice {
        Notice::PermissionRequest(_) | Notice::PermissionResolved { .. } => wake.notify_one(),
        Notice::AgentCrashed { restart, exit_code, .. } => {
            // Beyond a screen of them nobody misses one.
            let _ = tell.try_send(format!("the agent ended with {exit_code}: {restart}"));
        }
        _ => {}
    });
    if let Some(folder) = &setup.folder {
        sessions = sessions.storage(Arc::new(Journal::open(folder).await?));
    }
    let sessions = sessions.open().await?;
    let id = match sessions.list()?.pop() {
        Some(known) => {
            sessions.resume(&known.session_id).await?;
            known.session_id
        }
        None => {
            let mut options = CreateOptions::default();
            options.cwd = setup.cwd;
            options.permission_policy = Some(setup.policy);
            sessions.create(&setup.agent, options).await?.session_id
        }
    };
    let agent = sessions.get(&id)?.agent_type;
    let from = sessions.next_event(&id)?;
    Ok(Chat {
        vm,
        sessions,
        id,
        agent,
        asked,
        told,
        from,
        model: setup.model,
    })
}

impl Chat {
    /// The request that has waited longest.
    pub(crate) fn request(&self) -> Option<PermissionRequest> {
        let mut pending = self.sessions.pending(Some(&self.id));
        if pending.is_empty() {
            None
        } else {
            Some(pending.remove(0))
        }
    }

    /// Ends the agent, then its VM; the session can be resumed.
    pub(crate) async fn suspend(&self) {
        self.sessions.suspend().await;
        self.vm.dispose().await;
    }
}
