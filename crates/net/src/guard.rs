//! The guard: the only way from a VM to the host's network.
//!
//! Every destination passes the same steps, whatever asked for it: classify the address; for loopback, look for an exemption;
//! ask the policy about the address and every name that led to it; open a socket to exactly this address; look where it led.
//! No step can be skipped and none is asked twice for one connection; a new connection starts from the first.

use crate::addresses::{Known, Reach, Verdict};
use crate::config::GuardConfig;
use crate::counters::{NetworkUsage, count};
use crate::denial::{Access, Denial};
use crate::dial::Dial;
use crate::dialer::Purpose;
use crate::direct::{Deadlines, Direct};
use crate::dns::Resolver;
use crate::dns::lookup::LASTING;
use crate::dns::message::{self, Request};
use crate::dns::task::Task;
use crate::flow::Flow;
use crate::ledger::{Ledger, connect_timeout};
use crate::names::Names;
use crate::parse::{Host, parse_host};
use crate::passage::{Interceptor, Target};
use crate::{errors, interfaces, piped, runtime};
use agentos_kernel::events::Audit;
use agentos_kernel::id::Pid;
use agentos_kernel::net::{self as egress, Domain};
use agentos_kernel::policy::{NetworkTarget, Operation, Protocol, Scope};
use agentos_kernel::{Errno, Error, Result};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;

/// The way out of one VM. Making one opens nothing, starts nothing and asks nobody.
pub struct Guard {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: GuardConfig,
    pub(crate) names: Names,
    pub(crate) ledger: Arc<Ledger>,
    resolver: Mutex<Option<Arc<Resolver>>>,
}

impl Guard {
    /// The way out that the configuration describes.
    pub fn new(config: GuardConfig) -> Self {
        Self {
            shared: Arc::new(Shared {
                names: Names::new(config.limits.max_cached_names),
                ledger: Arc::default(),
                resolver: Mutex::default(),
                config,
            }),
        }
    }

    /// Where refusals are reported from now on. The first call counts.
    pub fn report_to(&self, audit: Arc<Audit>) {
        // A second trail for one VM would only split its events.
        let _ = self.shared.ledger.audit.set(audit);
    }

    /// What the VM used so far.
    pub fn usage(&self) -> NetworkUsage {
        self.shared.ledger.counters.usage()
    }

    /// What the guard says of an address, besides any policy.
    pub fn classify(&self, address: IpAddr) -> Verdict {
        self.shared.classify(address)
    }
}

impl Guard {
    /// Connects to a host by name for the host's own software, under the rules of this VM: as a guest that looks the name up and
    /// connects, with a race among the addresses that are left.
    ///
    /// # Errors
    /// `EINVAL` for what is no host, `EACCES` with the text for one that is refused, else the error of lookup or connection.
    pub async fn connect_host(&self, host: &str, port: u16) -> Result<TcpStream> {
        let (dial, host) = (self.shared.dial(), host.to_owned());
        count(&self.shared.ledger.counters.connections);
        let connecting = runtime::handle()?.spawn(async move { dial.host(&host, port, Pid(1)).await });
        match connecting.await {
            Ok(Ok((_, stream))) => Ok(stream),
            Ok(Err(error)) => {
                if let Some(breach) = error.limit() {
                    self.shared.ledger.exceeded(breach, Pid(1));
                }
                Err(error)
            }
            Err(_) => Err(Errno::ECONNABORTED.into()),
        }
    }
}

impl Shared {
    fn dial(self: &Arc<Self>) -> Dial {
        Dial {
            dialer: Arc::clone(&self.config.dialer),
            deadline: self.config.limits.connect_timeout,
            ledger: Arc::clone(&self.ledger),
            shared: Arc::clone(self),
        }
    }

    pub(crate) fn classify(&self, address: IpAddr) -> Verdict {
        let known = Known {
            metadata: &self.config.extra_metadata,
            host: &interfaces::current(),
        };
        known.classify(address)
    }

