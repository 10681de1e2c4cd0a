//! The resolver's sockets, opened by the VM's [`Dialer`] like every other.

use crate::dialer::{Dialer, Purpose};
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use hickory_resolver::net::runtime::iocompat::AsyncIoTokioAsStd;
use hickory_resolver::net::runtime::{DnsUdpSocket, RuntimeProvider, TokioHandle, TokioTime};
use std::io;
use std::sync::Arc;
use tokio::io::ReadBuf;
use tokio::net::{TcpStream, UdpSocket};

/// Gives the resolver its sockets.
#[derive(Clone)]
pub(super) struct Sockets {
    dialer: Arc<dyn Dialer>,
    handle: TokioHandle,
}

impl Sockets {
    pub(super) fn new(dialer: Arc<dyn Dialer>) -> Self {
        Self {
            dialer,
            handle: TokioHandle::default(),
        }
    }
}

/// How long a server may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(5);

type Opening<T> = Pin<Box<dyn Send + Future<Output = io::Result<T>>>>;

impl RuntimeProvider for Sockets {
    type Handle = TokioHandle;
    type Timer = TokioTime;
    type Udp = Connected;
    type Tcp = AsyncIoTokioAsStd<TcpStream>;

    fn create_handle(&self) -> Self::Handle {
        self.handle.clone()
    }

    fn connect_tcp(&self, server: SocketAddr, _: Option<SocketAddr>, patience: Option<Duration>) -> Opening<Self::Tcp> {
        let dialer = Arc::clone(&self.dialer);
        Box::pin(async move {
            let stream = TcpStream::from_std(dialer.stream(server, Purpose::Resolver)?)?;
            let patience = patience.unwrap_or(PATIENCE).min(PATIENCE);
            tokio::time::timeout(patience, stream.writable()).await??;
            if let Some(error) = stream.take_error()? {
                return Err(error);
            }
            stream.set_nodelay(true)?;
            Ok(AsyncIoTokioAsStd(stream))
        })
    }

    fn bind_udp(&self, _: SocketAddr, server: SocketAddr) -> Opening<Self::Udp> {
        let opened = self.dialer.datagrams(server, Purpose::Resolver);
        Box::pin(async move {
            Ok(Connected {
                socket: UdpSocket::from_std(opened?)?,
                server,
            })
        })
    }
}

/// A datagram socket that hears one server only. The host chose its port, at random, when it was connected.
pub(super) struct Connected {
    socket: UdpSocket,
    server: SocketAddr,
}

impl DnsUdpSocket for Connected {
    type Time = TokioTime;

    fn poll_recv_from(&self, context: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buf = ReadBuf::new(buf);
        ready!(self.socket.poll_recv(context, &mut buf))?;
        Poll::Ready(Ok((buf.filled().len(), self.server)))
    }

    fn poll_send_to(&self, context: &mut Context<'_>, buf: &[u8], target: SocketAddr) -> Poll<io::Result<usize>> {
        if target != self.server {
            return Poll::Ready(Err(io::ErrorKind::AddrNotAvailable.into()));
        }
        self.socket.poll_send(context, buf)
    }
}
