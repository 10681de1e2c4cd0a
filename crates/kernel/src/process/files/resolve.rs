//! `getaddrinfo(3)`, as far as it is about names.

use crate::errno::Errno;
use crate::error::Result;
use crate::fd::IoResult;
use crate::net::{Domain, Lookup, hosts};
use crate::policy::Operation;
use crate::process::process::Process;
use crate::vfs::{FileType, InodeHandle};
use core::net::IpAddr;
use core::task::{Poll, Waker, ready};
use std::sync::Arc;

/// A lookup between its steps. Dropping it cancels.
#[derive(Default)]
pub struct Resolving(Option<Arc<dyn Lookup>>);

/// Bytes of `/etc/hosts` that are read.
const HOSTS_MAX: usize = 64 << 10;

impl Process {
    /// The addresses of a host, of one family or of both, in the order in which to try them. What the VM knows itself (literal
    /// addresses, `localhost`, its own name, `/etc/hosts`) is answered here; everything else by the egress.
    ///
    /// Called again with the same `resolving` until it is ready.
    ///
    /// # Errors
    /// `ENOENT` for a name that does not exist, `ENODATA` for one without an address of the family, `EAGAIN` if no server
    /// answered, `EACCES` if the policy or the guard refuses, `EINVAL` for what cannot be a name, `EINTR`.
    pub fn resolve(
        &self,
        name: &[u8],
        family: Option<Domain>,
        resolving: &mut Resolving,
        waker: Option<&Waker>,
    ) -> IoResult<Vec<IpAddr>> {
        self.within_tier(Operation::NetworkDns, name)?;
        let lookup = match &resolving.0 {
            Some(lookup) => Arc::clone(lookup),
            None => {
                if let Some(known) = self.known_host(name)? {
                    return Poll::Ready(of_family(known, family));
                }
                let egress = self.kernel().net().egress().ok_or(Errno::ENOENT)?;
                let lookup = egress.resolve(hosts::check(name)?, family, self.pid())?;
                resolving.0 = Some(Arc::clone(&lookup));
                lookup
            }
        };
        let found = ready!(self.waiting(waker, |waker| lookup.poll(waker)));
        resolving.0 = None;
        Poll::Ready(found.and_then(|found| of_family(found, family)))
    }

    /// The addresses of a host that needs no server.
    fn known_host(&self, name: &[u8]) -> Result<Option<Vec<IpAddr>>> {
        if let Some(address) = hosts::literal(name) {
            return Ok(Some(vec![address]));
        }
        let name = hosts::check(name)?;
        if hosts::is_localhost(name) {
            return Ok(Some(hosts::loopback()));
        }
        let listed = hosts::in_file(&self.hosts_file(), name);
        if !listed.is_empty() {
            return Ok(Some(listed));
        }
        let own = name.eq_ignore_ascii_case(&self.kernel().hostname());
        Ok(own.then(hosts::loopback))
    }

    /// `/etc/hosts` as the process may read it.
    fn hosts_file(&self) -> Vec<u8> {
        let read = || {
            let cx = self.cx()?;
            let location = self.kernel().vfs().resolve(&cx.fs(), None, b"/etc/hosts", true)?;
            let file = InodeHandle::new(location);
            if file.kind() != FileType::Regular {
                return Err(Errno::EINVAL.into());
            }
            let mut content = vec![0; HOSTS_MAX];
            let count = file.read_at(0, &mut content)?;
            content.truncate(count);
            Ok(content)
        };
        let read: Result<Vec<u8>> = read();
        read.unwrap_or_default()
    }
}

fn of_family(mut found: Vec<IpAddr>, family: Option<Domain>) -> Result<Vec<IpAddr>> {
    found.retain(|address| match family {
        Some(Domain::Inet) => address.is_ipv4(),
        Some(Domain::Inet6) => address.is_ipv6(),
        _ => true,
    });
    match found.is_empty() {
        true => Err(Errno::ENODATA.into()),
        false => Ok(found),
    }
}
