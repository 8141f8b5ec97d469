//! Spans on their way to the collector: which of them are kept, and the queue that they wait in.
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::KeyValue;
use opentelemetry::trace::Link;
use opentelemetry::trace::SpanKind;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::trace::TraceId;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SamplingDecision;
use opentelemetry_sdk::trace::SamplingResult;
use opentelemetry_sdk::trace::ShouldSample;
use opentelemetry_sdk::trace::Span;
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_sdk::trace::SpanProcessor;
use tokio::sync::mpsc;

/// What became of the spans since the start.
#[derive(Debug, Default)]
pub struct SpanStats {
    exported: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
    failures: AtomicU64,
}

impl SpanStats {
    /// Spans that the collector took.
    pub fn exported(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// Spans that found no room to wait for the collector, or were left when the server stopped.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Spans that the collector would not take.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Attempts that the collector did not answer, or asked to repeat.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(super) fn count_exported(&self, spans: u64) {
        self.exported.fetch_add(spans, Ordering::Relaxed);
    }

    pub(super) fn count_dropped(&self, spans: u64) {
        self.dropped.fetch_add(spans, Ordering::Relaxed);
    }

    pub(super) fn count_refused(&self, spans: u64) {
        self.refused.fetch_add(spans, Ordering::Relaxed);
    }

    pub(super) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

/// Takes spans that have ended; waits for nobody.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) spans: mpsc::Sender<SpanData>,
    pub(super) stats: Arc<SpanStats>,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            self.stats.count_dropped(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Keeps one trace in so many that begin here, and of those that began elsewhere what was decided there.
#[derive(Clone, Debug)]
pub(super) struct OneIn(pub(super) Arc<AtomicU32>);

impl OneIn {
    fn keeps(&self, id: TraceId) -> bool {
        let one_in = u64::from(self.0.load(Ordering::Relaxed).max(1));
        // The lower half is random in any id of W3C Trace Context level 2.
        let [.., a, b, c, d, e, f, g, h] = id.to_bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) <= u64::MAX / one_in
    }
}

impl ShouldSample for OneIn {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        id: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let parent = parent.map(|parent| parent.span().span_context().clone()).filter(|parent| parent.is_valid());
        let is_kept = parent.as_ref().map_or_else(|| self.keeps(id), |parent| parent.is_sampled());
        SamplingResult {
            decision: if is_kept { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop },
            attributes: Vec::new(),
            trace_state: parent.map(|parent| parent.trace_state().clone()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::trace::IdGenerator;
    use opentelemetry_sdk::trace::RandomIdGenerator;

    use super::*;

    fn kept(one_in: u32) -> usize {
        let (sampler, ids) = (OneIn(Arc::new(AtomicU32::new(one_in))), RandomIdGenerator::default());
        (0..20_000).filter(|_| sampler.keeps(ids.new_trace_id())).count()
    }

    #[test]
    fn one_trace_in_so_many_is_kept() {
        assert_eq!(kept(1), 20_000);
        // Six times the deviation that chance explains.
        let tenth = kept(10);
        assert!(tenth.abs_diff(2_000) < 260, "{tenth} of 20000");
    }

    #[test]
    fn who_finds_the_queue_full_is_counted_and_does_not_wait() {
        let (spans, mut queue) = mpsc::channel(1);
        let stats = Arc::new(SpanStats::default());
        let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder()
            .with_span_processor(Queue { spans, stats: Arc::clone(&stats) })
            .build();
        let tracer = opentelemetry::trace::TracerProvider::tracer(&provider, "test");
        for name in ["first", "second", "third"] {
            drop(opentelemetry::trace::Tracer::start(&tracer, name));
        }
        assert_eq!(stats.dropped(), 2);
        assert_eq!(queue.try_recv().expect("a span").name, "first");
    }
}
