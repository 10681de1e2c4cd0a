//! Writing messages.
//!
//! A [`Format`] says how one answer is written: in the client's encoding, in the version of its latest message, in its
//! dialect. Values are borrowed, so that one result or event can be written for many clients.

mod tree;

use agentos_value::cbor::{self, Style};
use agentos_value::{ActorError, Value, ValueError};
use bytes::Bytes;

use crate::bare::{put_data, put_str, put_uint, put_written};
use crate::message::{action_tag, client_tag};
use crate::{ActorSpecifier, Dialect, Encoding, QueueSendRequest, QueueStatus, ToClient, ToServer, Version, WireError};
use tree::Tree;

/// How messages to one client are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Format {
    /// The encoding of the request or the connection.
    pub encoding: Encoding,
    /// The version of the client's latest message.
    pub version: Version,
    /// What the client makes of compat tags.
    pub dialect: Dialect,
}

/// What is written for a message, or why a value in it cannot be.
type Written = Result<Bytes, WireError>;

impl Format {
    /// How messages to one client are written.
    pub const fn new(encoding: Encoding, version: Version, dialect: Dialect) -> Self {
        Self {
            encoding,
            version,
            dialect,
        }
    }

    /// The body that answers an action.
    ///
    /// # Errors
    /// [`WireError::Value`] for a value that is nested too deep or holds an integer beyond 2^53.
    pub fn action_response(self, output: &Value) -> Written {
        if self.encoding == Encoding::Bare {
            let mut out = self.bare_for(std::slice::from_ref(output));
            put_written(&mut out, |out| self.value(output, out))?;
            return Ok(out.into());
        }
        let mut tree = Tree::new(self);
        tree.open(1);
        tree.output("output", output)?;
        tree.close();
        Ok(tree.finish())
    }

    /// The body of an error. Metadata that cannot be written is left out.
    pub fn http_error(self, error: &ActorError, actor: Option<&ActorSpecifier>) -> Bytes {
        if self.encoding == Encoding::Bare {
            let mut out = self.bare();
            self.bare_error(error, &mut out);
            self.bare_specifier(actor, &mut out);
            return out.into();
        }
        let mut tree = Tree::new(self);
        let metadata = self.metadata(error);
        tree.open(3 + usize::from(metadata.is_some()) + usize::from(actor.is_some()));
        tree.error(error, metadata.as_deref());
        if let Some(actor) = actor {
            tree.specifier(actor, false);
        }
        tree.close();
        tree.finish()
    }

    /// The body that answers a queue send.
    ///
    /// # Errors
    /// As [`Format::action_response`].
    pub fn queue_response(self, status: QueueStatus, response: Option<&Value>) -> Written {
        if self.encoding == Encoding::Bare {
            let mut out = self.bare();
            put_str(status.name(), &mut out);
            out.push(u8::from(response.is_some()));
            if let Some(response) = response {
                put_written(&mut out, |out| self.value(response, out))?;
            }
            return Ok(out.into());
        }
        let mut tree = Tree::new(self);
        tree.open(1 + usize::from(response.is_some()));
        tree.text("status", status.name());
        if let Some(response) = response {
            tree.output("response", response)?;
        }
        tree.close();
        Ok(tree.finish())
    }

    /// The frame that opens a connection. Send it as [`Version::UNREADABLE`], which all clients accept.
    pub fn init(self, actor_id: &str, connection_id: &str) -> Bytes {
        if self.encoding == Encoding::Bare {
            let mut out = self.bare();
            out.push(client_tag::INIT);
            put_str(actor_id, &mut out);
            put_str(connection_id, &mut out);
            if self.version == Version::ALL[0] {
                put_str("", &mut out); // the token of the first version, which nothing reads
            }
            return out.into();
        }
        let mut tree = Tree::new(self);
        tree.open_frame("Init", 2);
        tree.text("actorId", actor_id);
        tree.text("connectionId", connection_id);
        tree.close_frame();
        tree.finish()
    }