    /// The destination, if policy and guard admit it.
    pub(crate) fn admit(&self, access: Access, destination: SocketAddr, pid: Pid) -> Result<Target> {
        let destination = plain(destination)?;
        let verdict = self.classify(destination.ip());
        let reachable = match verdict.reach {
            Reach::Public => true,
            Reach::Loopback => self.is_exempt(destination),
            Reach::Blocked => false,
        };
        if !reachable {
            return Err(self.ledger.refused(&Denial::destination(access, destination, verdict)));
        }
        let names = self.names_of(destination.ip());
        self.ask_policy(access, destination, &names, pid)?;
        Ok(Target::new(destination, names, pid))
    }

    /// Whether the operator opened this port of the host's loopback.
    fn is_exempt(&self, destination: SocketAddr) -> bool {
        let address = destination.ip();
        let main = address == Ipv4Addr::LOCALHOST || address == Ipv6Addr::LOCALHOST;
        main && self.config.loopback_exempt_ports.contains(&destination.port())
    }

    /// The recorded names of an address, if anybody will look at them.
    fn names_of(&self, address: IpAddr) -> Vec<Box<str>> {
        if self.config.interceptor.is_none() && self.config.policy.is_open(Scope::Network) {
            return Vec::new();
        }
        self.names.of(address, Instant::now())
    }

    fn ask_policy(&self, access: Access, destination: SocketAddr, names: &[Box<str>], pid: Pid) -> Result<()> {
        let policy = &self.config.policy;
        if policy.is_open(Scope::Network) {
            return Ok(());
        }
        let (operation, protocol) = match access {
            Access::Udp => (Operation::NetworkUdp, Protocol::Udp),
            Access::Tcp | Access::Dns => (Operation::NetworkHttp, Protocol::Tcp),
        };
        let target = NetworkTarget::address(protocol, destination).known_as(names);
        policy
            .check_network(operation, &target)
            .map_err(|denied| self.ledger.denied(denied, pid))
    }

    /// Counts a lookup, if the policy allows it.
    pub(crate) fn admit_lookup(&self, name: &str, pid: Pid) -> Result<()> {
        let policy = &self.config.policy;
        if !policy.is_open(Scope::Network) {
            policy
                .check_network(Operation::NetworkDns, &NetworkTarget::lookup(name))
                .map_err(|denied| self.ledger.denied(denied, pid))?;
        }
        count(&self.ledger.counters.lookups);
        Ok(())
    }

    /// What asks the servers, made if this is the first question.
    pub(crate) fn resolver(&self) -> Result<Arc<Resolver>> {
        let mut resolver = self.resolver.lock();
        if let Some(resolver) = &*resolver {
            return Ok(Arc::clone(resolver));
        }
        let made = Arc::new(Resolver::new(&self.config)?);
        *resolver = Some(Arc::clone(&made));
        Ok(made)
    }

    fn deadlines(&self) -> Deadlines {
        let limits = &self.config.limits;
        Deadlines {
            connect: limits.connect_timeout,
            idle: limits.idle_timeout,
            total: limits.total_timeout,
        }
    }

    fn direct(&self, target: &Target) -> Result<Arc<dyn egress::Stream>> {
        let socket = self.config.dialer.stream(target.address, Purpose::Guest);
        let socket = socket.map_err(|error| errors::error(&error))?;
        let ledger = Arc::clone(&self.ledger);
        Ok(Direct::begin(
            socket,
            (target.address, target.pid),
            self.deadlines(),
            ledger,
        )?)
    }

