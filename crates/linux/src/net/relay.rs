//! The thread of a VM that moves what its Linux guests send and receive, and the table of their sockets.

use super::bridge::{Bridge, Form, Key, Turn};
use super::cargo::Traffic;
use super::packets::Packets;
use super::pending::Pending;
use super::routes::Routes;
use super::stream::Stream;
use crate::sys::{self, Poller, Ready};
use agentos_kernel::fd::OpenFile;
use agentos_kernel::net::{Kind, OptionName, OptionValue, Socket};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};

/// The sockets of a VM's Linux guests.
#[derive(Default)]
pub(crate) struct Sockets {
    relay: Option<Arc<Relay>>,
    /// What one process is being given of other programs' sockets.
    adopting: Vec<(u64, OwnedFd)>,
    /// Datagram sockets at which the next look for closed ones happens.
    look_at: usize,
    traffic: Arc<Traffic>,
}

/// What the VM's thread and the one that moves bytes share.
struct Relay {
    poller: Poller,
    bell: OwnedFd,
    table: Mutex<Table>,
    /// Held by the thread that moves bytes while it has a socket in its hands, which may be the last that has it.
    turning: Mutex<()>,
}

#[derive(Default)]
struct Table {
    by_key: HashMap<Key, Arc<Bridge>>,
    by_token: HashMap<u64, Arc<Bridge>>,
    next: u64,
    woken: Vec<u64>,
    closed: bool,
}

/// Token of the bell.
const BELL: u64 = u64::MAX;
/// Largest packet that is moved, in bytes.
const SCRATCH: usize = 256 << 10;
/// Datagram sockets at which the first look happens.
const FIRST_LOOK: usize = 16;
/// What a bridge is told of.
const EVENTS: i32 = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET;

impl Sockets {
    /// Stands behind a socket of the VM, and returns what the guest gets. `open` if it is connected.
    pub(crate) fn add(&mut self, file: Arc<OpenFile>, open: bool) -> io::Result<OwnedFd> {
        let kind = file.object_as::<Socket>().map(Socket::kind);
        let (guest, form) = match kind {
            Some(Kind::Stream) => Stream::new(open).map(|(guest, stream)| (guest, Form::Stream(stream)))?,
            Some(kind) => {
                Packets::new(kind == Kind::Datagram).map(|(guest, packets)| (guest, Form::Packets(packets)))?
            }
            None => return Err(io::Error::from_raw_os_error(libc::ENOTSOCK)),
        };
        self.put(file, guest, form)
    }

    /// A netlink socket. The VM's socket is there to be counted.
    pub(crate) fn add_routes(&mut self, file: Arc<OpenFile>, port: u32) -> io::Result<OwnedFd> {
        let (guest, routes) = Routes::new(port)?;
        self.put(file, guest, Form::Routes(routes))
    }

    fn put(&mut self, file: Arc<OpenFile>, guest: OwnedFd, form: Form) -> io::Result<OwnedFd> {
        let key = key_of(&guest)?;
        let traffic = Arc::clone(&self.traffic);
        let relay = self.relay()?;
        let mut table = relay.table.lock();
        let token = table.next;
        table.next += 1;
        relay.watch(&form, token)?;
        let bridge = Arc::new(Bridge {
            file,
            token,
            waker: waker(relay, token),
            keys: Mutex::new(vec![key]),
            form: Mutex::new(form),
            traffic,
            hints: Mutex::default(),
        });
        table.by_key.insert(key, Arc::clone(&bridge));
        table.by_token.insert(token, Arc::clone(&bridge));
        drop(table);
        bridge.kick();
        Ok(guest)
    }

    /// Stands behind a socket that another program made, whatever has become of it. The same for as many descriptors of one
    /// process as are asked for before [`adopted`](Self::adopted).
    pub(crate) fn adopt(&mut self, file: &Arc<OpenFile>) -> io::Result<OwnedFd> {
        if let Some((_, guest)) = self.adopting.iter().find(|(id, _)| *id == file.id()) {
            return sys::duplicate(guest.as_fd());
        }
        let guest = self.stand_behind(file)?;
        self.adopting.push((file.id(), sys::duplicate(guest.as_fd())?));
        Ok(guest)
    }

    /// A process has all its descriptors.
    pub(crate) fn adopted(&mut self) {
        self.adopting.clear();
    }

