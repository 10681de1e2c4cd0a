//! `/metrics`: what the registry, the gateway and the preview proxy have counted, in the text format of Prometheus.
//!
//! Nothing is counted here and no label comes from a client or a guest, so that the number of series is bounded by what the
//! programs of this server name: routes, outcomes, and limits by the constants under which they are configured.

use crate::observe::{Route, Traffic};
use crate::preview::{Outcome, PreviewProxy};
use agentos_actor::{Histogram, MetricsSnapshot, Registry};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Writes the metrics.
pub(super) struct Metrics {
    encoder: prometheus_client::registry::Registry,
    source: Arc<Source>,
}

struct Source {
    registry: Registry,
    previews: PreviewProxy,
    traffic: Arc<Traffic>,
    executions: OnceLock<Count>,
}

/// Says how many run and how many wait.
type Count = Box<dyn Fn() -> (u64, u64) + Send + Sync>;

impl Metrics {
    pub(super) fn new(registry: Registry, previews: PreviewProxy, traffic: Arc<Traffic>) -> Self {
        let source = Arc::new(Source {
            registry,
            previews,
            traffic,
            executions: OnceLock::new(),
        });
        let mut encoder = prometheus_client::registry::Registry::with_prefix("agentos");
        encoder.register_collector(Box::new(source.clone()));
        Self { encoder, source }
    }

    /// Who knows what is executed; the first call counts.
    pub(super) fn executions(&self, count: impl Fn() -> (u64, u64) + Send + Sync + 'static) {
        let _ = self.source.executions.set(Box::new(count));
    }

    pub(super) fn encode(&self) -> Option<String> {
        let mut written = String::with_capacity(16 << 10);
        text::encode(&mut written, &self.encoder).ok()?;
        Some(written)
    }

