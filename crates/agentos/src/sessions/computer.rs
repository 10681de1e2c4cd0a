//! A VM as the session layer needs it.
//!
//! It holds the VM weakly: sessions belong to a VM and end with it, they do not keep it.

use super::child;
use crate::error::Error;
use crate::vm::{AgentOs, Vm};
use agentos_kernel::vfs::{Mode, OpenOptions, Opened};
use agentos_kernel::{Errno, Error as KernelError, cred::Credentials};
use agentos_session::{BoxFuture, Child, Computer, EnvValue, Launch, VmError, VmResult};
use bytes::Bytes;
use std::sync::{Arc, Weak};

/// Puts values in the place of references to secrets.
pub type Reveal =
    Arc<dyn Fn(String, Vec<(String, EnvValue)>) -> BoxFuture<'static, VmResult<Vec<(String, String)>>> + Send + Sync>;

/// The VM of some sessions.
pub(super) struct VmComputer {
    pub(super) vm: Weak<Vm>,
    pub(super) reveal: Option<Reveal>,
}

impl VmComputer {
    fn vm(&self) -> VmResult<AgentOs> {
        let vm = self.vm.upgrade().ok_or_else(|| refused(Error::Disposed))?;
        Ok(AgentOs { vm, trusted: false })
    }
}

/// An error of the SDK as the layer passes it on.
#[allow(clippy::needless_pass_by_value, reason = "it is what map_err calls")]
pub(super) fn refused(error: Error) -> VmError {
    VmError::new(error.code(), error.to_string())
}

fn kernel(operation: &'static str, path: &str) -> impl Fn(KernelError) -> VmError {
    move |error| refused(Error::file(operation, path)(error))
}

impl Computer for VmComputer {
    fn start(&self, launch: Launch) -> BoxFuture<'_, VmResult<Child>> {
        Box::pin(async move { child::start(&self.vm()?, launch).await })
    }

    fn find_command<'a>(&'a self, command: &'a str) -> BoxFuture<'a, Option<String>> {
        Box::pin(async move {
            let os = self.vm().ok()?;
            if command.contains('/') {
                return is_program(&os.vm, command).then(|| command.to_owned());
            }
            let environment = os.vm.environment(&[]).ok()?;
            let path = environment
                .iter()
                .find_map(|variable| variable.strip_prefix(b"PATH="))?;
            let path = String::from_utf8_lossy(path).into_owned();
            let candidates = path.split(':').map(|folder| format!("{folder}/{command}"));
            candidates.into_iter().find(|candidate| is_program(&os.vm, candidate))
        })
    }

    fn read<'a>(&'a self, path: &'a str, most: usize) -> BoxFuture<'a, VmResult<Bytes>> {
        Box::pin(async move {
            let os = self.vm()?;
            let size = os.stat(path).await.map_err(refused)?.size;
            if size > most as u64 {
                let text = format!("EFBIG: {path} has {size} bytes, an agent may read {most} at once");
                return Err(VmError::new("EFBIG", text));
            }
            os.read_file(path).await.map_err(refused)
        })
    }

    fn write<'a>(&'a self, path: &'a str, content: Bytes) -> BoxFuture<'a, VmResult<()>> {
        Box::pin(async move { self.vm()?.write_file(path, content).await.map_err(refused) })
    }

    fn read_dir<'a>(&'a self, path: &'a str) -> BoxFuture<'a, VmResult<Vec<String>>> {
        Box::pin(async move { self.vm()?.read_dir(path).await.map_err(refused) })
    }

    fn resolve<'a>(&'a self, path: &'a str) -> BoxFuture<'a, String> {
        Box::pin(async move {
            match self.vm() {
                Ok(os) => resolve(&os.vm, path),
                Err(_) => path.to_owned(),
            }
        })
    }

    fn publish<'a>(&'a self, path: &'a str, content: Bytes, executable: bool) -> BoxFuture<'a, VmResult<()>> {
        Box::pin(async move {
            let os = self.vm()?;
            publish(&os.vm, path, &content, executable).map_err(kernel("writeFile", path))
        })
    }

    fn reveal<'a>(
        &'a self,
        path: &'a str,
        env: Vec<(String, EnvValue)>,
    ) -> BoxFuture<'a, VmResult<Vec<(String, String)>>> {
        if let Some(reveal) = &self.reveal {
            return reveal(path.to_owned(), env);
        }
        let plain = |(name, value)| match value {
            EnvValue::Plain(value) => Ok((name, value)),
            EnvValue::Secret { .. } => {
                let text = format!("{path}.{name}: this VM has no source of secrets");
                Err(VmError::new("invalid_argument", text))
            }
        };
        Box::pin(std::future::ready(env.into_iter().map(plain).collect()))
    }

    fn tool_list(&self) -> Option<String> {
        self.vm().ok()?.tool_list()
    }
}

/// Whether a path is a file that the VM's user may execute.
fn is_program(vm: &Vm, path: &str) -> bool {
    vm.as_user(|cx| {
        let stat = vm.kernel.vfs().stat(cx, None, path.as_bytes(), true)?;
        Ok::<_, KernelError>(
            stat.attr.kind == agentos_kernel::vfs::FileType::Regular && stat.attr.mode.bits() & 0o111 != 0,
        )
    })
    .unwrap_or(false)
}

/// Where a path leads; what does not exist is added to where its parent leads.
fn resolve(vm: &Vm, path: &str) -> String {
    let mut known = path;
    loop {
        let real = vm.as_root(|cx| vm.kernel.vfs().realpath(cx, None, known.as_bytes()));
        match real {
            Ok(real) => {
                let rest = path.get(known.len()..).unwrap_or_default().trim_start_matches('/');
                let real = String::from_utf8_lossy(&real).into_owned();
                return match rest.is_empty() {
                    true => real,
                    false => format!("{}/{rest}", real.trim_end_matches('/')),
                };
            }
            Err(_) if known.len() > 1 => {
                known = match known.rfind('/') {
                    Some(0) | None => "/",
                    Some(at) => known.get(..at).unwrap_or("/"),
                };
            }
            Err(_) => return path.to_owned(),
        }
    }
}

/// Writes a file of the VM's own: beside its place first, so that whoever reads it has all of it or the one before.
fn publish(vm: &Vm, path: &str, content: &[u8], executable: bool) -> Result<(), KernelError> {
    let vfs = vm.kernel.vfs();
    let options = OpenOptions {
        write: true,
        create: true,
        exclusive: true,
        mode: Mode::new(if executable { 0o755 } else { 0o644 }),
        ..OpenOptions::default()
    };
    let draft = format!("{path}.new");
    vm.as_root(|cx| {
        let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
        match vfs.mkdir(cx, None, folder.as_bytes(), Mode::new(0o755)) {
            Err(error) if error.errno() != Errno::EEXIST => return Err(error),
            _ => {}
        }
        match vfs.unlink(cx, None, draft.as_bytes()) {
            Err(error) if error.errno() != Errno::ENOENT => return Err(error),
            _ => {}
        }
        let Opened::Inode(file) = vfs.open(cx, None, draft.as_bytes(), options)? else {
            return Err(Errno::EINVAL.into());
        };
        let root = Credentials::root();
        let mut done = 0;
        while let Some(rest) = content.get(done..).filter(|rest| !rest.is_empty()) {
            done += file.write_at(&root, done as u64, rest)?;
        }
        vfs.rename(
            cx,
            None,
            draft.as_bytes(),
            None,
            path.as_bytes(),
            agentos_kernel::vfs::RenameFlags::Replace,
        )
    })
}
