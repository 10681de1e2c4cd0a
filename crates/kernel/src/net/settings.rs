//! The options of one socket.

use super::advice::Kept;
use super::options::BUFFER_DEFAULT;
use super::{Domain, Kind, OptionName, OptionValue};
use crate::errno::Errno;
use crate::error::{Error, Result};

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) reuse_address: bool,
    pub(super) reuse_port: bool,
    keep_alive: bool,
    broadcast: bool,
    pub(super) no_delay: bool,
    pub(super) v6_only: bool,
    pub(super) send_buffer: u32,
    pub(super) receive_buffer: u32,
    pub(super) linger: Option<u32>,
    pub(super) receive_timeout: Option<u64>,
    pub(super) send_timeout: Option<u64>,
    time_to_live: u32,
    advice: Kept,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            reuse_address: false,
            reuse_port: false,
            keep_alive: false,
            broadcast: false,
            no_delay: false,
            v6_only: false,
            send_buffer: BUFFER_DEFAULT,
            receive_buffer: BUFFER_DEFAULT,
            linger: None,
            receive_timeout: None,
            send_timeout: None,
            advice: Kept::default(),
            time_to_live: TIME_TO_LIVE,
        }
    }
}

/// Smallest send and receive buffers, and the largest of either before doubling.
const SEND_MIN: u32 = 4608;
const RECEIVE_MIN: u32 = 2304;
/// Of a socket that nobody asked for another.
const TIME_TO_LIVE: u32 = 64;

impl Settings {
    /// The value of an option that is stored here.
    pub(super) fn get(&self, name: OptionName, domain: Domain, kind: Kind) -> Result<OptionValue> {
        applies(name, domain, kind)?;
        Ok(match name {
            OptionName::ReuseAddress => OptionValue::Switch(self.reuse_address),
            OptionName::ReusePort => OptionValue::Switch(self.reuse_port),
            OptionName::KeepAlive => OptionValue::Switch(self.keep_alive),
            OptionName::Broadcast => OptionValue::Switch(self.broadcast),
            OptionName::NoDelay => OptionValue::Switch(self.no_delay),
            OptionName::V6Only => OptionValue::Switch(self.v6_only),
            OptionName::SendBuffer => OptionValue::Size(self.send_buffer),
            OptionName::ReceiveBuffer => OptionValue::Size(self.receive_buffer),
            OptionName::Linger => OptionValue::Linger(self.linger),
            OptionName::ReceiveTimeout => OptionValue::Timeout(self.receive_timeout),
            OptionName::SendTimeout => OptionValue::Timeout(self.send_timeout),
            OptionName::TimeToLive => OptionValue::Number(self.time_to_live),
            OptionName::Advice(advice) => OptionValue::Number(self.advice.get(advice, domain, kind)?),
            _ => return Err(Errno::ENOPROTOOPT.into()),
        })
    }

    /// Stores an option.
    pub(super) fn set(&mut self, name: OptionName, value: OptionValue, domain: Domain, kind: Kind) -> Result<()> {
        applies(name, domain, kind)?;
        match (name, value) {
            (OptionName::ReuseAddress, OptionValue::Switch(on)) => self.reuse_address = on,
            (OptionName::ReusePort, OptionValue::Switch(on)) => self.reuse_port = on,
            (OptionName::KeepAlive, OptionValue::Switch(on)) => self.keep_alive = on,
            (OptionName::Broadcast, OptionValue::Switch(on)) => self.broadcast = on,
            (OptionName::NoDelay, OptionValue::Switch(on)) => self.no_delay = on,
            (OptionName::V6Only, OptionValue::Switch(on)) => self.v6_only = on,
            (OptionName::SendBuffer, OptionValue::Size(size)) => self.send_buffer = doubled(size, SEND_MIN),
            (OptionName::ReceiveBuffer, OptionValue::Size(size)) => self.receive_buffer = doubled(size, RECEIVE_MIN),
            (OptionName::Linger, OptionValue::Linger(seconds)) => self.linger = seconds,
            (OptionName::ReceiveTimeout, OptionValue::Timeout(nanos)) => self.receive_timeout = nanos,
            (OptionName::SendTimeout, OptionValue::Timeout(nanos)) => self.send_timeout = nanos,
            (OptionName::TimeToLive, OptionValue::Number(hops @ 1..=255)) => self.time_to_live = hops,
            (OptionName::TimeToLive, OptionValue::Number(u32::MAX)) => self.time_to_live = TIME_TO_LIVE,
            (OptionName::Advice(advice), OptionValue::Number(value)) => self.advice.set(advice, value, domain, kind)?,
            (OptionName::Membership, _) => {
                return Err(Error::refused(
                    "EACCES: the network of a VM has no multicast groups to join",
                ));
            }
            (OptionName::Forbidden, _) => return Err(Errno::EPERM.into()),
            (name, _) if settable(name) => return Err(Errno::EINVAL.into()),
            _ => return Err(Errno::ENOPROTOOPT.into()),
        }
        Ok(())
    }
}

fn doubled(size: u32, least: u32) -> u32 {
    size.min(BUFFER_DEFAULT).saturating_mul(2).max(least)
}

fn applies(name: OptionName, domain: Domain, kind: Kind) -> Result<()> {
    let tcp = domain != Domain::Unix && kind == Kind::Stream;
    match name {
        // The numbers of these belong to protocols that other sockets do not speak.
        OptionName::NoDelay if !tcp => Err(Errno::EOPNOTSUPP.into()),
        OptionName::V6Only if domain == Domain::Inet => Err(Errno::ENOPROTOOPT.into()),
        OptionName::V6Only | OptionName::TimeToLive if domain == Domain::Unix => Err(Errno::EOPNOTSUPP.into()),
        _ => Ok(()),
    }
}

fn settable(name: OptionName) -> bool {
    !matches!(
        name,
        OptionName::Type
            | OptionName::Domain
            | OptionName::Protocol
            | OptionName::Error
            | OptionName::AcceptConnections
            | OptionName::PeerCredentials
    )
}
