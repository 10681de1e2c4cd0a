//! A client of a server over a pipe in memory.
#![allow(dead_code, deprecated)]

use agentos::{AgentOs, Builder};
use agentos_mcp::{Limits, LocalVm, Server, stdio};
use rmcp::model::{
    CallToolRequestParams, CallToolResult, JsonObject, LoggingMessageNotificationParam, ProgressNotificationParam,
    ResourceUpdatedNotificationParam,
};
use rmcp::service::{NotificationContext, RunningService, ServiceError};
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::Value;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

/// What a server tells without being asked.
#[derive(Debug)]
pub(crate) enum Told {
    Progress(ProgressNotificationParam),
    Updated(String),
    Logged(Value),
}

/// The client's end.
#[derive(Debug, Clone)]
pub(crate) struct Listener(mpsc::UnboundedSender<Told>);

impl Listener {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Told>) {
        let (heard, told) = mpsc::unbounded_channel();
        (Self(heard), told)
    }
}

#[allow(deprecated, reason = "later versions of the protocol leave logging to others")]
impl ClientHandler for Listener {
    async fn on_logging_message(&self, params: LoggingMessageNotificationParam, _: NotificationContext<RoleClient>) {
        let _ = self.0.send(Told::Logged(params.data));
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        let _ = self.0.send(Told::Progress(params));
    }

    async fn on_resource_updated(&self, params: ResourceUpdatedNotificationParam, _: NotificationContext<RoleClient>) {
        let _ = self.0.send(Told::Updated(params.uri));
    }
}

/// A VM, its server, and a client.
pub(crate) struct World {
    pub(crate) vm: AgentOs,
    pub(crate) server: Server,
    pub(crate) client: RunningService<RoleClient, Listener>,
    pub(crate) told: mpsc::UnboundedReceiver<Told>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::of(AgentOs::builder(), Limits::default()).await
    }

    pub(crate) async fn of(builder: Builder, limits: Limits) -> Self {
        let vm = builder.create().await.expect("a VM");
        let server = Server::new(LocalVm::new(vm.clone(), "/home/user").limits(limits), limits).await;
        let (listener, told) = Listener::new();
        let client = listener.serve(pipe(&server)).await.expect("a session");
        Self {
            vm,
            server,
            client,
            told,
        }
    }

    /// Calls a tool.
    pub(crate) async fn try_call(&self, name: &'static str, arguments: Value) -> Result<CallToolResult, ServiceError> {
        self.client.call_tool(params(name, arguments)).await
    }

    /// Calls a tool and gives its result, whatever it says.
    pub(crate) async fn call(&self, name: &'static str, arguments: Value) -> CallToolResult {
        self.try_call(name, arguments).await.expect("a result")
    }

    /// Calls a tool that succeeds and gives the fields of its result.
    pub(crate) async fn fields(&self, name: &'static str, arguments: Value) -> Value {
        let result = self.call(name, arguments).await;
        assert_ne!(result.is_error, Some(true), "{}", text(&result));
        result.structured_content.expect("fields")
    }

    /// Calls a tool that fails and gives what it says, and the fields of the failure.
    pub(crate) async fn refused(&self, name: &'static str, arguments: Value) -> (String, Value) {
        let result = self.call(name, arguments).await;
        assert_eq!(result.is_error, Some(true), "{}", text(&result));
        let fields = result
            .meta
            .as_ref()
            .and_then(|meta| meta.get(agentos_mcp::FAILURE_META).cloned());
        (text(&result), fields.expect("fields"))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "callers make it at the place")]
pub(crate) fn params(name: &'static str, arguments: Value) -> CallToolRequestParams {
    let arguments: JsonObject = arguments.as_object().expect("an object").clone();
    CallToolRequestParams::new(name).with_arguments(arguments)
}

/// The texts of a result.
pub(crate) fn text(result: &CallToolResult) -> String {
    let texts = result.content.iter().filter_map(|block| block.as_text());
    texts.map(|block| block.text.as_str()).collect::<Vec<_>>().join("\n")
}

/// The client's end of a pipe to a server.
pub(crate) fn pipe(server: &Server) -> DuplexStream {
    let (near, far) = tokio::io::duplex(64 << 10);
    let server = server.clone();
    tokio::spawn(async move {
        let (input, output) = tokio::io::split(far);
        stdio::serve(&server, input, output).await
    });
    near
}
