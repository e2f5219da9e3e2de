//! Settling one delivery.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions};
use tokio::time::timeout;

use super::error::describe;
use super::looks::Held;
use crate::ports::messages::{Acknowledger, Disposition, Settled};

/// The only one to call lapin's acker, whose `Ok(false)` (the delivery is no longer ours) no lint would see. It never
/// goes through the channel's own `basic_ack`, which would send a stale tag and so close the channel.
#[derive(Debug)]
pub(super) struct AckHandle {
    acker: Acker,
    limit: Duration,
    /// Tells, while it is there, that the delivery is not settled.
    _held: Held,
}

impl AckHandle {
    pub(super) fn new(acker: Acker, limit: Duration, held: Held) -> Self {
        Self { acker, limit, _held: held }
    }
}

impl Acknowledger for AckHandle {
    fn usable(&self) -> bool {
        self.acker.usable()
    }

    fn settle(self: Box<Self>, disposition: Disposition) -> BoxFuture<'static, Settled> {
        async move {
            let sent = async {
                match disposition {
                    Disposition::Acknowledge => self.acker.ack(BasicAckOptions { multiple: false }).await,
                    // `requeue` is false by default, which would drop the message or make it a dead letter.
                    Disposition::Requeue => self.acker.nack(BasicNackOptions { multiple: false, requeue: true }).await,
                    Disposition::RejectToQueue => self.acker.reject(BasicRejectOptions { requeue: true }).await,
                }
            };
            match timeout(self.limit, sent).await {
                Ok(Ok(true)) => Settled::Sent,
                Ok(Ok(false)) => Settled::Stale,
                Ok(Err(error)) => {
                    tracing::debug!("settle a delivery: {}; RabbitMQ delivers it again", describe(&error));
                    Settled::Stale
                }
                Err(_elapsed) => {
                    // Not written in all that time: the link is dead, and its supervisor is about to notice.
                    tracing::warn!("settle a delivery: not sent within {} s", self.limit.as_secs_f64());
                    Settled::Stale
                }
            }
        }
        .boxed()
    }
}
