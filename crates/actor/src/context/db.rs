//! The user's database, for hooks and actors.

use std::sync::Arc;

use agentos_store::{Rows, SqlValue};
use agentos_value::{ActorError, ActorId, Object, Value};

use super::ActorContext;
use crate::error::not_found;
use crate::lifecycle::CellRef;
use crate::registry::Shared;
use crate::{Conn, Failure};

/// A SQLite database of one actor (`db`), for the application: a file of its own, which outlives sleep and goes with the
/// actor. There is one if the actor's definition says so ([`crate::ActorDefinition::user_database`]).
///
/// Statements run one at a time, in the order of the calls, on a thread that may block. They reach no other file, and their
/// time, their results and the size of the file are bounded (`limits.sqlite`).
///
/// A transaction belongs into one call (`BEGIN; ...; COMMIT`): calls of other hooks may come between two of one's own. One
/// that is left open ends with its time, or when the actor sleeps; it is then taken back.
#[derive(Clone)]
pub struct Db(Source);

#[derive(Clone)]
enum Source {
    /// One generation, or one action that is answered from storage.
    Context(ActorContext),
    /// A hook, which runs whether or not the store is open.
    Hook {
        shared: Arc<Shared>,
        id: ActorId,
        depth: u32,
        conn: Option<Conn>,
    },
}

impl Db {
    pub(crate) const fn of_context(context: ActorContext) -> Self {
        Self(Source::Context(context))
    }

    pub(crate) const fn of_hook(shared: Arc<Shared>, id: ActorId, depth: u32, conn: Option<Conn>) -> Self {
        Self(Source::Hook {
            shared,
            id,
            depth,
            conn,
        })
    }

    /// Runs the statements in `sql` and returns the rows of the last one as objects. `args` are the values of `?`; only a
    /// single statement takes values: `null`, booleans (as 0 and 1), numbers, `BigInt`s of 64 bits, strings and bytes.
    /// Integers beyond 2^53 come back as `BigInt`s.
    ///
    /// What the call changed is durable when it returns. Dropping the future interrupts the statement.
    ///
    /// # Errors
    /// `agentos/limit_exceeded` with the field of `limits.sqlite`; `agentos/invalid_argument` for a value that SQLite does not
    /// have; `agentos/unsupported` if actors of this kind have no database; `agentos/no_storage` in a hook that runs before
    /// the first connection of an actor was accepted by `on_before_connect`; a statement that fails as
    /// [`Failure::Internal`], with SQLite's text in it, which clients do not see.
    pub async fn execute(&self, sql: impl Into<String> + Send, args: Vec<Value>) -> Result<Vec<Object>, Failure> {
        let sql = sql.into();
        let args = args.into_iter().enumerate().map(|(at, value)| argument(at, value));
        let args = args.collect::<Result<Vec<_>, _>>()?;
        let context = self.context().await?;
        let (cell, store) = context.parts();
        let definition = &cell.registered.definition;
        let Some(limits) = definition.user_database(context.clone()).await? else {
            let text = format!(
                "actors named \"{}\" have no database: the definition says so",
                context.name()
            );
            return Err(ActorError::agentos("unsupported", text).into());
        };
        let slot = Arc::clone(store.user());
        match slot.execute(limits, (sql, args), context.clone()).await {
            Ok((rows, bytes)) => {
                definition.user_database_used(&context, limits, Ok(bytes));
                Ok(objects(rows))
            }
            Err(failure) => {
                if let Failure::Public(error) = &failure
                    && error.code == "limit_exceeded"
                {
                    definition.user_database_used(&context, limits, Err(error));
                }
                Err(failure)
            }
        }
    }

    /// A context with an open store.
    async fn context(&self) -> Result<ActorContext, Failure> {
        let (shared, id, depth, conn) = match &self.0 {
            Source::Context(context) => return Ok(context.clone()),
            Source::Hook {
                shared,
                id,
                depth,
                conn,
            } => (shared, id, *depth, conn),
        };
        let cell: CellRef = match conn {
            Some(conn) => conn.cell().clone(),
            None => shared.cell(id)?,
        };
        if !cell.is_accepted() {
            if conn.is_none() {
                let text = "no connection was accepted yet, so there is no storage; use the database in onConnect";
                return Err(ActorError::agentos("no_storage", text).into());
            }
            // The hooks that decide have let it in.
            cell.accept().await?;
        }
        if cell.is_ending() {
            return Err(not_found().into());
        }
        let lease = cell.store.open(&cell).await?;
        Ok(ActorContext::stored(&cell, lease, depth))
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = match &self.0 {
            Source::Context(context) => context.actor_id(),
            Source::Hook { id, .. } => id,
        };
        f.debug_struct("Db").field("actor", id).finish()
    }
}

fn argument(at: usize, value: Value) -> Result<SqlValue, ActorError> {
    Ok(match value {
        Value::Undefined | Value::Null => SqlValue::Null,
        Value::Bool(flag) => SqlValue::Int(flag.into()),
        Value::Int(number) => SqlValue::Int(number),
        Value::Float(number) => SqlValue::Real(number),
        Value::BigInt(number) => match i64::try_from(&number) {
            Ok(number) => SqlValue::Int(number),
            Err(_) => return Err(refused(at, "a BigInt of more than 64 bits")),
        },
        Value::Text(text) => SqlValue::Text(text),
        Value::Bytes(bytes) | Value::ArrayBuffer(bytes) => SqlValue::Blob(bytes.into()),
        other => return Err(refused(at, other.kind())),
    })
}

fn refused(at: usize, received: &str) -> ActorError {
    let expected = "null, a boolean, a number, a BigInt of 64 bits, a string or bytes";
    let path = format!("args[{at}]");
    let text = format!("invalid argument {path}: expected {expected}, got {received}");
    ActorError::agentos("invalid_argument", text).with_metadata(Value::object([
        ("path", path.as_str()),
        ("expected", expected),
        ("received", received),
    ]))
}

fn objects(rows: Rows) -> Vec<Object> {
    let Rows { columns, rows, .. } = rows;
    let object = |values: Vec<SqlValue>| -> Object {
        let members = columns.iter().cloned().zip(values.into_iter().map(result));
        members.collect()
    };
    rows.into_iter().map(object).collect()
}

fn result(value: SqlValue) -> Value {
    match value {
        SqlValue::Int(number) => Value::from(number),
        SqlValue::Real(number) => Value::number(number),
        SqlValue::Text(text) => Value::Text(text),
        SqlValue::Blob(bytes) => Value::Bytes(bytes.into()),
        _ => Value::Null,
    }
}
