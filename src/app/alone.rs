//! The pipeline alone: a whole worker in this process, but for the sandboxes. It verifies, answers at once, signs,
//! publishes and acknowledges, through the real broker, on a class of its own that only a key made for it may use.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::noop::Noop;
use super::serve::{ServeError, broker_settings, start};
use crate::config::model::{Broker, Class, Config, Keys, Topology};

/// How long its queue stays behind a process that could not delete it. Longer than a connection takes to be made anew.
const QUEUE_EXPIRES: Duration = Duration::from_mins(1);

/// A worker that runs nothing.
#[derive(Debug)]
pub struct Alone {
    consuming: watch::Receiver<bool>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// The configuration with only this class, so many slots, and no key but the token that [`Alone::start`] is given.
#[must_use]
pub fn configuration(config: &Config, class: &str, slots: usize) -> Config {
    let mut config = config.clone();
    class.clone_into(&mut config.worker.id);
    config.worker.slots = slots;
    config.worker.running_per_issuer_max = 0;
    let classes = vec![Class { name: class.to_owned(), weight: 1 }];
    config.broker = Broker { classes, topology: Topology::Declare, ..config.broker };
    config.keys = Keys {
        jwks_file: String::new(),
        signing_key_file: String::new(),
        signing_kid: String::new(),
        policies: BTreeMap::new(),
    };
    // The port is the worker's that may run beside this.
    config.sidecar.listen = String::new();
    for profile in config.profiles.values_mut() {
        profile.enabled = true;
    }
    config
}

impl Alone {
    /// Starts it. The token verifies jobs and signs results.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn start(config: Config, token: SecretString) -> Result<Self, ServeError> {
        let settings = broker_settings(&config).with_queues_expiring(QUEUE_EXPIRES);
        let worker = start::<Noop>(config, Some(token), settings).await?;
        let (consuming, stop) = (worker.consuming(), CancellationToken::new());
        let tasks = TaskTracker::new();
        tasks.spawn(worker.work(stop.clone()));
        Ok(Self { consuming, stop, tasks })
    }

    /// Waits until the broker sends it jobs. False: it does not within the limit.
    pub async fn ready(&mut self, limit: Duration) -> bool {
        let consuming = self.consuming.wait_for(|consuming| *consuming);
        matches!(tokio::time::timeout(limit, consuming).await, Ok(Ok(_)))
    }

    /// Ends it as SIGTERM would, and waits for that. Its queue stays, until somebody deletes it or it expires.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
