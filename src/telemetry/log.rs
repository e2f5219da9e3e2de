//! Log lines on stderr, for people or for machines.

use std::io::{self, IsTerminal as _};

use tracing::Subscriber;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::filter::{FilterExt as _, ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::{EnvFilter, registry};

use crate::config::model::{Log, LogFormat};

/// Libraries that tell at `info` what only their own developers want to know. A directive of the operator's wins.
const QUIET: &str = "bollard=warn,hyper=warn,hyper_util=warn,rustls=warn,\
                     tower_http=warn";

/// Never logged, whatever the operator asks for: the AMQP library writes whole messages at `WARN`, and frames that hold the
/// password at `TRACE`. The broker adapter tells what happens there itself.
const SILENT: [&str; 3] = ["lapin", "amq_protocol", "async_rs"];

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The filter does not parse.
    #[error("`{filter}` is not a log filter")]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// Logging is set up once a process.
    #[error("logging is set up already")]
    Twice(#[source] SetGlobalDefaultError),
}

/// Sends this process's log lines to stderr. Called once, before anything else can have something to say.
///
/// # Errors
/// [`LogError`] for a filter that does not parse, and for a second call.
pub fn init(log: &Log) -> Result<(), LogError> {
    let subscriber = subscriber(log, io::stderr, io::stderr().is_terminal())?;
    tracing::subscriber::set_global_default(subscriber).map_err(LogError::Twice)
}

fn subscriber<W>(log: &Log, writer: W, colour: bool) -> Result<Box<dyn Subscriber + Send + Sync>, LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .parse(format!("{QUIET},{}", log.filter))
        .map_err(|source| LogError::Filter { filter: log.filter.clone(), source })?;
    let secret = filter_fn(|metadata| !SILENT.iter().any(|library| metadata.target().starts_with(library)));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colour);
    Ok(match log.format {
        LogFormat::Text => Box::new(registry().with(lines.with_filter(filter.and(secret)))),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_span_list(false);
            Box::new(registry().with(lines.with_filter(filter.and(secret))))
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let log = Log { format, filter: filter.to_owned() };
        let subscriber = subscriber(&log, move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(job.id = "7", "Job `7` finished");
            tracing::debug!("a detail");
            tracing::info!(target: "lapin::channel", "frame sent");
            tracing::info!(target: "bollard::docker", "request sent");
        });
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_lines_hold_the_message_and_its_fields() {
        let text = logged(LogFormat::Json, "info");
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(line["message"], "Job `7` finished");
        assert_eq!(line["job.id"], "7");
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn text_lines_are_plain_without_a_terminal() {
        let text = logged(LogFormat::Text, "info");
        assert!(text.contains("Job `7` finished") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn libraries_are_quiet_until_they_are_asked_for() {
        assert!(!logged(LogFormat::Text, "debug").contains("request sent"));
        assert!(logged(LogFormat::Text, "info,bollard=info").contains("request sent"));
        assert!(logged(LogFormat::Text, "debug").contains("a detail"));
    }

    #[test]
    fn what_may_hold_a_password_is_never_logged_however_it_is_asked_for() {
        for filter in ["trace", "info,lapin=trace", "info,lapin::channel=trace"] {
            assert!(!logged(LogFormat::Text, filter).contains("frame sent"), "{filter}");
        }
    }

    #[test]
    fn a_filter_that_is_none_is_named() {
        let log = Log { format: LogFormat::Text, filter: "x=loud".to_owned() };
        let error = subscriber(&log, io::stderr, false).err().unwrap();
        assert_eq!(error.to_string(), "`x=loud` is not a log filter");
    }
}
