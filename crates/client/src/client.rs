//! The client: where the server is, and what all its handles share.

use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::http::Http;
use crate::query::Name;
use crate::tls;
use crate::vm::Vm;
use agentos_wire::Encoding;
use rustls::ClientConfig;
use std::sync::Arc;

/// A client of one server. Cheap to clone; clones share kept-alive connections.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

/// What clones share.
pub(crate) struct Inner {
    pub(crate) endpoint: Endpoint,
    pub(crate) http: Http,
    pub(crate) tls: Arc<ClientConfig>,
}

impl core::fmt::Debug for Inner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.endpoint.fmt(f)
    }
}

/// Settings of a client.
#[derive(Clone)]
pub struct Builder {
    url: String,
    token: Option<String>,
    encoding: Encoding,
    roots: Vec<Vec<u8>>,
}

impl Client {
    /// A client of the server at `url`, for instance `http://127.0.0.1:6420`. A namespace and a token may stand in it as
    /// user and password. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is not such a URL.
    pub fn new(url: impl Into<String>) -> Result<Self> {
        Self::builder(url).build()
    }

    /// A client with settings.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder {
            url: url.into(),
            token: None,
            encoding: Encoding::Bare,
            roots: Vec::new(),
        }
    }

    /// Actors of the definition `name`.
    pub fn actor(&self, name: impl Into<String>) -> Name<Handle> {
        Name::new(self.clone(), name.into())
    }

    /// VMs of the definition `name`.
    pub fn vm(&self, name: impl Into<String>) -> Name<Vm> {
        Name::new(self.clone(), name.into())
    }

    /// Whether the server answers: its `/health`.
    ///
    /// # Errors
    /// [`Error::Unreachable`], or what the server says instead.
    pub async fn health(&self) -> Result<serde_json::Value> {
        self.inner
            .http
            .control(&self.inner.endpoint, http::Method::GET, "/health", None)
            .await
    }
}

impl Builder {
    /// The gateway's token.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// The encoding of actions and events; [`Encoding::Bare`] unless told otherwise.
    #[must_use]
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Trusts the certificates of this PEM text besides the web's.
    #[must_use]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Makes the client.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the setting that cannot be used.
    pub fn build(self) -> Result<Client> {
        let mut endpoint = Endpoint::parse(&self.url)?;
        if let Some(token) = self.token {
            endpoint.token = Some(token);
        }
        if endpoint
            .token
            .as_ref()
            .is_some_and(|token| token.bytes().any(|byte| !byte.is_ascii_graphic()))
        {
            return Err(Error::Invalid {
                field: "token",
                given: "(not shown)".to_owned(),
                expected: "visible ASCII characters",
            });
        }
        endpoint.encoding = self.encoding;
        let tls = Arc::new(tls::configuration(&self.roots)?);
        Ok(Client {
            inner: Arc::new(Inner {
                endpoint,
                http: Http::new(Arc::clone(&tls)),
                tls,
            }),
        })
    }
}