    pub(super) fn snapshot(&self) -> MetricsSnapshot {
        self.source.registry.metrics()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

impl Collector for Source {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now = self.registry.metrics();
        actors(&mut encoder, &now)?;
        actions(&mut encoder, &now)?;
        let limits = &now.limits_exceeded;
        let help = "Operations of guests and clients that a limit refused, and processes that it ended";
        counters(&mut encoder, "limit_exceeded", help, "limit", limits)?;
        if let Some(count) = self.executions.get() {
            let (running, waiting) = count();
            let states = [("running", running), ("waiting", waiting)];
            let help = "Commands that have a place, and such that wait for one";
            gauges(&mut encoder, "executions", help, "state", &states)?;
        }
        requests(&mut encoder, &self.traffic)?;
        previews(&mut encoder, &self.previews)
    }
}

fn actors(encoder: &mut DescriptorEncoder<'_>, now: &MetricsSnapshot) -> fmt::Result {
    let asleep = now.actors.saturating_sub(now.awake);
    let states = [("awake", now.awake), ("asleep", asleep)];
    gauges(encoder, "actors", "Actors by state", "state", &states)?;
    gauge(
        encoder,
        "actors_held",
        "Actors that take memory: awake, connected or in use",
        now.held,
    )?;
    gauge(
        encoder,
        "connections_open",
        "Connections of clients to actors that are open",
        now.open_connections,
    )?;
    counter(
        encoder,
        "connections",
        "Connections that were accepted, HTTP requests included",
        now.connections,
    )?;
    let boots = [("ok", now.boots), ("failed", now.boot_failures)];
    counters(
        encoder,
        "boots",
        "Boots, that is first starts and wakes, by outcome",
        "outcome",
        &boots,
    )?;
    counter(encoder, "sleeps", "Actors put to sleep", now.sleeps)?;
    counter(encoder, "destroyed", "Actors destroyed", now.destroyed)?;
    histogram(encoder, "boot_seconds", "Time that boots took", &now.boot_time)
}

fn actions(encoder: &mut DescriptorEncoder<'_>, now: &MetricsSnapshot) -> fmt::Result {
    let well = now.actions.saturating_sub(now.action_failures);
    let outcomes = [("ok", well), ("error", now.action_failures)];
    counters(
        encoder,
        "actions",
        "Actions that ended, by outcome",
        "outcome",
        &outcomes,
    )?;
    histogram(encoder, "action_seconds", "Time that actions took", &now.action_time)?;
    let events = [("queued", now.events_sent), ("lost", now.events_lost)];
    counters(
        encoder,
        "events",
        "Events for connections; slow ones lose some",
        "outcome",
        &events,
    )
}

fn requests(encoder: &mut DescriptorEncoder<'_>, traffic: &Traffic) -> fmt::Result {
    const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
    let mut metric = encoder.encode_descriptor(
        "requests",
        "Requests by route and class of status",
        None,
        MetricType::Counter,
    )?;
    for route in Route::ALL {
        for (class, count) in CLASSES.iter().zip(traffic.answers(route)) {
            metric
                .encode_family(&[("route", route.name()), ("status", class)])?
                .encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
        }
    }
    let help = "Time from a request's head to the head of its answer";
    let mut metric = encoder.encode_descriptor("request_seconds", help, None, MetricType::Histogram)?;
    for route in Route::ALL {
        let (buckets, sum) = traffic.latency(route);
        let count = buckets.iter().map(|(_, count)| count).sum();
        metric
            .encode_family(&[("route", route.name())])?
            .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
    }
    let help = "Requests without the right token, from a refused origin, or to a route that was not theirs";
    counter(encoder, "auth_failures", help, traffic.auth_failures())
}

fn previews(encoder: &mut DescriptorEncoder<'_>, previews: &PreviewProxy) -> fmt::Result {
    let stats = previews.stats();
    let outcomes = Outcome::ALL.map(|outcome| (outcome.name(), stats.answers(outcome)));
    counters(
        encoder,
        "preview_requests",
        "Requests for previews, by outcome",
        "outcome",
        &outcomes,
    )?;
    gauge(
        encoder,
        "previews_open",
        "Requests and WebSockets of previews in progress",
        previews.active() as u64,
    )?;
    counter(
        encoder,
        "preview_websockets",
        "WebSockets of previews that were opened",
        stats.upgrades(),
    )?;
    counter(
        encoder,
        "preview_denied",
        "Preview tokens that were refused",
        stats.failures(),
    )?;
    let (sent, received) = stats.bytes();
    let bytes = [("to_guest", sent), ("from_guest", received)];
    counters(
        encoder,
        "preview_bytes",
        "Bytes of bodies and WebSockets of previews",
        "direction",
        &bytes,
    )
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    encoder
        .encode_descriptor(name, help, None, MetricType::Counter)?
        .encode_counter::<NoLabelSet, u64, u64>(&value, None)
}

fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: &[(&str, u64)],
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    values.iter().try_for_each(|(word, value)| {
        metric
            .encode_family(&[(label, *word)])?
            .encode_counter::<NoLabelSet, u64, u64>(value, None)
    })
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    encoder
        .encode_descriptor(name, help, None, MetricType::Gauge)?
        .encode_gauge(&value)
}

fn gauges(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: &[(&str, u64)],
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    values
        .iter()
        .try_for_each(|(word, value)| metric.encode_family(&[(label, *word)])?.encode_gauge(value))
}

fn histogram(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, times: &Histogram) -> fmt::Result {
    let seconds = crate::observe::seconds;
    let bounded = times.buckets.iter().map(|(bound, count)| (seconds(*bound), *count));
    let buckets: Vec<_> = bounded.chain([(f64::MAX, times.above)]).collect();
    let count = buckets.iter().map(|(_, count)| count).sum();
    encoder
        .encode_descriptor(name, help, None, MetricType::Histogram)?
        .encode_histogram::<NoLabelSet>(seconds(times.sum_us), count, &buckets, None)
}
