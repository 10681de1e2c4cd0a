//! The cells of a registry, by id and by name and key.

use std::collections::HashMap;
use std::sync::Arc;

use agentos_value::ActorId;
use parking_lot::Mutex;

use super::Identity;
use crate::lifecycle::{Cell, CellRef};

/// The cells.
#[derive(Default)]
pub(crate) struct Cells(Mutex<Maps>);

#[derive(Default)]
struct Maps {
    by_id: HashMap<ActorId, Arc<Cell>>,
    /// Only of actors that are not being destroyed.
    by_key: HashMap<(String, String), ActorId>,
}

fn place(identity: &Identity) -> (String, String) {
    (identity.name.clone(), identity.key.serialized())
}

impl Cells {
    pub(crate) fn get(&self, id: &ActorId) -> Option<CellRef> {
        let cell = self.0.lock().by_id.get(id).cloned();
        cell.map(CellRef::new)
    }

    pub(crate) fn by_key(&self, name: &str, key: &str) -> Option<CellRef> {
        let cell = {
            let maps = self.0.lock();
            let id = maps.by_key.get(&(name.to_owned(), key.to_owned()))?;
            maps.by_id.get(id).cloned()
        };
        cell.map(CellRef::new)
    }

    /// Adds a cell, unless there is one by now; the one that is there is returned.
    pub(crate) fn insert(&self, cell: Cell) -> CellRef {
        let cell = {
            let mut maps = self.0.lock();
            let id = cell.identity.id.clone();
            if let Some(there) = maps.by_id.get(&id) {
                Arc::clone(there)
            } else {
                let cell = Arc::new(cell);
                maps.by_key.insert(place(&cell.identity), id.clone());
                maps.by_id.insert(id, Arc::clone(&cell));
                cell
            }
        };
        CellRef::new(cell)
    }

    /// The key of an actor is free for another one.
    pub(crate) fn free_key(&self, identity: &Identity) {
        let mut maps = self.0.lock();
        let place = place(identity);
        if maps.by_key.get(&place) == Some(&identity.id) {
            maps.by_key.remove(&place);
        }
    }

    pub(crate) fn all(&self) -> Vec<CellRef> {
        let cells: Vec<_> = self.0.lock().by_id.values().cloned().collect();
        cells.into_iter().map(CellRef::new).collect()
    }

    /// Forgets a cell that nobody holds and that holds nothing.
    pub(crate) fn release(&self, id: &ActorId) {
        let mut maps = self.0.lock();
        if maps
            .by_id
            .get(id)
            .is_some_and(|cell| Arc::strong_count(cell) == 1 && cell.is_forgettable())
        {
            let cell = maps.by_id.remove(id);
            if let Some(cell) = &cell {
                let place = place(&cell.identity);
                if maps.by_key.get(&place) == Some(id) {
                    maps.by_key.remove(&place);
                }
            }
            drop(maps);
            drop(cell);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().by_id.len()
    }

    /// Takes all cells out.
    pub(crate) fn take(&self) -> Vec<Arc<Cell>> {
        let maps = std::mem::take(&mut *self.0.lock());
        maps.by_id.into_values().collect()
    }
}
