//! The messages that are trees, in JSON or CBOR: one way to write both.

use agentos_value::cbor::{self, Style};
use agentos_value::{ActorError, Value};
use bytes::Bytes;

use super::Format;
use crate::{ActorSpecifier, Dialect, Encoding, WireError, json};

/// A message being written. The caller says how many members an object has, since CBOR wants to know first.
pub(super) struct Tree {
    out: Vec<u8>,
    style: Style,
    /// JSON, and whether its reader knows all compat tags; else CBOR.
    json: Option<bool>,
    /// Whether the next member is the first of its object.
    first: bool,
}

impl Tree {
    pub(super) fn new(format: Format) -> Self {
        let json = (format.encoding == Encoding::Json).then_some(format.dialect == Dialect::Modern);
        Self {
            out: Vec::with_capacity(128),
            style: format.style(),
            json,
            first: true,
        }
    }

    pub(super) fn finish(self) -> Bytes {
        self.out.into()
    }

    pub(super) fn open(&mut self, members: usize) {
        match self.json {
            Some(_) => self.out.push(b'{'),
            None => cbor::map_head(members, &mut self.out),
        }
        self.first = true;
    }

    pub(super) fn close(&mut self) {
        if self.json.is_some() {
            self.out.push(b'}');
        }
        self.first = false;
    }

    /// The envelope of a WebSocket frame, up to the members of the message.
    pub(super) fn open_frame(&mut self, tag: &str, members: usize) {
        self.open(1);
        self.name("body");
        self.open(2);
        self.text("tag", tag);
        self.name("val");
        self.open(members);
    }

    pub(super) fn close_frame(&mut self) {
        (0..3).for_each(|_| self.close());
    }

    fn name(&mut self, name: &str) {
        match self.json {
            Some(_) => {
                if !self.first {
                    self.out.push(b',');
                }
                json::string(name, &mut self.out);
                self.out.push(b':');
            }
            None => cbor::text(name, &mut self.out),
        }
        self.first = false;
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        match self.json {
            Some(_) => json::string(text, &mut self.out),
            None => cbor::text(text, &mut self.out),
        }
    }

    /// A 64-bit id, which JavaScript must see as a BigInt.
    pub(super) fn id(&mut self, name: &str, id: u64) {
        self.name(name);
        match self.json {
            Some(_) => self.out.extend_from_slice(format!("[\"$BigInt\",\"{id}\"]").as_bytes()),
            None => cbor::big_integer(id, &mut self.out),
        }
    }

    /// An id, or the null that must stand in its place.
    pub(super) fn optional_id(&mut self, name: &str, id: Option<u64>) {
        match id {
            Some(id) => self.id(name, id),
            None => self.plain(name, &Value::Null),
        }
    }

    pub(super) fn value(&mut self, name: &str, value: &Value) -> Result<(), WireError> {
        self.name(name);
        match self.json {
            Some(modern) => json::write(value, modern, &mut self.out)?,
            None => cbor::encode_into(value, self.style, &mut self.out)?,
        }
        Ok(())
    }

    /// A result: undefined is null in JSON, where a missing member is an error to some clients and a tag to others.
    pub(super) fn output(&mut self, name: &str, value: &Value) -> Result<(), WireError> {
        match value {
            Value::Undefined if self.json.is_some() => self.value(name, &Value::Null),
            value => self.value(name, value),
        }
    }

    pub(super) fn values(&mut self, name: &str, values: &[Value]) -> Result<(), WireError> {
        self.name(name);
        match self.json {
            Some(modern) => json::write_array(values, modern, &mut self.out)?,
            None => cbor::encode_array(values, self.style, &mut self.out)?,
        }
        Ok(())
    }

    /// A small integer or null, which cannot fail.
    fn plain(&mut self, name: &str, value: &Value) {
        let _ = self.value(name, value);
    }

    /// The members that all errors have. `metadata` is written already.
    pub(super) fn error(&mut self, error: &ActorError, metadata: Option<&[u8]>) {
        self.text("group", &error.group);
        self.text("code", &error.code);
        self.text("message", &error.message);
        if let Some(metadata) = metadata {
            self.name("metadata");
            self.out.extend_from_slice(metadata);
        }
    }

    /// The actor of an error. Its generation is a BigInt in CBOR frames and a number elsewhere, as clients' schemas have it.
    pub(super) fn specifier(&mut self, actor: &ActorSpecifier, frame: bool) {
        self.name("actor");
        self.open(2 + usize::from(actor.key.is_some()));
        self.text("actorId", &actor.actor_id);
        if frame && self.json.is_none() {
            self.id("generation", actor.generation);
        } else {
            // Generations count starts on other hosts; they stay far below 2^53.
            self.plain("generation", &Value::int(actor.generation).unwrap_or(Value::Null));
        }
        actor.key.iter().for_each(|key| self.text("key", key));
        self.close();
    }
}
