//! The interceptor that the product uses: hook, proxy and secrets, in this order.

use crate::counted::Counted;
use crate::dial::Dial;
use crate::hook::{self, EgressHook, Route};
use crate::intercept::{Ended, InterceptLimits, Opener, Place, Trace};
use crate::ledger::Ledger;
use crate::passage::{BoxFuture, Connected, HostEnd, Interceptor, Target, copy};
use crate::piped::GuestEnd;
use crate::proxy::Proxy;
use crate::secrets::SecretSet;
use agentos_kernel::{Errno, Error, Result};
use core::time::Duration;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use std::sync::{Arc, OnceLock};

/// What stands between a VM and the network.
#[non_exhaustive]
#[derive(Clone)]
pub struct OutletConfig {
    /// Credentials that stay on the host.
    pub secrets: Option<Arc<SecretSet>>,
    /// The host's word on each connection.
    pub hook: Option<Arc<dyn EgressHook>>,
    /// Time for the hook to answer.
    pub hook_deadline: Duration,
    /// The way out, unless the hook names another.
    pub proxy: Option<Proxy>,
    /// Certificate authorities that are trusted besides the web's: for hosts of secrets and for proxies.
    pub trust_roots: Vec<CertificateDer<'static>>,
    /// Bounds of connections that are opened for secrets.
    pub limits: InterceptLimits,
}

impl Default for OutletConfig {
    fn default() -> Self {
        Self {
            secrets: None,
            hook: None,
            hook_deadline: Duration::from_secs(5),
            proxy: None,
            trust_roots: Vec::new(),
            limits: InterceptLimits::default(),
        }
    }
}

/// Hook, proxy and secrets of one VM. It belongs to one guard.
pub struct Outlet {
    hook: Option<Arc<dyn EgressHook>>,
    hook_deadline: Duration,
    proxy: Option<Proxy>,
    opener: Option<Arc<Opener>>,
    /// Verifies proxies.
    client: OnceLock<Result<ClientConfig, String>>,
    trust_roots: Vec<CertificateDer<'static>>,
    ledger: Arc<OnceLock<Arc<Ledger>>>,
}

impl Outlet {
    /// The interceptor for a configuration; none if there is nothing to do.
    ///
    /// # Errors
    /// A root that cannot be used.
    pub fn new(config: OutletConfig) -> Result<Option<Arc<Self>>, String> {
        if config.secrets.is_none() && config.hook.is_none() && config.proxy.is_none() {
            return Ok(None);
        }
        let open = |secrets| Opener::new(secrets, &config.trust_roots, config.limits).map(Arc::new);
        Ok(Some(Arc::new(Self {
            opener: config.secrets.map(open).transpose()?,
            hook: config.hook,
            hook_deadline: config.hook_deadline,
            proxy: config.proxy,
            client: OnceLock::new(),
            trust_roots: config.trust_roots,
            ledger: Arc::default(),
        })))
    }

    /// The names of a target; those of the loopback include its own.
    fn names(target: &Target) -> Vec<String> {
        let local = target.address.ip().is_loopback().then(|| "localhost".to_owned());
        target.names.iter().map(ToString::to_string).chain(local).collect()
    }

    fn concerned(&self, target: &Target) -> Option<&Arc<Opener>> {
        let opener = self.opener.as_ref()?;
        opener
            .concerns(&Self::names(target), target.address.port())
            .then_some(opener)
    }

    async fn through(&self, proxy: Option<&Proxy>, target: &Target, dial: &Dial) -> Result<HostEnd> {
        // The host's loopback is not the proxy's.
        let proxy = proxy.filter(|_| !target.address.ip().is_loopback());
        let Some(proxy) = proxy else {
            return Ok(Box::new(dial.target(target).await?));
        };
        let client = self.client.get_or_init(|| crate::roots::client(&self.trust_roots));
        let client = client.as_ref().map_err(|_| Error::from(Errno::ECONNABORTED))?;
        proxy.connect(dial, client, target.address).await
    }

    /// A connection to another host; by the proxy, too, if there is one.
    async fn rewritten(&self, host: &str, port: u16, target: &Target, dial: &Dial) -> Result<Connected> {
        if self.proxy.is_none() {
            let (target, stream) = dial.host(host, port, target.pid).await?;
            let host = Box::new(stream);
            return Ok(Connected { host, target });
        }
        let mut failed = Errno::EHOSTUNREACH.into();
        for target in dial.admitted(host, port, target.pid).await? {
            match self.through(self.proxy.as_ref(), &target, dial).await {
                Ok(host) => return Ok(Connected { host, target }),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    async fn route(&self, target: &Target, dial: &Dial) -> Result<Connected> {
        let Some(hook) = &self.hook else {
            return Ok(Connected {
                host: self.through(self.proxy.as_ref(), target, dial).await?,
                target: target.clone(),
            });
        };
        let route = hook::ask(&**hook, target, self.hook_deadline).await;
        let route = route.map_err(|reason| dial.ledger.vetoed("hook", "tcp", target, &reason))?;
        let (target, proxy) = match &route {
            Route::Rewrite { host, port } => return self.rewritten(host, *port, target, dial).await,
            Route::Proxy(proxy) => (target, Some(proxy)),
            Route::Allow | Route::Deny { .. } => (target, self.proxy.as_ref()),
        };
        Ok(Connected {
            host: self.through(proxy, target, dial).await?,
            target: target.clone(),
        })
    }
}

impl Interceptor for Outlet {
    fn wants(&self, target: &Target) -> bool {
        self.hook.is_some() || self.proxy.is_some() || self.concerned(target).is_some()
    }

    fn connect<'a>(&'a self, target: &'a Target, dial: &'a Dial) -> BoxFuture<'a, Result<Connected>> {
        self.ledger.get_or_init(|| Arc::clone(&dial.ledger));
        Box::pin(self.route(target, dial))
    }

    fn carry(&self, target: Target, guest: GuestEnd, host: HostEnd) -> BoxFuture<'static, ()> {
        let opener = self.concerned(&target).cloned();
        let ledger = Arc::clone(&self.ledger);
        let hook = self.hook.clone();
        Box::pin(async move {
            let resetter = guest.resetter();
            let guest = Counted::new(guest, target.clone(), hook);
            let Some(opener) = opener else {
                return copy(guest, host).await;
            };
            let names = Self::names(&target);
            let trace = match ledger.get() {
                Some(ledger) => Trace::new(Arc::clone(ledger), resetter, target.pid),
                None => Trace::default(),
            };
            let place = Place {
                names: &names,
                port: target.address.port(),
                trace: &trace,
            };
            let carried = opener.carry(place, guest, host).await;
            if let (Err(Ended::Refused(reason)), Some(ledger)) = (carried, ledger.get()) {
                // The guest's stream has ended; the error says why to the operator.
                let _ = ledger.vetoed("secrets", "tcp", &target, reason);
            }
        })
    }

    fn datagrams(&self, target: &Target) -> Result<()> {
        let refused = |reason: &str| {
            let to = target.address;
            Err(Error::refused(format!(
                "EACCES: blocked outbound network access to udp://{to}: {reason}"
            )))
        };
        if self.hook.as_ref().is_some_and(|hook| !hook.allows_datagrams(target)) {
            return refused("denied by the egress hook");
        }
        if self.proxy.is_some() && !target.address.ip().is_loopback() {
            return refused("datagrams cannot pass the configured proxy");
        }
        Ok(())
    }
}
