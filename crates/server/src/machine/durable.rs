//! durable
use agentos_value::ActorError;
#[derive(Debug, Default)]
pub(crate) struct Durable;
impl Durable { pub(crate) async fn settled(&self) -> Result<(), ActorError> { Ok(()) } }