    /// The frame that reports the failure of an action or, without an id, of the connection. Metadata that cannot be
    /// written is left out.
    pub fn error(self, error: &ActorError, actor: Option<&ActorSpecifier>, action_id: Option<u64>) -> Bytes {
        if self.encoding == Encoding::Bare {
            let mut out = self.bare();
            out.push(client_tag::ERROR);
            self.bare_error(error, &mut out);
            out.push(u8::from(action_id.is_some()));
            if let Some(id) = action_id {
                put_uint(id, &mut out);
            }
            self.bare_specifier(actor, &mut out);
            return out.into();
        }
        let mut tree = Tree::new(self);
        let metadata = self.metadata(error);
        tree.open_frame(
            "Error",
            4 + usize::from(metadata.is_some()) + usize::from(actor.is_some()),
        );
        tree.error(error, metadata.as_deref());
        tree.optional_id("actionId", action_id);
        if let Some(actor) = actor {
            tree.specifier(actor, true);
        }
        tree.close_frame();
        tree.finish()
    }

    /// The frame with the result of an action.
    ///
    /// # Errors
    /// As [`Format::action_response`].
    pub fn response(self, id: u64, output: &Value) -> Written {
        if self.encoding == Encoding::Bare {
            let mut out = self.bare_for(std::slice::from_ref(output));
            out.push(client_tag::RESPONSE);
            put_uint(id, &mut out);
            put_written(&mut out, |out| self.value(output, out))?;
            return Ok(out.into());
        }
        let mut tree = Tree::new(self);
        tree.open_frame("ActionResponse", 2);
        tree.id("id", id);
        tree.output("output", output)?;
        tree.close_frame();
        Ok(tree.finish())
    }

    /// The frame of an event.
    ///
    /// # Errors
    /// As [`Format::action_response`].
    pub fn event(self, name: &str, args: &[Value]) -> Written {
        if self.encoding == Encoding::Bare {
            let mut out = self.bare_for(args);
            out.push(client_tag::EVENT);
            put_str(name, &mut out);
            put_written(&mut out, |out| self.values(args, out))?;
            return Ok(out.into());
        }
        let mut tree = Tree::new(self);
        tree.open_frame("Event", 2);
        tree.text("name", name);
        tree.values("args", args)?;
        tree.close_frame();
        Ok(tree.finish())
    }

    /// Any frame to a client.
    ///
    /// # Errors
    /// As [`Format::action_response`].
    pub fn to_client(self, message: &ToClient) -> Written {
        match message {
            ToClient::Init {
                actor_id,
                connection_id,
            } => Ok(self.init(actor_id, connection_id)),
            ToClient::Error { body, action_id } => Ok(self.error(&body.error, body.actor.as_ref(), *action_id)),
            ToClient::Response { id, output } => self.response(*id, output),
            ToClient::Event { name, args } => self.event(name, args),
        }
    }

    /// The body of an action's request, as a client writes it.
    ///
    /// # Errors
    /// As [`Format::action_response`].
    pub fn action_request(self, args: &[Value]) -> Written {
        if self.encoding == Encoding::Bare {
            let mut out = self.bare_for(args);
            put_written(&mut out, |out| self.values(args, out))?;
            return Ok(out.into());
        }
        let mut tree = Tree::new(self);
        tree.open(1);
        tree.values("args", args)?;
        tree.close();
        Ok(tree.finish())
    }

    /// The body of a queue send, as a client writes it.
    ///
    /// # Errors
    /// As [`Format::action_response`].
    pub fn queue_request(self, request: &QueueSendRequest) -> Written {
        let name = request.name.as_deref();
        if self.encoding == Encoding::Bare {
            let mut out = self.bare();
            put_written(&mut out, |out| self.value(&request.body, out))?;
            out.push(u8::from(name.is_some()));
            name.into_iter().for_each(|name| put_str(name, &mut out));
            out.extend_from_slice(&[1, u8::from(request.wait), u8::from(request.timeout_ms.is_some())]);
            request
                .timeout_ms
                .into_iter()
                .for_each(|timeout| out.extend_from_slice(&timeout.to_le_bytes()));
            return Ok(out.into());
        }
        let timeout = request.timeout_ms.map(Value::int).transpose()?;
        let mut tree = Tree::new(self);
        tree.open(2 + usize::from(name.is_some()) + usize::from(timeout.is_some()));
        tree.value("body", &request.body)?;
        name.into_iter().for_each(|name| tree.text("name", name));
        tree.value("wait", &Value::Bool(request.wait))?;
        timeout.iter().try_for_each(|timeout| tree.value("timeout", timeout))?;
        tree.close();
        Ok(tree.finish())
    }

