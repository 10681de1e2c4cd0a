//! Traces for OpenTelemetry.
//!
//! If `OTEL_EXPORTER_OTLP_ENDPOINT` (or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) is set, the spans of this process are sent there,
//! as OTLP over HTTP or HTTPS; the other variables of OpenTelemetry's specification for exporters apply, too. The gateway's span of each
//! request continues the trace that the client's `traceparent` (W3C) names. Spans hold templates of routes, never targets, so
//! that no token reaches a collector.
//!
//! The exporter's thread has no runtime and the exporter's HTTP client needs one; [`OnRuntime`] brings the two together.

use crate::collector::{self, Collector};
use agentos_gateway::OnSpan;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, Tracer};
use std::sync::{Arc, OnceLock};
use tokio::runtime::Handle;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// What sends the spans of this process, once there is such a thing.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Where the environment names a collector, the more specific variable first.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Begins to send spans, to `endpoint` or to where the environment says. `None` if neither says anything, or outside of a
/// runtime.
pub(crate) fn start(endpoint: Option<&str>) -> Option<Tracer> {
    let given = collector::variable(ENDPOINTS);
    let (name, address) = match (endpoint, &given) {
        (Some(endpoint), _) => ("the collector", endpoint),
        (None, Some((name, address))) => (*name, address.as_str()),
        (None, None) => return None,
    };
    let handle = Handle::try_current().ok()?;
    let exporter = match exporter(name, address, endpoint) {
        Ok(exporter) => Arc::new(exporter),
        Err(error) => {
            // There is no log yet.
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("traces are not sent: {error}\n").as_bytes(),
            );
            return None;
        }
    };
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(OnRuntime { exporter, handle })
        .with_resource(Resource::builder().with_service_name("agentos").build())
        .build();
    let tracer = provider.tracer("agentos");
    PROVIDER.set(provider).ok().map(|()| tracer)
}

/// What sends to `address`, which `name` names; a `given` one is taken as it is, one of the environment as the specification says.
fn exporter(name: &str, address: &str, given: Option<&str>) -> Result<SpanExporter, String> {
    collector::check(name, address)?;
    let mut builder = SpanExporter::builder()
        .with_http()
        .with_http_client(Collector::from_environment()?);
    if let Some(given) = given {
        builder = builder.with_endpoint(given);
    }
    builder.build().map_err(|error| error.to_string())
}

/// Sends what has not been sent yet. Takes a few seconds if the collector does not answer.
pub async fn finish() {
    if let Some(provider) = PROVIDER.get() {
        // It waits for its thread, which waits for this runtime. A failure has been logged by it.
        let _ = tokio::task::spawn_blocking(|| provider.force_flush()).await;
    }
}

/// Lets the span of a request continue the trace that the client names.
pub(crate) fn continue_trace() -> OnSpan {
    let propagator = TraceContextPropagator::new();
    Arc::new(move |span, headers| {
        if PROVIDER.get().is_some() {
            // Fails for spans that the filter left out.
            let _ = span.set_parent(propagator.extract(&Headers(headers)));
        }
    })
}

struct Headers<'a>(&'a http::HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// An exporter whose work is done on a runtime, whoever asks for it.
#[derive(Debug)]
struct OnRuntime {
    exporter: Arc<SpanExporter>,
    handle: Handle,
}

impl opentelemetry_sdk::trace::SpanExporter for OnRuntime {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let exporter = self.exporter.clone();
        let sent = self.handle.spawn(async move { exporter.export(batch).await }).await;
        sent.unwrap_or_else(|error| Err(OTelSdkError::InternalFailure(error.to_string())))
    }
}
