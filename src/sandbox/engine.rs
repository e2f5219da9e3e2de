//! The Docker client: every call named, bounded in time, and its failure told in words an operator can act on.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as BollardError;

use crate::config::model;
use crate::telemetry::labels::DockerOperation;
use crate::telemetry::metrics::Metrics;

/// A call to Docker that did not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DockerError {
    /// Nothing answers at the address.
    #[error("cannot reach Docker at {host} to {attempt}; is the daemon running, and may this user open the socket?")]
    Unreachable {
        /// The configured address.
        host: String,
        /// What was attempted.
        attempt: &'static str,
        /// What the client said.
        #[source]
        source: Box<BollardError>,
    },
    /// No answer within the time limit.
    #[error("Docker at {host} did not answer within {seconds} s when asked to {attempt}")]
    Timeout {
        /// The configured address.
        host: String,
        /// What was attempted.
        attempt: &'static str,
        /// The time limit.
        seconds: u64,
    },
    /// Docker answered with an error.
    #[error("Docker refused to {attempt}: {message} (HTTP {status})")]
    Refused {
        /// What was attempted.
        attempt: &'static str,
        /// The HTTP status.
        status: u16,
        /// Docker's words.
        message: String,
    },
    /// The image of a profile is not on this host.
    #[error(
        "Image {image} not found: build it (docker build -t {image} -f Dockerfile.sandbox .) or pull it (docker pull {image})"
    )]
    ImageNotFound {
        /// The image.
        image: String,
    },
    /// What came over the attached stream is not what our runner says.
    #[error("the runner did not start: {reason}")]
    Runner {
        /// What it said or did not say.
        reason: String,
    },
    /// The runner volume does not hold our runner.
    #[error(
        "the volume `{volume}` does not hold this worker's runner ({reason}); remove it (docker volume rm {volume}) and start again"
    )]
    RunnerVolume {
        /// The volume.
        volume: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An attack of our own came through, so no job may run here.
    #[error("the wall `{wall}` does not hold: {seen}; {mend}")]
    Wall {
        /// The wall's name.
        wall: &'static str,
        /// What was seen.
        seen: String,
        /// What to do about it.
        mend: &'static str,
    },
}

impl DockerError {
    /// Whether Docker said that the thing is not there.
    pub(super) const fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether Docker itself is away.
    pub(super) const fn is_outage(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. })
    }

    /// Whether it says something about Docker, and not only about what was asked for: it is away, or it answers that it
    /// cannot (HTTP 500 and above), or its sandboxes do not come up.
    pub(super) const fn is_trouble(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status >= 500,
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::ImageNotFound { .. }
            | Self::Runner { .. }
            | Self::RunnerVolume { .. }
            | Self::Wall { .. } => true,
        }
    }

    /// Whether Docker said that the thing is there already, or on its way out.
    pub(super) const fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status: 409, .. })
    }
}

/// The Docker daemon, by its address.
///
/// The client is made anew for every call: it holds no connection (each request opens its own), and a socket that was
/// missing at start may be there now.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    metrics: Metrics,
    host: String,
    timeout: Duration,
}

impl Engine {
    pub(super) fn new(settings: &model::Docker, metrics: Metrics) -> Self {
        Self { metrics, host: settings.host.clone(), timeout: Duration::from_secs(settings.timeout_seconds) }
    }

    /// Where calls are counted.
    pub(super) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Makes one call.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it unknown whether Docker did it; whoever creates something names and labels it first.
    pub(super) async fn call<T, F>(
        &self,
        operation: DockerOperation,
        call: impl FnOnce(Docker) -> F,
    ) -> Result<T, DockerError>
    where
        F: Future<Output = Result<T, BollardError>>,
    {
        let answer = self.ask(phrase(operation), call).await;
        if let Err(error) = &answer
            && !error.is_not_found()
            && !error.is_conflict()
        {
            self.metrics.docker_error(operation);
        }
        answer
    }

    async fn ask<T, F>(&self, attempt: &'static str, call: impl FnOnce(Docker) -> F) -> Result<T, DockerError>
    where
        F: Future<Output = Result<T, BollardError>>,
    {
        let docker = Docker::connect_with_host(&self.host)
            .map_err(|source| self.explain(attempt, source))?
            .with_timeout(self.timeout);
        // The client's own limit ends at the response headers; ours holds for the whole call.
        match tokio::time::timeout(self.timeout, call(docker)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(source)) => Err(self.explain(attempt, source)),
            Err(_elapsed) => Err(self.timed_out(attempt)),
        }
    }

    fn timed_out(&self, attempt: &'static str) -> DockerError {
        DockerError::Timeout { host: self.host.clone(), attempt, seconds: self.timeout.as_secs() }
    }

    fn explain(&self, attempt: &'static str, source: BollardError) -> DockerError {
        if let BollardError::DockerResponseServerError { status_code, message } = source {
            return DockerError::Refused { attempt, status: status_code, message };
        }
        if matches!(source, BollardError::RequestTimeoutError) {
            return self.timed_out(attempt);
        }
        DockerError::Unreachable { host: self.host.clone(), attempt, source: Box::new(source) }
    }
}

/// What Docker was asked to do, in words that follow "to".
const fn phrase(operation: DockerOperation) -> &'static str {
    match operation {
        DockerOperation::Ping => "describe itself",
        DockerOperation::InspectImage => "inspect the sandbox image",
        DockerOperation::Volume => "look after the runner volume",
        DockerOperation::Create => "create a sandbox",
        DockerOperation::Upload => "fill the runner volume",
        DockerOperation::Attach => "attach to a sandbox",
        DockerOperation::Start => "start a sandbox",
        DockerOperation::Update => "set the limits of a sandbox",
        DockerOperation::Inspect => "inspect a sandbox",
        DockerOperation::Kill => "kill a sandbox",
        DockerOperation::Remove => "remove a sandbox",
        DockerOperation::List => "list what workers left",
    }
}