    /// A frame to a server, as a client writes it.
    ///
    /// # Errors
    /// As [`Format::action_response`].
    pub fn to_server(self, message: &ToServer) -> Written {
        match message {
            ToServer::Action { id, name, args } => self.action_frame(*id, name, args),
            ToServer::Subscription { event, subscribe } => self.subscription_frame(event, *subscribe),
        }
    }

    fn action_frame(self, id: u64, name: &str, args: &[Value]) -> Written {
        if self.encoding == Encoding::Bare {
            let mut out = self.bare_for(args);
            out.push(action_tag::ACTION);
            put_uint(id, &mut out);
            put_str(name, &mut out);
            put_written(&mut out, |out| self.values(args, out))?;
            return Ok(out.into());
        }
        let mut tree = Tree::new(self);
        tree.open_frame("ActionRequest", 3);
        tree.id("id", id);
        tree.text("name", name);
        tree.values("args", args)?;
        tree.close_frame();
        Ok(tree.finish())
    }

    fn subscription_frame(self, event: &str, subscribe: bool) -> Written {
        if self.encoding == Encoding::Bare {
            let mut out = self.bare();
            out.push(action_tag::SUBSCRIPTION);
            put_str(event, &mut out);
            out.push(u8::from(subscribe));
            return Ok(out.into());
        }
        let mut tree = Tree::new(self);
        tree.open_frame("SubscriptionRequest", 2);
        tree.text("eventName", event);
        tree.value("subscribe", &Value::Bool(subscribe))?;
        tree.close_frame();
        Ok(tree.finish())
    }

    /// The beginning of a BARE message.
    fn bare(self) -> Vec<u8> {
        self.bare_for(&[])
    }

    /// The beginning of a BARE message that will hold these values.
    fn bare_for(self, values: &[Value]) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + values.iter().map(Value::content_len).sum::<usize>());
        out.extend_from_slice(&self.version.number().to_le_bytes());
        out
    }

    /// How CBOR values are written: by the version in BARE, by the dialect in maps.
    fn style(self) -> Style {
        match (self.encoding, self.dialect) {
            (Encoding::Bare, _) if self.version < Version::NEWEST => Style::Native,
            (Encoding::Bare, _) | (_, Dialect::Rust) => Style::Compat,
            (_, Dialect::Modern) => Style::Escaped,
            (_, Dialect::Plain) => Style::Native,
        }
    }

    fn value(self, value: &Value, out: &mut Vec<u8>) -> Result<(), ValueError> {
        cbor::encode_into(value, self.style(), out)
    }

    fn values(self, values: &[Value], out: &mut Vec<u8>) -> Result<(), ValueError> {
        cbor::encode_array(values, self.style(), out)
    }

    /// An error's metadata, written; nothing when there is none or when it cannot be.
    fn metadata(self, error: &ActorError) -> Option<Vec<u8>> {
        let metadata = error
            .metadata
            .as_ref()
            .filter(|metadata| **metadata != Value::Undefined)?;
        let mut out = Vec::new();
        let written = match self.encoding {
            Encoding::Json => crate::json::write(metadata, self.dialect == Dialect::Modern, &mut out),
            Encoding::Bare | Encoding::Cbor => self.value(metadata, &mut out),
        };
        written.is_ok().then_some(out)
    }

    fn bare_error(self, error: &ActorError, out: &mut Vec<u8>) {
        put_str(&error.group, out);
        put_str(&error.code, out);
        put_str(&error.message, out);
        let metadata = self.metadata(error);
        out.push(u8::from(metadata.is_some()));
        metadata.into_iter().for_each(|metadata| put_data(&metadata, out));
    }

    /// The optional actor at the end of an error, since version 4.
    fn bare_specifier(self, actor: Option<&ActorSpecifier>, out: &mut Vec<u8>) {
        if self.version < Version::NEWEST {
            return;
        }
        out.push(u8::from(actor.is_some()));
        let Some(actor) = actor else { return };
        put_str(&actor.actor_id, out);
        put_uint(actor.generation, out);
        out.push(u8::from(actor.key.is_some()));
        actor.key.iter().for_each(|key| put_str(key, out));
    }
}