    fn stand_behind(&mut self, file: &Arc<OpenFile>) -> io::Result<OwnedFd> {
        let Some(socket) = file.object_as::<Socket>() else {
            return Err(io::Error::from_raw_os_error(libc::ENOTSOCK));
        };
        let listens = matches!(
            socket.option(OptionName::AcceptConnections),
            Ok(OptionValue::Switch(true))
        );
        let open = socket.peer_name().is_ok();
        let guest = self.add(Arc::clone(file), open)?;
        let Some(bridge) = self.find(key_of(&guest)?) else {
            return Ok(guest);
        };
        if let Form::Stream(stream) = &mut *bridge.form.lock() {
            stream.share();
        }
        match listens {
            true => self.renew(&bridge, true),
            false => Ok(guest),
        }
    }

    /// Gives a socket another descriptor, for the one that a guest had: a listener's, or a fresh one after a failed connection.
    pub(crate) fn renew(&mut self, bridge: &Arc<Bridge>, listens: bool) -> io::Result<OwnedFd> {
        let (guest, form) = match listens {
            true => Pending::new().map(|(guest, pending)| (guest, Form::Pending(pending)))?,
            false => Stream::new(false).map(|(guest, stream)| (guest, Form::Stream(stream)))?,
        };
        let key = key_of(&guest)?;
        let relay = self.relay()?;
        relay.watch(&form, bridge.token)?;
        relay.table.lock().by_key.insert(key, Arc::clone(bridge));
        bridge.keys.lock().push(key);
        *bridge.form.lock() = form;
        bridge.kick();
        Ok(guest)
    }

    /// The socket behind a descriptor.
    pub(crate) fn find(&self, key: Key) -> Option<Arc<Bridge>> {
        self.relay.as_ref()?.table.lock().by_key.get(&key).map(Arc::clone)
    }

    /// Gives on what a guest has written to a stream; whether that was everything.
    pub(crate) fn flush(&self, bridge: &Bridge) -> bool {
        if let Some(relay) = &self.relay {
            relay.turn(bridge.token, &mut vec![0; SCRATCH]);
        }
        !matches!(&*bridge.form.lock(), Form::Stream(stream) if stream.has_unsent())
    }

    /// What is on its way between guests.
    pub(crate) fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// What is on its way between guests, by device and inode, once all that they have sent was taken in.
    pub(crate) fn on_their_way(&self) -> Vec<Key> {
        if self.traffic.is_allowed() {
            self.settle(false);
        }
        self.traffic.keys()
    }

    /// Whether enough datagram sockets have come up to look for closed ones.
    pub(crate) fn is_crowded(&self) -> bool {
        self.held() >= self.look_at.max(FIRST_LOOK)
    }

    /// Whether there is anything that only looking finds.
    pub(crate) fn has_held(&self) -> bool {
        self.held() > 0
    }

    fn held(&self) -> usize {
        let bridges = self.relay.as_ref().map(|relay| relay.bridges()).unwrap_or_default();
        bridges.iter().filter(|bridge| is_held(bridge)).count()
    }

    /// Closes the datagram sockets that nobody has open any more.
    pub(crate) fn sweep(&mut self, open: &HashSet<Key>) {
        let Some(relay) = &self.relay else { return };
        for bridge in relay.bridges() {
            if is_held(&bridge) && !bridge.keys.lock().iter().any(|key| open.contains(key)) {
                // What it sent is on its way first.
                bridge.run(&mut vec![0; SCRATCH]);
                *bridge.form.lock() = Form::Gone;
                relay.forget(&bridge);
            }
        }
        relay.let_go();
        self.look_at = self.held() * 2;
    }

    /// Moves what is there and closes what guests have closed, of listeners or of all.
    pub(crate) fn settle(&self, listeners: bool) {
        let Some(relay) = &self.relay else { return };
        let mut scratch = Vec::new();
        for bridge in relay.bridges() {
            let is_listener = matches!(&*bridge.form.lock(), Form::Pending(_));
            if is_listener || !listeners {
                if !is_listener {
                    scratch.resize(SCRATCH, 0);
                }
                relay.turn(bridge.token, &mut scratch);
            }
        }
        relay.let_go();
    }

    /// The thread, started at the first need.
    fn relay(&mut self) -> io::Result<&Arc<Relay>> {
        if self.relay.is_none() {
            let relay = Relay::start()?;
            self.relay = Some(relay);
        }
        self.relay
            .as_ref()
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EAGAIN))
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        if let Some(relay) = self.relay.take() {
            relay.table.lock().closed = true;
            relay.ring();
        }
    }
}

fn is_held(bridge: &Bridge) -> bool {
    match &*bridge.form.lock() {
        Form::Packets(packets) => packets.is_held(),
        Form::Routes(_) => true,
        _ => false,
    }
}

