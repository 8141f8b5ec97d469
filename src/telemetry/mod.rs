//! What the process tells of itself: log lines on the standard error stream, as text or JSON, and spans for a collector.
mod export;
mod spans;

use std::io;
use std::io::BufWriter;
use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing::Subscriber;
use tracing_appender::non_blocking::ErrorCounter;
use tracing_appender::non_blocking::NonBlockingBuilder;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::Registry;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Log;
use crate::config::LogFormat;
use crate::config::LogLevel;

pub use export::Control;
pub use export::ExportError;
pub use export::Exporter;
pub use spans::SpanStats;

/// The client that tries our own relay tells every step of every attempt; whoever wants that names it.
const QUIET: &str = "turn_client_proto=off,turn_types=off,stun_proto=off,stun_types=off";

static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

static LOST: OnceLock<ErrorCounter> = OnceLock::new();

/// Lines that wait at most to be written. A reader that is slower loses what comes then, and holds up nobody.
const LINES: usize = 8192;

/// Bytes that are written at once when many lines wait.
const BUFFER: usize = 64 * 1024;

/// Why the log cannot be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The directives are none.
    #[error("the log level {directives:?} is none: {source}")]
    Level {
        /// What was written.
        directives: String,
        /// What the filter says.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Somebody else set up logging in this process.
    #[error("the log is set up already")]
    SetUpAlready,
    /// [`set_level`] before [`init`].
    #[error("the log is not set up yet")]
    NotSetUp,
}

/// Sends the log lines of the whole process to the standard error stream, from a thread of its own: neither packets nor
/// calls wait for whoever reads the log. Lines that wait are written when the returned value is dropped.
///
/// # Errors
///
/// [`TelemetryError::SetUpAlready`] at the second call.
pub fn init(log: &Log) -> Result<WorkerGuard, TelemetryError> {
    let (filter, handle) = reload::Layer::new(filter(&log.level)?);
    let writer = BufWriter::with_capacity(BUFFER, io::stderr());
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(LINES).thread_name("log").finish(writer);
    let lost = writer.error_counter();
    let lines = lines(log.format, writer, io::stderr().is_terminal());
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    subscriber.try_init().map_err(|_| TelemetryError::SetUpAlready)?;
    LOST.set(lost).map_err(|_| TelemetryError::SetUpAlready)?;
    FILTER.set(handle).map_err(|_| TelemetryError::SetUpAlready)?;
    Ok(guard)
}

/// Returns how many lines were lost because too many waited.
pub fn lines_lost() -> u64 {
    LOST.get().map_or(0, |lost| lost.dropped_lines() as u64)
}

/// Changes which lines are written, from now on.
///
/// # Errors
///
/// [`TelemetryError::NotSetUp`] before [`init`].
pub fn set_level(level: &LogLevel) -> Result<(), TelemetryError> {
    let handle = FILTER.get().ok_or(TelemetryError::NotSetUp)?;
    handle.reload(filter(level)?).map_err(|_| TelemetryError::NotSetUp)
}

fn filter(level: &LogLevel) -> Result<EnvFilter, TelemetryError> {
    let directives = level.as_directives();
    EnvFilter::try_new(format!("{QUIET},{directives}"))
        .map_err(|source| TelemetryError::Level { directives: directives.to_owned(), source })
}

fn lines<S, W>(format: LogFormat, writer: W, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    match format {
        LogFormat::Text => fmt::layer().with_writer(writer).with_ansi(colours).boxed(),
        LogFormat::Json => fmt::layer().with_writer(writer).json().flatten_event(true).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panics").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: &Log, emit: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let lines = lines(log.format, move || writer.clone(), false);
        let filter = filter(&log.level).expect("a level");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(filter).with(lines), emit);
        let bytes = buffer.0.lock().expect("no writer panics").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn a_json_line_is_an_object_with_the_fields_of_the_event() {
        let log = Log { format: LogFormat::Json, ..Log::default() };
        let text = logged(&log, || {
            tracing::debug!("below the level");
            tracing::info!(session = "s1", packets = 7, "session ended");
        });
        let line: serde_json::Value = serde_json::from_str(&text).expect("one JSON object");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "session ended");
        assert_eq!(line["session"], "s1");
        assert_eq!(line["packets"], 7);
    }

    #[test]
    fn a_text_line_has_no_colours_outside_of_a_terminal() {
        let text = logged(&Log::default(), || tracing::warn!(port = 3478, "cannot bind"));
        assert!(text.ends_with(" WARN duologue::telemetry::tests: cannot bind port=3478\n"), "{text:?}");
    }
}
