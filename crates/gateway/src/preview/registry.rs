//! The previews of a registry's actors.

use super::address::Token;
use super::source::{Grant, GuestConnection, Previews, Refusal, Waiting};
use agentos_actor::{PreviewBounds, PreviewGrant, Registry};
use agentos_value::{ActorError, ActorId};
use std::sync::Arc;

/// Looks tokens up in a registry.
#[derive(Clone, Debug)]
pub struct RegistryPreviews(Registry);

impl RegistryPreviews {
    /// Those of the actors of `registry`.
    pub fn new(registry: Registry) -> Self {
        Self(registry)
    }
}

struct Held {
    registry: Registry,
    grant: PreviewGrant,
}

impl Previews for RegistryPreviews {
    fn authorize<'a>(
        &'a self,
        actor: Option<&'a str>,
        token: &'a Token,
    ) -> Waiting<'a, Result<Arc<dyn Grant>, Refusal>> {
        Box::pin(async move {
            let actor = actor.map(ActorId::new).transpose().map_err(|_| Refusal::Denied)?;
            let grant = self.0.preview_authorize(actor.as_ref(), token.secret()).await;
            let registry = self.0.clone();
            match grant {
                Ok(grant) => Ok(Arc::new(Held { registry, grant }) as Arc<dyn Grant>),
                Err(error) => Err(refusal(&error)),
            }
        })
    }
}

impl Grant for Held {
    fn actor(&self) -> &str {
        self.grant.actor_id().as_str()
    }

    fn port(&self) -> u16 {
        self.grant.port()
    }

    fn bounds(&self) -> PreviewBounds {
        self.grant.bounds()
    }

    fn open(&self) -> Waiting<'_, Result<GuestConnection, Refusal>> {
        Box::pin(async move {
            match self.registry.open_port(&self.grant).await {
                Ok(stream) => Ok(Box::new(stream) as GuestConnection),
                Err(error) => Err(refusal(&error)),
            }
        })
    }

    fn ended(&self) -> Waiting<'static, ()> {
        self.grant.ended()
    }
}

fn refusal(error: &ActorError) -> Refusal {
    match (&*error.group, &*error.code) {
        ("auth", _) | ("actor", "not_found") => Refusal::Denied,
        ("agentos", "no_listener" | "vm_boot_failed") => Refusal::NoListener,
        _ => Refusal::Unavailable,
    }
}
