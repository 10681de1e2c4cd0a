//! The loop that accepts connections.
//!
//! It never ends because of what a client or the operating system does: running out of descriptors is a reason to wait,
//! not to give up, and an error of one connection belongs to that connection. Connections beyond the limit are not refused;
//! they wait in the kernel's queue until one ends.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agentos_rounds::Rounds;
use tokio::net::{TcpListener, TcpStream};
use tracing::warn;

use super::Shared;
use super::peer::{Peer, Slot};
use super::phase::Phase;

/// The first pause after the operating system had nothing left to give; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Accepts until the server drains. The listener is closed when this returns, unless somebody else holds it too.
pub(crate) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let phase = shared.phase.watch();
    tokio::select! {
        () = phase.reached(Phase::Draining) => {}
        () = accept_for_ever(&listener, &shared) => {}
    }
}

async fn accept_for_ever(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let Ok(permit) = Arc::clone(&shared.connections).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, address)) => {
                pause = FIRST_PAUSE;
                let most = shared.limits().max_connections_per_peer;
                match shared.population.enter(address.ip(), most, permit) {
                    Some(slot) => admit(stream, address, slot, shared),
                    None => refuse(&stream),
                }
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                warn!(%error, "cannot accept connections at the moment");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

fn admit(stream: TcpStream, address: SocketAddr, slot: Slot, shared: &Arc<Shared>) {
    // Replies are small and written whole; waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let peer = Peer::new(
        address,
        shared.tls.is_some(),
        shared.phase.watch(),
        shared.tasks.clone(),
        slot,
    );
    shared
        .tasks
        .spawn(Rounds::new(super::connection::serve(stream, peer, Arc::clone(shared))));
}

/// Says why, as far as the socket's buffer takes it at once, and closes.
fn refuse(stream: &TcpStream) {
    const ANSWER: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\n\
        retry-after: 5\r\ncontent-length: 98\r\n\r\n\
        {\"group\":\"guard\",\"code\":\"service_unavailable\",\"message\":\"Too many connections from this address.\"}";
    let _ = stream.try_write(ANSWER);
}

/// Whether an error of `accept` speaks of the connection that was to be accepted.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
    )
}
