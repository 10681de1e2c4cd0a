//! What a client says in `Sec-WebSocket-Protocol`.

use agentos_value::Value;

use crate::params::decode_subprotocol_params;
use crate::{Encoding, Hints, WireError};

/// The one subprotocol that a server answers with, if it is offered.
pub const SUBPROTOCOL: &str = "rivet";

/// The entries of an offer that mean something here; the first of each kind counts. Holds secrets: never to be logged.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subprotocols<'a> {
    /// Whether [`SUBPROTOCOL`] is offered, and so must be answered.
    pub rivet: bool,
    /// The name of the encoding.
    encoding: Option<&'a str>,
    /// Connection parameters, escaped.
    params: Option<&'a str>,
    /// The gateway token.
    pub token: Option<&'a str>,
    /// What is addressed.
    target: Option<&'a str>,
    /// The id of the actor that is addressed.
    actor: Option<&'a str>,
    /// Whether to deliver during start-up and shutdown.
    skip_ready_wait: bool,
}

impl<'a> Subprotocols<'a> {
    /// Reads an offer from all lines of the header.
    pub fn parse(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut offer = Self::default();
        for entry in lines.into_iter().flat_map(|line| line.split(',')).map(str::trim) {
            match entry {
                SUBPROTOCOL => offer.rivet = true,
                "rivet_skip_ready_wait" => offer.skip_ready_wait = true,
                _ => offer.read_pair(entry),
            }
        }
        offer
    }

    fn read_pair(&mut self, entry: &'a str) {
        let Some((name, value)) = entry.split_once('.') else {
            return;
        };
        let slot = match name {
            "rivet_encoding" => &mut self.encoding,
            "rivet_conn_params" => &mut self.params,
            "rivet_token" => &mut self.token,
            "rivet_target" => &mut self.target,
            "rivet_actor" => &mut self.actor,
            _ => return,
        };
        slot.get_or_insert(value);
    }

    /// The encoding, JSON when none is named; nothing for one that does not exist, which closes the socket.
    pub fn encoding(&self) -> Option<Encoding> {
        self.encoding.map_or(Some(Encoding::Json), Encoding::parse)
    }

    /// The connection parameters, null when there are none.
    ///
    /// # Errors
    /// [`WireError::Params`], which refuses the connection.
    pub fn params(&self) -> Result<Value, WireError> {
        decode_subprotocol_params(self.params)
    }

    /// What the offer says about the address.
    pub const fn hints(&self) -> Hints<'a> {
        Hints {
            target: self.target,
            actor: self.actor,
            skip_ready_wait: self.skip_ready_wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_of_clients() {
        let offer = Subprotocols::parse(["rivet, rivet_encoding.bare, rivet_conn_params.%7B%22t%22%3A1%7D"]);
        assert!(offer.rivet);
        assert_eq!(offer.encoding(), Some(Encoding::Bare));
        assert_eq!(offer.params(), Ok(Value::object([("t", 1)])));
        let offer = Subprotocols::parse([
            "rivet_target.actor,rivet_actor.id1 , rivet_skip_ready_wait",
            "rivet_token.a.b, rivet_token.c, rivet_conn.x, rivet_test_ack_hook.y, mine",
        ]);
        assert!(!offer.rivet);
        assert_eq!(offer.encoding(), Some(Encoding::Json));
        assert_eq!(offer.params(), Ok(Value::Null));
        assert_eq!(offer.token, Some("a.b"));
        assert_eq!(
            offer.hints(),
            Hints {
                target: Some("actor"),
                actor: Some("id1"),
                skip_ready_wait: true
            }
        );
    }

    #[test]
    fn odd_offers() {
        assert_eq!(
            Subprotocols::parse(["rivet_encoding.xml, rivet_encoding.bare"]).encoding(),
            None
        );
        assert_eq!(
            Subprotocols::parse(["rivet_conn_params.%7B, rivet_conn_params.1"]).params(),
            Err(WireError::Params)
        );
        assert!(!Subprotocols::parse(["", ",,", "Rivet", "rivet_encoding"]).rivet);
    }
}
