//! What answers and messages consist of.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rmcp::model::{ContentBlock, ResourceContents};

/// A part of an answer or of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Text.
    Text(String),
    /// A picture.
    Image {
        /// The file.
        data: Bytes,
        /// Its type, for example `image/png`.
        mime: String,
    },
    /// A sound.
    Audio {
        /// The file.
        data: Bytes,
        /// Its type, for example `audio/wav`.
        mime: String,
    },
    /// A resource with its content.
    Resource(Document),
}

/// A resource with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "made by every program that adds one")]
pub struct Document {
    /// Its address.
    pub uri: String,
    /// Its type, if it is known.
    pub mime: Option<String>,
    /// What is in it.
    pub body: Body,
}

/// The content of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the protocol has these two")]
pub enum Body {
    /// Text.
    Text(String),
    /// Anything else.
    Bytes(Bytes),
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Document> for Content {
    fn from(document: Document) -> Self {
        Self::Resource(document)
    }
}

impl From<Document> for ResourceContents {
    fn from(document: Document) -> Self {
        let contents = match document.body {
            Body::Text(text) => Self::text(text, document.uri),
            Body::Bytes(bytes) => Self::blob(STANDARD.encode(bytes), document.uri),
        };
        match document.mime {
            Some(mime) => contents.with_mime_type(mime),
            None => contents,
        }
    }
}

impl From<Content> for ContentBlock {
    fn from(content: Content) -> Self {
        match content {
            Content::Text(text) => Self::text(text),
            Content::Image { data, mime } => Self::image(STANDARD.encode(data), mime),
            Content::Audio { data, mime } => Self::audio(STANDARD.encode(data), mime),
            Content::Resource(document) => Self::resource(document.into()),
        }
    }
}
