//! One opening of one actor's store.

use std::path::Path;
use std::sync::Arc;

use agentos_store::tables::{ActorRecord, ActorTable, KvTable, MetaTable, PreviewTable};
use agentos_store::{Database, Error, HostIndex};
use agentos_value::Value;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::state::{State, decode, encode};
use super::storage::Opening;
use super::user::UserSlot;
use crate::queue::Hub;
use crate::registry::Identity;
use crate::schedule::Schedules;
use crate::workflow::Running;
use crate::{DueTimes, Failure};

/// The name under which the runtime notes that the actor has been booted.
const BOOTED: &str = "booted";

/// The open store of one actor.
#[derive(Debug)]
pub(crate) struct ActorStore {
    database: Database,
    generation: u64,
    directory: Option<std::path::PathBuf>,
    state: State,
    due: DueTimes,
    schedules: Schedules,
    queues: Arc<Hub>,
    workflows: Running,
    user: Arc<UserSlot>,
    opening: Mutex<Option<Opening>>,
}

impl ActorStore {
    /// Reads what has to be in memory. Blocks.
    pub(crate) fn new(opening: Opening, index: &HostIndex, alarm: Arc<Notify>, actor_id: &str) -> Result<Self, Error> {
        let database = opening.database.clone();
        let due = DueTimes::of_registry(index.clone(), alarm, actor_id, &database);
        let schedules = Schedules::new(&database, due.clone());
        let queues = Hub::new(&database);
        let state = State::open(&database)?;
        let user = Arc::new(UserSlot::new(opening.user.clone()));
        let (generation, directory) = (opening.generation, opening.directory.clone());
        Ok(Self {
            database,
            generation,
            directory,
            state,
            due,
            schedules,
            queues,
            workflows: Running::default(),
            user,
            opening: Mutex::new(Some(opening)),
        })
    }

    pub(crate) const fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    pub(crate) const fn state(&self) -> &State {
        &self.state
    }

    /// When the actor must be awake next.
    pub(crate) const fn due(&self) -> &DueTimes {
        &self.due
    }

    /// Actions that the actor has set for later.
    pub(crate) const fn schedules(&self) -> &Schedules {
        &self.schedules
    }

    /// The actor's queues.
    pub(crate) const fn queues(&self) -> &Arc<Hub> {
        &self.queues
    }

    /// The workflows that run.
    pub(crate) const fn workflows(&self) -> &Running {
        &self.workflows
    }

    /// The user's database.
    pub(crate) const fn user(&self) -> &Arc<UserSlot> {
        &self.user
    }

    pub(crate) fn kv(&self) -> KvTable {
        KvTable::new(&self.database)
    }

    pub(crate) fn previews(&self) -> PreviewTable {
        PreviewTable::new(&self.database)
    }

    /// Writes who the actor is, unless that has been done.
    pub(crate) async fn create(&self, identity: &Identity, input: Option<Vec<u8>>) -> Result<(), Failure> {
        let record = ActorRecord {
            actor_id: identity.id.to_string(),
            name: identity.name.clone(),
            key: identity.key.serialized(),
            created_at: identity.created_at_ms,
            input,
        };
        ActorTable::new(&self.database).create(record).await?;
        Ok(())
    }

    /// What the creator sent along.
    pub(crate) fn input(&self) -> Result<Value, Failure> {
        match ActorTable::new(&self.database)
            .record()?
            .and_then(|record| record.input)
        {
            Some(bytes) => Ok(decode(&bytes)?),
            None => Ok(Value::Null),
        }
    }

    pub(crate) fn is_booted(&self) -> Result<bool, Failure> {
        Ok(MetaTable::new(&self.database).get(BOOTED)?.is_some())
    }

    pub(crate) async fn note_booted(&self) -> Result<(), Failure> {
        Ok(MetaTable::new(&self.database).set(BOOTED, Some(vec![1])).await?)
    }

    /// Commits what waits, closes the files and lets go of the lock. Blocks. From here on nothing can be written.
    pub(crate) fn close(&self) -> Result<(), Error> {
        self.state.close();
        let user = self.user.close();
        let opening = self.opening.lock().take();
        opening.map_or(Ok(()), Opening::close).and(user)
    }
}

/// The form in which the input of a creation is kept.
pub(crate) fn encode_input(input: &Value) -> Result<Option<Vec<u8>>, Failure> {
    if input.is_nullish() {
        return Ok(None);
    }
    Ok(Some(encode(input)?))
}
