//! What an actor keeps, as far as this process has it open.
//!
//! ```text
//! Storage     the data directory of the host, or memory
//! UserSlot    in each opening: the user's database, once somebody uses it
//! StoreSlot   in each cell: opens the actor's store when somebody needs it, closes it when nobody does
//! ActorStore  one opening: database, state, generation
//! ```
//!
//! Each opening takes the actor's lock and a generation greater than all before it, and every time the actor falls asleep
//! its opening is closed. Work that a generation left behind holds a closed database, and writes nowhere.

mod errors;
mod opened;
mod slot;
mod state;
mod storage;
mod user;

pub use errors::is_of_storage;
pub(crate) use opened::{ActorStore, encode_input};
pub(crate) use slot::{StoreLease, StoreSlot};
pub(crate) use state::{decode as decode_value, encode as encode_value};
pub(crate) use storage::Storage;
