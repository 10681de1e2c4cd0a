//! Making, listing and revoking tokens.

use std::fmt;
use std::time::Duration;

use agentos_store::tables::PreviewRow;
use agentos_value::{ActorError, Value};
use serde_json::json;

use super::token::{self, Hash};
use crate::lifecycle::Cell;
use crate::store::ActorStore;
use crate::{ActorContext, Failure};

/// A token that was just made. This is the only time that it is told.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewPreview {
    /// The token: 32 characters of `a-z0-9`. A secret.
    pub token: String,
    /// What is known of it later.
    pub preview: Preview,
}

impl fmt::Debug for NewPreview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewPreview")
            .field("preview", &self.preview)
            .finish_non_exhaustive()
    }
}

/// What is known of a token. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preview {
    /// Its public id: the first 8 hexadecimal digits of its hash.
    pub id: String,
    /// The port that it leads to.
    pub port: u16,
    /// When it was made.
    pub created_at_ms: i64,
    /// It is valid while this is later than now.
    pub expires_at_ms: i64,
}

impl From<&PreviewRow> for Preview {
    fn from(row: &PreviewRow) -> Self {
        Self {
            id: row.id(),
            port: row.port,
            created_at_ms: row.created_at,
            expires_at_ms: row.expires_at,
        }
    }
}

impl ActorContext {
    /// Makes a token for a port. Without a life it gets the default one.
    ///
    /// # Errors
    /// `agentos/invalid_argument` for port 0, `agentos/invalid_expiry` for a life out of range, `agentos/limit_exceeded`
    /// with too many valid tokens; storage that failed.
    pub async fn create_preview(&self, port: u16, expires_in_seconds: Option<i64>) -> Result<NewPreview, Failure> {
        let most = self.parts().0.registered.options.preview_max_active;
        self.create_preview_of(port, expires_in_seconds, most).await
    }

    /// As [`ActorContext::create_preview`], with a bound of its own for the tokens that are valid at one time.
    ///
    /// # Errors
    /// Those of [`ActorContext::create_preview`].
    pub async fn create_preview_of(
        &self,
        port: u16,
        expires_in_seconds: Option<i64>,
        most: usize,
    ) -> Result<NewPreview, Failure> {
        let (cell, store) = self.parts();
        let life = life(cell, expires_in_seconds)?;
        if port == 0 {
            return Err(ActorError::agentos("invalid_argument", "port must be between 1 and 65535").into());
        }
        let token = token::generate();
        let now = cell.shared.clock.now_ms();
        let expires_at = now.saturating_add(i64::try_from(life.as_millis()).unwrap_or(i64::MAX));
        let row = PreviewRow {
            token_hash: token::hash(&token),
            port,
            created_at: now,
            expires_at,
        };
        let preview = Preview::from(&row);
        let (hash, max) = (row.token_hash, most as u64);
        store.previews().add(row, max).await?;
        cell.shared
            .storage()?
            .index()
            .add_preview(hash, cell.identity.id.as_str(), expires_at)
            .await?;
        let fields = json!({ "port": port, "expiresAt": expires_at, "tokenHash": preview.id });
        cell.audit("security.preview.created", fields);
        Ok(NewPreview { token, preview })
    }

    /// Revokes a token: nothing that uses it works any more when this returns. Revoking what is not there succeeds.
    ///
    /// # Errors
    /// Storage that failed.
    pub async fn revoke_preview(&self, token: &str) -> Result<(), Failure> {
        let (cell, store) = self.parts();
        revoke(cell, store, token::hash(token)).await
    }

    /// As [`ActorContext::revoke_preview`], by the public id; all that have it, should there be more than one.
    ///
    /// # Errors
    /// Storage that failed.
    pub async fn revoke_preview_id(&self, id: &str) -> Result<(), Failure> {
        let (cell, store) = self.parts();
        for row in store
            .previews()
            .list(cell.shared.clock.now_ms())?
            .iter()
            .filter(|row| row.id() == id)
        {
            revoke(cell, store, row.token_hash).await?;
        }
        Ok(())
    }

    /// The valid tokens, oldest first. Tokens themselves are not known.
    ///
    /// # Errors
    /// Storage that failed.
    pub fn list_previews(&self) -> Result<Vec<Preview>, Failure> {
        let (cell, store) = self.parts();
        Ok(store
            .previews()
            .list(cell.shared.clock.now_ms())?
            .iter()
            .map(Preview::from)
            .collect())
    }
}

async fn revoke(cell: &Cell, store: &ActorStore, hash: Hash) -> Result<(), Failure> {
    // A token of another actor stays: this one's table is asked first.
    if store.previews().find(&hash, i64::MIN)?.is_none() {
        return Ok(());
    }
    cell.shared.storage()?.index().remove_preview(hash).await?;
    store.previews().remove(hash).await?;
    cell.shared.streams.end(&hash);
    cell.audit("security.preview.revoked", json!({ "tokenHash": token::id(&hash) }));
    Ok(())
}

fn life(cell: &Cell, expires_in_seconds: Option<i64>) -> Result<Duration, ActorError> {
    let options = &cell.registered.options;
    let max = options.preview_max_expires.as_secs();
    let Some(seconds) = expires_in_seconds else {
        return Ok(options.preview_default_expires);
    };
    match u64::try_from(seconds) {
        Ok(seconds) if (1..=max).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => {
            let max = i64::try_from(max).unwrap_or(i64::MAX);
            let text = format!("expiresInSeconds must be between 1 and {max}");
            Err(ActorError::agentos("invalid_expiry", text).with_metadata(Value::object([("max", max)])))
        }
    }
}
