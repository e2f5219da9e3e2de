//! The program `no-op`: clients against a worker in this process that runs nothing, through the broker that is configured.

use std::time::Duration;

use secrecy::SecretString;
use uuid::Uuid;

use super::super::failure::Failure;
use super::super::signer::Sender;
use super::load::Load;
use crate::app::alone::{Alone, configuration};
use crate::broker::Settings;
use crate::broker::operator::Operator;
use crate::config::model::Config;

/// How long it may take until the broker sends jobs.
const READY: Duration = Duration::from_secs(20);

/// The worker that runs nothing, and what its clients need.
#[derive(Debug)]
pub(super) struct Pipeline {
    worker: Alone,
    pub(super) load: Load,
}

impl Pipeline {
    /// Starts it, on a class with a name that nobody else has, with a token that nobody else knows.
    pub(super) async fn start(config: &Config, clients: usize, limit: Duration) -> Result<Self, Failure> {
        let class = format!("bench-{}", Uuid::new_v4().simple());
        let token = SecretString::from(format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()));
        let config = configuration(config, &class, clients);
        let load = Load {
            settings: Settings::new(&config.broker, &class, clients),
            sender: Sender::with_token(&token)?,
            audience: config.worker.audience.clone(),
            class,
            limit,
        };
        let worker = Alone::start(config, token).await.map_err(Failure::fault)?;
        let mut pipeline = Self { worker, load };
        if pipeline.worker.ready(READY).await {
            return Ok(pipeline);
        }
        let error =
            anyhow::anyhow!("RabbitMQ sends no jobs to the class `{}` that was made to measure", pipeline.load.class);
        let failure =
            Failure::fault(error).hint("`doctor` says what this user may not do; --program leaves `no-op` out");
        Err(match pipeline.stop().await {
            Ok(()) => failure,
            Err(left) => failure.beside(left),
        })
    }

    /// Ends it and deletes its queue, which would stay for another minute.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        self.worker.stop().await;
        let operator = Operator::connect(&self.load.settings).await.map_err(Failure::fault)?;
        let forgotten = operator.forget_class(&self.load.class).await;
        operator.close().await;
        forgotten.map_err(Failure::fault)
    }
}
