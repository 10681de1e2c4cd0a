//! Addresses of hosts, asked for once: hundreds of archives come from one host, and a resolver that is asked for it hundreds of
//! times at once drops questions, each of which then takes seconds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Hosts that are remembered; whoever leads to more is asked about anew.
const HOSTS: usize = 64;

/// The host's resolver, with a memory as long as one addition to the store.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    inner: DefaultResolver,
    known: Mutex<HashMap<String, ResolvedSocketAddrs>>,
}

impl Resolver for Remembered {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = format!("{:?} {:?}", uri.scheme(), uri.authority());
        // Others wait: they want to know the same.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&host) {
            return Ok(copy(self.empty(), found));
        }
        let found = self.inner.resolve(uri, config, timeout)?;
        if known.len() < HOSTS {
            known.insert(host, copy(self.empty(), &found));
        }
        Ok(found)
    }
}

fn copy(mut to: ResolvedSocketAddrs, from: &ResolvedSocketAddrs) -> ResolvedSocketAddrs {
    from.iter().for_each(|address| to.push(*address));
    to
}
