//! Spans: what was done, how long it took, and what led to it; told to a collector of OpenTelemetry, if there is one.
//!
//! Nobody collects by default, and then each call here is one look at a flag. What is being worked on is known per thread: code
//! enters a [`Span`] or a [`Cause`] while it works for it, and whatever begins meanwhile hangs below. Between tasks and
//! threads a [`Cause`] goes along with the message.
//!
//! Nothing here may carry a secret, an address or what somebody wrote.
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Instant;
use std::time::SystemTime;

use opentelemetry::Context;
use opentelemetry::ContextGuard;
use opentelemetry::KeyValue;
use opentelemetry::Value;
use opentelemetry::propagation::Extractor;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::SpanBuilder;
use opentelemetry::trace::SpanContext;
use opentelemetry::trace::SpanKind;
use opentelemetry::trace::Status;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::trace::Tracer;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;

/// The header of W3C Trace Context §3.2.
pub const TRACEPARENT: &str = "traceparent";
/// The header of W3C Trace Context §3.3.
pub const TRACESTATE: &str = "tracestate";

static IS_ON: AtomicBool = AtomicBool::new(false);

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Names who makes the spans of this process; only the first call counts.
pub fn install(tracer: SdkTracer) {
    let _ = TRACER.set(tracer);
}

/// Begins or stops to make spans.
pub fn turn(on: bool) {
    IS_ON.store(on, Ordering::Relaxed);
}

/// Whether somebody collects.
pub fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// Adds something to the span that this thread works for.
pub fn note(key: &'static str, value: impl fmt::Display) {
    if is_on() {
        Context::map_current(|context| {
            let span = context.span();
            if span.is_recording() {
                span.set_attribute(KeyValue::new(key, value.to_string()));
            }
        });
    }
}

/// Says that what this thread works for has failed, by the code that the client is told.
pub fn note_failure(code: &'static str) {
    if is_on() {
        Context::map_current(|context| {
            let span = context.span();
            if span.is_recording() {
                span.set_attribute(KeyValue::new("error.type", code));
                span.set_status(Status::error(code));
            }
        });
    }
}

/// The place in a trace that later spans hang below. A pointer, and nothing while nobody collects.
#[derive(Clone, Debug, Default)]
pub struct Cause(Option<Arc<SpanContext>>);

impl Cause {
    /// What this thread works for.
    pub fn current() -> Self {
        if !is_on() {
            return Self(None);
        }
        Context::map_current(|context| Self::of(context.span().span_context()))
    }

    /// What a caller from outside says that led to its request. W3C Trace Context §4.3.
    pub fn from_headers(traceparent: &str, tracestate: &str) -> Self {
        if !is_on() {
            return Self(None);
        }
        let headers = Headers { traceparent, tracestate };
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
        Self::of(context.span().span_context())
    }

    fn of(span: &SpanContext) -> Self {
        Self(span.is_valid().then(|| Arc::new(span.clone())))
    }

    /// The value of [`TRACEPARENT`] that takes this along; `None`: there is nothing to take.
    pub fn traceparent(&self) -> Option<String> {
        let span = self.0.as_ref()?;
        Some(format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()))
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Works for it on this thread until the guard is dropped.
    #[must_use]
    pub fn enter(&self) -> Option<Entered> {
        self.0.as_ref().map(|_| Entered { _guard: self.context().attach() })
    }

    /// Works for it whenever `work` is polled.
    pub async fn follow<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|waker| {
            let _entered = self.enter();
            work.as_mut().poll(waker)
        })
        .await
    }

    fn context(&self) -> Context {
        match &self.0 {
            // Not a remote one: what comes from outside says so itself.
            Some(span) => Context::new().with_remote_span_context(SpanContext::clone(span)),
            None => Context::new(),
        }
    }
}

/// What a request from outside says.
struct Headers<'a> {
    traceparent: &'a str,
    tracestate: &'a str,
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let value = match key {
            TRACEPARENT => self.traceparent,
            TRACESTATE => self.tracestate,
            _ => return None,
        };
        (!value.is_empty()).then_some(value)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}

