//! The connections of one actor.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use agentos_value::ActorError;
use parking_lot::Mutex;

use super::CloseReason;
use super::conn::Conn;
use crate::error::service_unavailable;
use crate::registry::Shared;
use crate::{Event, clock};

/// How long the actions of a connection get to answer before it is closed because its actor was destroyed.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Open connections by id, and places for those that open or still have actions in flight.
#[derive(Default)]
pub(crate) struct Connections {
    open: Mutex<HashMap<Arc<str>, Conn>>,
    places: Arc<Mutex<usize>>,
}

/// A place among the connections that one actor may have.
#[derive(Debug)]
pub(crate) struct Place(Arc<Mutex<usize>>);

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
    }
}

impl Connections {
    /// Takes a place for a connection that is about to open.
    ///
    /// # Errors
    /// `guard/service_unavailable` when all places are taken.
    pub(crate) fn take_place(&self, max: usize) -> Result<Place, ActorError> {
        let mut places = self.places.lock();
        if *places >= max {
            return Err(service_unavailable("The actor has too many connections."));
        }
        *places += 1;
        Ok(Place(Arc::clone(&self.places)))
    }

    pub(crate) fn insert(&self, conn: Conn) {
        self.open.lock().insert(Arc::clone(conn.shared_id()), conn);
    }

    pub(crate) fn get(&self, id: &str) -> Option<Conn> {
        self.open.lock().get(id).cloned()
    }

    pub(crate) fn remove(&self, id: &str) -> Option<Conn> {
        self.open.lock().remove(id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self.places.lock() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.open.lock().len()
    }

    pub(crate) fn all(&self) -> Vec<Conn> {
        self.open.lock().values().cloned().collect()
    }

    pub(crate) fn any_subscribed(&self, event: &str) -> bool {
        self.open.lock().values().any(|conn| conn.is_subscribed(event))
    }

    /// Queues an event for every connection that subscribed to it; returns how many events slow connections lost for it.
    pub(crate) fn broadcast(&self, event: &Arc<Event>) -> u64 {
        // The lock makes the order of events the same for all connections.
        self.open.lock().values().map(|conn| conn.offer(event)).sum()
    }

    /// Closes all connections, and lets what they asked be answered first.
    pub(crate) async fn close_all(&self, reason: &CloseReason, shared: &Shared) {
        let all = self.all();
        let answered = async {
            for conn in &all {
                conn.answered().await;
            }
        };
        // Whoever takes longer is cut off.
        let _ = clock::timeout(&*shared.clock, LAST_ANSWERS, answered).await;
        for conn in &all {
            conn.finish(reason.clone());
        }
    }
}
