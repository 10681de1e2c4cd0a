//! What a client can ask: the handler of one client, over what all clients share.

use crate::additions::{Additions, Prompt, Resources, Tool as Added, Variables, follow};
use crate::client::Client;
use crate::complete;
use crate::computer::Computer;
use crate::failure::{Exceeded, Failure};
use crate::limits::Limits;
use crate::progress::Progress;
use crate::records::Level;
use crate::resources;
use crate::tools::{self, Call, HostTool, Table};
use crate::watch::{Watches, watch};
#[allow(deprecated, reason = "clients of versions before 2026-07-28 set a level")]
use rmcp::model::SetLevelRequestParams;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
    GetPromptRequestMethod, GetPromptRequestParams, GetPromptResponse, GetPromptResult, Implementation,
    ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, PromptsCapability, ReadResourceRequestParams, ReadResourceResponse,
    ResourceUpdatedNotificationParam, ServerCapabilities, ServerConfig, SubscribeRequestParams, SubscriptionFilter,
    Tool, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;

/// A VM as a server of the Model Context Protocol. Clones share the VM, its started processes and all bounds; each serves
/// one client.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
    watches: Arc<Watches>,
    level: Arc<Level>,
}

/// What the handlers of all clients share.
struct Shared {
    vm: Arc<dyn Computer>,
    limits: Limits,
    table: Table,
    resources: Resources,
    prompts: Vec<Prompt>,
    instructions: String,
    calls: Semaphore,
    /// Streams of clients that have no session.
    listens: Semaphore,
    editing: Arc<tokio::sync::Mutex<()>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("limits", &self.shared.limits)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Makes a server of a VM; asks the VM for the tools of its host.
    pub async fn new(vm: impl Computer, limits: Limits) -> Self {
        let host = HostTool::discover(&vm).await;
        Self::made(vm, limits, host, Additions::default())
    }

    /// Makes a server of a VM and of what the program around it adds.
    ///
    /// # Errors
    /// `invalid_argument` for additions that clients could not tell apart, or that are none.
    pub async fn with(vm: impl Computer, limits: Limits, additions: Additions) -> Result<Self, Failure> {
        let host = HostTool::discover(&vm).await;
        let own = Table::new(host.clone(), []);
        additions.check(own.names())?;
        Ok(Self::made(vm, limits, host, additions))
    }

    fn made(vm: impl Computer, limits: Limits, host: Vec<HostTool>, additions: Additions) -> Self {
        let instructions = instructions(&vm, &host);
        let shared = Shared {
            limits,
            table: Table::new(host, additions.tools.into_iter().map(Added::entry)),
            resources: Resources::new(additions.resources),
            prompts: additions.prompts,
            instructions,
            calls: Semaphore::new(limits.max_concurrent_calls),
            listens: Semaphore::new(limits.max_sessions),
            editing: Arc::default(),
            vm: Arc::new(vm),
        };
        Self {
            shared: Arc::new(shared),
            watches: Arc::default(),
            level: Arc::default(),
        }
    }

    /// A handler for another client.
    #[must_use]
    pub fn client(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            watches: Arc::default(),
            level: Arc::default(),
        }
    }

    /// Tells clients that watch it that a resource of the program has changed.
    pub fn resource_changed(&self, uri: &str) {
        self.shared.resources.changed(uri);
    }

    /// The bounds in force.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Runs a tool, unless too many run or the client does not want it any more.
    async fn run(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let entry = self
            .shared
            .table
            .find(&request.name)
            .map_err(|text| ErrorData::invalid_params(text, None))?;
        let Ok(_slot) = self.shared.calls.try_acquire() else {
            let cap = self.shared.limits.max_concurrent_calls as u64;
            let limit = Exceeded::new("mcp.maxConcurrentCalls", cap.saturating_add(1), cap, "calls");
            return Ok(tools::failed(&limit.into()));
        };
        let client = Client::new(&context, &self.level);
        // What tells its progress itself has numbers of its own.
        let token = client.token().filter(|_| !entry.reports);
        let (progress, _reporter) = Progress::begin(context.peer.clone(), token);
        let call = Call {
            vm: Arc::clone(&self.shared.vm),
            limits: self.shared.limits,
            progress,
            client,
            editing: Arc::clone(&self.shared.editing),
        };
        let work = entry.call(call, request.arguments.unwrap_or_default());
        tokio::select! {
            result = work => Ok(result.unwrap_or_else(|failure| tools::failed(&failure))),
            // What was running is dropped, which kills it. Nobody reads this.
            () = context.ct.cancelled() => Ok(tools::failed(&Failure::new("cancelled", "the client cancelled the call"))),
        }
    }
}