/// While it lives, its thread works for a span.
#[derive(Debug)]
pub struct Entered {
    _guard: ContextGuard,
}

/// One piece of work, until it is dropped. A pointer, and nothing while nobody collects.
#[derive(Debug, Default)]
pub struct Span(Option<Box<Context>>);

impl Span {
    /// A request that we answer.
    pub fn of_request(name: impl Into<Cow<'static, str>>, cause: &Cause) -> Self {
        Self::begin(SpanKind::Server, name, cause, None)
    }

    /// The same, begun at that moment.
    pub fn of_request_since(name: impl Into<Cow<'static, str>>, cause: &Cause, begun: Instant) -> Self {
        Self::begin(SpanKind::Server, name, cause, Some(begun))
    }

    /// A request that somebody else answers.
    pub fn of_question(name: impl Into<Cow<'static, str>>, cause: &Cause) -> Self {
        Self::begin(SpanKind::Client, name, cause, None)
    }

    /// Work of our own.
    pub fn of_work(name: impl Into<Cow<'static, str>>, cause: &Cause) -> Self {
        Self::begin(SpanKind::Internal, name, cause, None)
    }

    /// The same, begun at that moment.
    pub fn of_work_since(name: impl Into<Cow<'static, str>>, cause: &Cause, begun: Instant) -> Self {
        Self::begin(SpanKind::Internal, name, cause, Some(begun))
    }

    fn begin(kind: SpanKind, name: impl Into<Cow<'static, str>>, cause: &Cause, begun: Option<Instant>) -> Self {
        if !is_on() {
            return Self(None);
        }
        let Some(tracer) = TRACER.get() else { return Self(None) };
        let mut builder = SpanBuilder::from_name(name).with_kind(kind);
        // The wall clock as it would have shown then.
        builder.start_time = begun.and_then(|begun| SystemTime::now().checked_sub(begun.elapsed()));
        let span = tracer.build_with_context(builder, &cause.context());
        Self(Some(Box::new(Context::new().with_span(span))))
    }

    /// Whether what is added to it goes anywhere.
    pub fn is_recording(&self) -> bool {
        self.0.as_ref().is_some_and(|context| context.span().is_recording())
    }

    /// Adds an attribute.
    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// Names another span without being below it.
    pub fn link(&self, other: &Cause) {
        if let (Some(context), Some(other)) = (&self.0, &other.0) {
            context.span().add_link(SpanContext::clone(other), Vec::new());
        }
    }

    /// Says that it has failed, by a word that tells kinds of failures apart.
    pub fn fail(&self, kind: &'static str) {
        self.set("error.type", kind);
        if let Some(context) = &self.0 {
            context.span().set_status(Status::error(kind));
        }
    }

    /// What hangs below it.
    pub fn cause(&self) -> Cause {
        match &self.0 {
            Some(context) => Cause::of(context.span().span_context()),
            None => Cause::default(),
        }
    }

    /// Works for it on this thread until the guard is dropped.
    #[must_use]
    pub fn enter(&self) -> Option<Entered> {
        self.0.as_ref().map(|context| Entered { _guard: Context::clone(context).attach() })
    }

    /// Works for it whenever `work` is polled.
    pub async fn follow<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|waker| {
            let _entered = self.enter();
            work.as_mut().poll(waker)
        })
        .await
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        // Whoever entered it may still hold it.
        if let Some(context) = &self.0 {
            context.span().end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody installs a tracer in these tests.
    #[test]
    fn without_a_collector_there_is_nothing() {
        let span = Span::of_work("work", &Cause::default());
        assert!(!span.is_recording() && span.enter().is_none() && span.cause().is_none());
        assert!(Cause::from_headers("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "").is_none());
        assert!(Cause::current().is_none());
        assert_eq!((size_of::<Span>(), size_of::<Cause>()), (8, 8));
    }

    #[test]
    fn what_led_to_something_is_told_as_a_header() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let headers = Headers { traceparent: parent, tracestate: "" };
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
        let cause = Cause::of(context.span().span_context());
        assert_eq!(cause.traceparent().as_deref(), Some(parent));
        assert_eq!(Cause::default().traceparent(), None);
    }
}
