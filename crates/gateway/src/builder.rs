//! Options of a gateway, and the rules for starting one.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use agentos_actor::Registry;
use tracing::warn;

use crate::auth::token::GatewayToken;
use crate::cors::Origins;
use crate::error::GatewayError;
use crate::extension::Extension;
use crate::limits::Limits;
use crate::router::{Router, Rules};
use crate::server::tls::Tls;
use crate::server::{Running, Shared};

/// A gateway that is configured and not yet served.
#[derive(Debug)]
pub struct Gateway(Builder);

/// Options of a gateway.
pub struct Builder {
    registry: Registry,
    token: Option<String>,
    origins: Vec<String>,
    tls: Option<(PathBuf, PathBuf)>,
    limits: Limits,
    base_path: String,
    preview_host: Option<String>,
    namespace: String,
    allow_ambiguous_keys: bool,
    allow_insecure_bind: bool,
    extensions: Vec<Arc<dyn Extension>>,
    watch: crate::observe::Watch,
}

impl Gateway {
    /// Begins a gateway to the actors of a registry.
    pub fn builder(registry: Registry) -> Builder {
        Builder {
            registry,
            token: None,
            origins: Vec::new(),
            tls: None,
            limits: Limits::default(),
            base_path: String::new(),
            preview_host: None,
            namespace: "default".to_owned(),
            allow_ambiguous_keys: false,
            allow_insecure_bind: false,
            extensions: Vec::new(),
            watch: crate::observe::Watch::default(),
        }
    }

    /// Serves a listening socket on the current runtime.
    ///
    /// # Errors
    /// The address is open to others while nothing asks who they are ([`GatewayError::InsecureBind`]), the certificate or
    /// an option is not usable, or the operating system refuses.
    pub fn serve(self, listener: TcpListener) -> Result<Running, GatewayError> {
        let options = self.0;
        let address = listener
            .local_addr()
            .map_err(GatewayError::socket("cannot serve the listening socket"))?;
        let loopback = address.ip().to_canonical().is_loopback();
        let token = options.token.as_deref().map(GatewayToken::new).transpose()?;
        if !loopback && token.is_none() {
            check_open_definitions(&options, address)?;
        }
        let preview_host = options
            .preview_host
            .or_else(|| loopback.then(|| format!("localhost:{}", address.port())));
        let origins = Origins::new(options.origins, loopback, preview_host.clone())?;
        let tls = options
            .tls
            .map(|(certificate, key)| Tls::open(&certificate, &key))
            .transpose()?;
        let rules = Rules {
            check_host: loopback && token.is_none(),
            token,
            origins,
            preview_host,
            base_path: options.base_path,
            namespace: options.namespace,
            allow_ambiguous_keys: options.allow_ambiguous_keys,
        };
        let router = Router::new(
            options.registry,
            rules,
            options.limits,
            options.extensions,
            options.watch,
        );
        Running::start(Arc::new(Shared::new(router, tls)), listener)
    }
}

impl Builder {
    /// The token that every request must present.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Origins of pages that may use the gateway, such as `https://app.example.com`. Pages of loopback are admitted in any
    /// case while the server is bound to loopback.
    #[must_use]
    pub fn origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Serves TLS with a chain of certificates and a key, both PEM files that are read again when they change.
    #[must_use]
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls = Some((certificate.into(), key.into()));
        self
    }

    /// The bounds.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// A path in front of all routes, `/agents` for example.
    #[must_use]
    pub fn base_path(mut self, path: impl Into<String>) -> Self {
        self.base_path = path.into();
        self
    }

    /// The host below which every preview has an origin of its own. On loopback it is `localhost` with the server's port
    /// unless given.
    #[must_use]
    pub fn preview_host(mut self, host: impl Into<String>) -> Self {
        self.preview_host = Some(host.into());
        self
    }

    /// The only namespace that clients may name, `default` unless given.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = name.into();
        self
    }

    /// Admits keys with empty parts and with commas in the control API. Clients of version 2.3 cannot tell such keys from
    /// others.
    #[must_use]
    pub fn allow_ambiguous_keys(mut self, allow: bool) -> Self {
        self.allow_ambiguous_keys = allow;
        self
    }

    /// Serves every address, whoever may reach it.
    #[must_use]
    pub fn allow_insecure_bind(mut self, allow: bool) -> Self {
        self.allow_insecure_bind = allow;
        self
    }

    /// Routes beside the client protocol. The first extension that claims a request has it.
    #[must_use]
    pub fn extension(mut self, extension: Arc<dyn Extension>) -> Self {
        self.extensions.push(extension);
        self
    }

    /// Counts requests here, too, for the metrics.
    #[must_use]
    pub fn traffic(mut self, traffic: Arc<crate::Traffic>) -> Self {
        self.watch.traffic = traffic;
        self
    }

    /// Called with the span of each request before anything happens in it, to continue the caller's trace.
    #[must_use]
    pub fn on_span(mut self, on_span: crate::OnSpan) -> Self {
        self.watch.on_span = Some(on_span);
        self
    }

    /// Checks the options that do not depend on the address.
    ///
    /// # Errors
    /// An option is not usable.
    pub fn build(mut self) -> Result<Gateway, GatewayError> {
        if let Some(token) = &self.token {
            GatewayToken::new(token)?;
        }
        while self.base_path.ends_with('/') {
            self.base_path.pop();
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        let fits = self.base_path.is_empty() || (self.base_path.starts_with('/') && !self.base_path.contains("//"));
        if !fits || !self.base_path.bytes().all(plain) {
            return Err(GatewayError::config(
                "base_path",
                "must begin with / and hold letters, digits and /-._~ only",
            ));
        }
        Ok(Gateway(self))
    }
}

/// Refuses an address that others can reach while a definition admits everyone.
fn check_open_definitions(options: &Builder, address: SocketAddr) -> Result<(), GatewayError> {
    let definitions = options.registry.definitions();
    let Some(open) = definitions.into_iter().find(|definition| !definition.authenticates) else {
        return Ok(());
    };
    if !options.allow_insecure_bind {
        return Err(GatewayError::InsecureBind {
            address,
            definition: open.name,
        });
    }
    warn!(target: "audit", event = "security.config.insecure_bind", %address, "whoever reaches this address can use the server");
    Ok(())
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Builder")
            .field("token", &self.token.as_ref().map(|_| "(set)"))
            .field("origins", &self.origins)
            .field("tls", &self.tls)
            .field("base_path", &self.base_path)
            .field("preview_host", &self.preview_host)
            .field("extensions", &self.extensions.len())
            .finish_non_exhaustive()
    }
}