    /// A connection that passes through an interceptor.
    fn intercepted(
        self: &Arc<Self>,
        interceptor: Arc<dyn Interceptor>,
        target: Target,
    ) -> Result<Arc<dyn egress::Stream>> {
        let runtime = runtime::handle()?;
        let (guest, end) = piped::pair(Arc::clone(&self.ledger));
        let limits = self.config.limits;
        let dial = self.dial();
        let task = runtime.spawn(async move {
            let connecting = interceptor.connect(&target, &dial);
            let connected = match tokio::time::timeout(limits.connect_timeout, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(connect_timeout(limits.connect_timeout).into()),
            };
            let connected = match connected {
                Ok(connected) => connected,
                Err(error) => return end.failed(dial.ledger.settled(error, target.pid)),
            };
            end.connected(target.address);
            let lingered = end.lingered();
            let expired = end.expired(limits.idle_timeout, limits.total_timeout);
            tokio::select! {
                () = interceptor.carry(connected.target, end, connected.host) => {}
                () = lingered => {}
                () = expired => {}
            }
        });
        guest.runs(task.abort_handle());
        Ok(guest)
    }
}

/// The destination in canonical form. Port 0 and addresses with a zone are no destinations.
fn plain(destination: SocketAddr) -> Result<SocketAddr> {
    let zoned = matches!(destination, SocketAddr::V6(address) if address.scope_id() != 0);
    if zoned || destination.port() == 0 {
        return Err(Errno::EINVAL.into());
    }
    Ok(SocketAddr::new(destination.ip().to_canonical(), destination.port()))
}

impl egress::Egress for Guard {
    fn connect(&self, request: &egress::Outgoing) -> Result<Arc<dyn egress::Stream>> {
        let target = self.shared.admit(Access::Tcp, request.destination, request.pid)?;
        count(&self.shared.ledger.counters.connections);
        match &self.shared.config.interceptor {
            Some(interceptor) if interceptor.wants(&target) => self.shared.intercepted(Arc::clone(interceptor), target),
            _ => self.shared.direct(&target),
        }
    }

    fn datagrams(&self, request: &egress::Outgoing) -> Result<Arc<dyn egress::Datagrams>> {
        let target = self.shared.admit(Access::Udp, request.destination, request.pid)?;
        if let Some(interceptor) = &self.shared.config.interceptor {
            interceptor.datagrams(&target)?;
        }
        count(&self.shared.ledger.counters.flows);
        let socket = self.shared.config.dialer.datagrams(target.address, Purpose::Guest);
        let socket = socket.map_err(|error| errors::error(&error))?;
        let ledger = Arc::clone(&self.shared.ledger);
        Ok(Flow::new(socket, target.address, ledger)?)
    }

    fn resolve(&self, name: &[u8], family: Option<Domain>, pid: Pid) -> Result<Arc<dyn egress::Lookup>> {
        let name = match parse_host(name).map_err(|_| Error::from(Errno::EINVAL))? {
            Host::Name(name) => name,
            Host::Address(address) => {
                let literal = address.to_string();
                return Ok(Task::done(self.shared.judge(
                    &literal,
                    vec![address],
                    family,
                    Duration::ZERO,
                )));
            }
        };
        self.shared.admit_lookup(&name, pid)?;
        if let Some(known) = self.shared.known_addresses(&name) {
            return Ok(Task::done(self.shared.judge(&name, known, family, LASTING)));
        }
        let shared = Arc::clone(&self.shared);
        let work = async move { shared.look_up(&name, family).await };
        Ok(Task::start(&runtime::handle()?, work))
    }

    fn query(&self, message: &[u8], pid: Pid) -> Result<Arc<dyn egress::Query>> {
        let question = match message::read(message)? {
            Request::Question(question) => question,
            Request::Answered(answer) => return Ok(Task::done(Ok(answer))),
        };
        if self.shared.admit_lookup(&question.host, pid).is_err() {
            return Ok(Task::done(Ok(question.refused())));
        }
        if let Some(answer) = question.answer_at_hand(&self.shared) {
            return Ok(Task::done(Ok(answer)));
        }
        let shared = Arc::clone(&self.shared);
        let work = async move { Ok(question.answer(&shared, pid).await) };
        Ok(Task::start(&runtime::handle()?, work))
    }
}
