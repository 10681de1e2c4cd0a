//! Previews: what the gateway's proxy asks, answered by the actors.

use agentos_actor::{PreviewGrant, Registry};
use agentos_gateway::preview::{Grant, GuestConnection, Previews, Refusal, Token, Waiting};
use agentos_value::{ActorError, ActorId};
use std::sync::Arc;

/// The preview tokens of a registry.
pub(crate) struct ActorPreviews(pub(crate) Registry);

/// A valid token in use.
struct Use {
    registry: Registry,
    grant: PreviewGrant,
}

impl Previews for ActorPreviews {
    fn authorize<'a>(
        &'a self,
        actor: Option<&'a str>,
        token: &'a Token,
    ) -> Waiting<'a, Result<Arc<dyn Grant>, Refusal>> {
        Box::pin(async move {
            let actor = actor.map(ActorId::new).transpose().map_err(|_| Refusal::Denied)?;
            let grant = self.0.preview_authorize(actor.as_ref(), token.secret()).await;
            let grant = grant.map_err(|error| match is_refusal(&error) {
                true => Refusal::Denied,
                false => Refusal::Unavailable,
            })?;
            let registry = self.0.clone();
            Ok(Arc::new(Use { registry, grant }) as Arc<dyn Grant>)
        })
    }
}

impl Grant for Use {
    fn actor(&self) -> &str {
        self.grant.actor_id().as_str()
    }

    fn port(&self) -> u16 {
        self.grant.port()
    }

    fn open(&self) -> Waiting<'_, Result<GuestConnection, Refusal>> {
        Box::pin(async move {
            match self.registry.open_port(&self.grant).await {
                Ok(stream) => Ok(Box::new(stream) as GuestConnection),
                Err(error) if is_refusal(&error) => Err(Refusal::Denied),
                Err(error) if error.group == "guard" => Err(Refusal::Unavailable),
                Err(_) => Err(Refusal::NoListener),
            }
        })
    }

    fn ended(&self) -> Waiting<'static, ()> {
        self.grant.ended()
    }
}

/// Whether the token is what is wrong. A destroyed actor has none.
fn is_refusal(error: &ActorError) -> bool {
    error.group == "auth" || error.is("actor", "not_found")
}