/// What a model is told about the server.
fn instructions(vm: &dyn Computer, host: &[HostTool]) -> String {
    let cwd = vm.cwd();
    let mut text = format!(
        "These tools work in a virtual machine of its own, not on the machine of the client: its files, processes and \
         network are the VM's, under the VM's permission policy and limits. Commands start in {cwd}, and relative paths \
         begin there. Use exec for commands that end, process_start for what goes on; read_file, edit_file and write_file \
         for files, which are also resources named file:///PATH. A refusal names the rule or the limit that is its reason; \
         trying again does not change it."
    );
    if !host.is_empty() {
        text.push_str(" Tools with two underscores in their names are functions of the VM's host.");
    }
    text
}

#[allow(
    deprecated,
    reason = "clients of versions before 2026-07-28 subscribe by these methods"
)]
impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let mut capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_logging()
            .enable_tools()
            .enable_resources()
            .enable_resources_subscribe()
            .build();
        if !self.shared.prompts.is_empty() {
            capabilities.prompts = Some(PromptsCapability::default());
        }
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("agentos", env!("CARGO_PKG_VERSION")).with_title("agentOS VM"))
            .with_instructions(self.shared.instructions.clone())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.shared.table.find(name).ok().map(|entry| entry.tool.clone())
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.shared.table.tools()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let (peer, tool, start) = (context.peer.clone(), request.name.clone(), Instant::now());
        self.level.begins(&peer, &tool).await;
        let result = self.run(request, context).await?;
        self.level.ended(&peer, &tool, start, &result).await;
        Ok(result.into())
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.level.set(request.level);
        Ok(())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let Shared {
            vm, resources, prompts, ..
        } = &*self.shared;
        complete::complete((&**vm, resources, prompts), &request.r#ref, &request.argument).await
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        if self.shared.prompts.is_empty() {
            return Err(ErrorData::method_not_found::<ListPromptsRequestMethod>());
        }
        let listed = self.shared.prompts.iter().map(Prompt::listed).collect();
        Ok(ListPromptsResult::with_all_items(listed))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if self.shared.prompts.is_empty() {
            return Err(ErrorData::method_not_found::<GetPromptRequestMethod>());
        }
        let prompt = complete::prompt(&self.shared.prompts, &request.name)?;
        let texts = request
            .arguments
            .into_iter()
            .flatten()
            .map(|(name, value)| match value {
                Value::String(text) => (name, text),
                other => (name, other.to_string()),
            });
        let messages = prompt.messages(texts.collect::<Variables>()).await;
        let messages = messages.map_err(|failure| resources::refused(&failure))?;
        let result = GetPromptResult::new(messages).with_description(&prompt.description);
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        resources::list(&*self.shared.vm, &self.shared.resources, cursor.as_deref()).await
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(resources::templates(&self.shared.resources))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let Shared {
            vm, resources, limits, ..
        } = &*self.shared;
        let read = resources::read(&**vm, resources, limits, &request.uri).await;
        read.map(ReadResourceResponse::from)
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let (peer, uri) = (context.peer, request.uri.clone());
        let changed = move || {
            let (peer, param) = (peer.clone(), ResourceUpdatedNotificationParam::new(uri.clone()));
            async move { peer.notify_resource_updated(param).await.is_ok() }
        };
        let cap = self.shared.limits.max_subscriptions;
        let added = match self.shared.resources.has(&request.uri) {
            true => {
                let watching = follow(self.shared.resources.changes(), request.uri.clone(), changed);
                self.watches.add(request.uri, cap, watching)
            }
            false => {
                let path = resources::parsed(&request.uri)?;
                let before = resources::look(&*self.shared.vm, &request.uri, &path).await?;
                let watching = watch(Arc::clone(&self.shared.vm), path, Some(before), changed);
                self.watches.add(request.uri, cap, watching)
            }
        };
        added.map_err(|failure| resources::refused(&failure))
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.watches.remove(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let uris = requested.resource_subscriptions.iter().flatten();
        let known = uris
            .filter(|uri| self.shared.resources.has(uri) || resources::parsed(uri).is_ok())
            .take(self.shared.limits.max_subscriptions);
        Some(
            SubscriptionFilter::builder()
                .resource_subscriptions(known.cloned())
                .build(),
        )
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let cap = self.shared.limits.max_sessions as u64;
        let _slot = self.shared.listens.try_acquire().map_err(|_| {
            resources::refused(
                &Exceeded::new("mcp.maxSessions", cap.saturating_add(1), cap, "subscriptions/listen").into(),
            )
        })?;
        let uris = context.accepted().resource_subscriptions.clone().unwrap_or_default();
        let mut watches = tokio::task::JoinSet::new();
        for uri in uris {
            let (sink, named) = (context.sink().clone(), uri.clone());
            let changed = move || {
                let (sink, uri) = (sink.clone(), named.clone());
                async move { sink.notify_resource_updated(uri).await.is_ok() }
            };
            if self.shared.resources.has(&uri) {
                watches.spawn(follow(self.shared.resources.changes(), uri, changed));
                continue;
            }
            let path = resources::parsed(&uri)?;
            let before = self.shared.vm.stat(path.clone(), true).await.ok();
            watches.spawn(watch(Arc::clone(&self.shared.vm), path, before, changed));
        }
        context.cancelled().await;
        Ok(())
    }
}