fn key_of(fd: &OwnedFd) -> io::Result<Key> {
    let stat = sys::stat_fd(fd.as_fd(), c"")?;
    Ok((stat.st_dev, stat.st_ino))
}

impl Relay {
    fn start() -> io::Result<Arc<Self>> {
        // SAFETY: takes numbers alone.
        let bell = sys::check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }.into())?;
        // SAFETY: the call made it.
        let bell = unsafe { OwnedFd::from_raw_fd(i32::try_from(bell).unwrap_or(-1)) };
        let relay = Arc::new(Self {
            poller: Poller::new()?,
            bell,
            table: Mutex::default(),
            turning: Mutex::default(),
        });
        relay.poller.add(relay.bell.as_fd(), BELL, libc::EPOLLIN)?;
        let thread = Arc::clone(&relay);
        std::thread::Builder::new()
            .name("agentos-sockets".into())
            .spawn(move || thread.run())?;
        Ok(relay)
    }

    fn run(&self) {
        let mut scratch = vec![0; SCRATCH];
        let mut ready: Vec<Ready> = Vec::new();
        loop {
            self.poller.wait(-1, &mut ready);
            let mut tokens: Vec<u64> = ready.iter().map(|event| event.token).collect();
            if tokens.contains(&BELL) {
                self.silence();
                tokens.retain(|token| *token != BELL);
                let mut table = self.table.lock();
                tokens.append(&mut table.woken);
                if table.closed {
                    let left = std::mem::take(&mut table.by_token);
                    table.by_key.clear();
                    drop(table);
                    return drop(left);
                }
            }
            tokens.sort_unstable();
            tokens.dedup();
            for token in tokens {
                let _turning = self.turning.lock();
                self.turn(token, &mut scratch);
            }
        }
    }

    fn turn(&self, token: u64, scratch: &mut [u8]) {
        let bridge = self.table.lock().by_token.get(&token).map(Arc::clone);
        let Some(bridge) = bridge else { return };
        match bridge.run(scratch) {
            Turn::Waits => {}
            Turn::Again => bridge.kick(),
            Turn::Gone => self.forget(&bridge),
        }
    }

    /// Waits until the thread that moves bytes has let go of what was in its hands: a socket that is in no table any more is closed then.
    fn let_go(&self) {
        drop(self.turning.lock());
    }

    fn watch(&self, form: &Form, token: u64) -> io::Result<()> {
        match form {
            Form::Stream(stream) => self.poller.add(stream.end().as_fd(), token, EVENTS),
            Form::Packets(packets) => self.poller.add(packets.end().as_fd(), token, EVENTS),
            // A pipe can nearly always be written, which is nothing to hear of.
            Form::Pending(pending) => self.poller.add(pending.end().as_fd(), token, libc::EPOLLET),
            Form::Routes(routes) => self.poller.add(routes.end().as_fd(), token, EVENTS),
            Form::Gone => Ok(()),
        }
    }

    /// Drops a socket. Whoever still looks at it does so last.
    fn forget(&self, bridge: &Arc<Bridge>) {
        let mut table = self.table.lock();
        let mut gone = vec![table.by_token.remove(&bridge.token)];
        for key in bridge.keys.lock().iter() {
            // The number may mean another one by now.
            if table.by_key.get(key).is_some_and(|known| Arc::ptr_eq(known, bridge)) {
                gone.push(table.by_key.remove(key));
            }
        }
        drop(table);
        drop(gone);
    }

    fn bridges(&self) -> Vec<Arc<Bridge>> {
        self.table.lock().by_token.values().map(Arc::clone).collect()
    }

    fn ring(&self) {
        let one = 1u64;
        // SAFETY: eight bytes are readable. A full counter has rung already.
        unsafe { libc::write(self.bell.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    fn silence(&self) {
        let mut count = 0u64;
        // SAFETY: eight bytes are writable.
        unsafe { libc::read(self.bell.as_raw_fd(), (&raw mut count).cast(), 8) };
    }
}

/// Has a socket's bytes moved.
struct Kick {
    relay: Weak<Relay>,
    token: u64,
}

impl Wake for Kick {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(relay) = self.relay.upgrade() {
            let mut table = relay.table.lock();
            if !table.woken.contains(&self.token) {
                table.woken.push(self.token);
            }
            drop(table);
            relay.ring();
        }
    }
}

fn waker(relay: &Arc<Relay>, token: u64) -> Waker {
    Waker::from(Arc::new(Kick {
        relay: Arc::downgrade(relay),
        token,
    }))
}
