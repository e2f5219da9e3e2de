//! Every label value that a metric can have, apart from the names in the configuration. All are enums, so that no text
//! from outside can become a label.

use std::fmt::Write as _;

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

macro_rules! labels {
    ($($(#[$top:meta])* $enum:ident { $($(#[$doc:meta])* $name:ident = $code:literal;)* })*) => {$(
        $(#[$top])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $enum { $($(#[$doc])* $name),* }

        impl $enum {
            /// Every value there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The label's value.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }
        }

        impl EncodeLabelValue for $enum {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
                encoder.write_str(self.as_str())
            }
        }
    )*};
}

labels! {
    /// Which of the two AMQP connections.
    Role {
        /// The one that consumes.
        Consume = "consume";
        /// The one that publishes.
        Publish = "publish";
    }

    /// Why a connection had to be made anew.
    ReconnectCause {
        /// Nobody listens at the address, or it cannot be reached.
        Unreachable = "unreachable";
        /// The broker refused user, password or virtual host.
        Refused = "refused";
        /// The connection broke, or the heartbeat stayed away.
        Lost = "lost";
        /// The broker closed the connection or the channel.
        ClosedByBroker = "closed_by_broker";
        /// The broker cancelled the consumer.
        ConsumerCancelled = "consumer_cancelled";
        /// Something took longer than it may.
        Timeout = "timeout";
        /// A publish was not confirmed, and only a new connection makes its repetition safe.
        NotConfirmed = "not_confirmed";
        /// The topology is not what it must be.
        Topology = "topology";
        /// Messages wait, the worker holds none, and the broker sends it none.
        Starved = "starved";
    }

    /// How a delivery was settled.
    SettleKind {
        /// `basic.ack`.
        Acknowledge = "ack";
        /// `basic.nack`, back to the queue.
        Requeue = "requeue";
        /// `basic.reject`, back to the queue; the broker counts it.
        Reject = "reject";
    }

    /// Whether the broker was told.
    SettleOutcome {
        /// It was.
        Sent = "sent";
        /// The delivery was no longer ours.
        Stale = "stale";
    }

    /// What a slot is doing.
    SlotState {
        /// It waits for a job.
        Free = "free";
        /// It has one.
        Busy = "busy";
    }

    /// What a sandbox of the pool is doing.
    PoolState {
        /// Ready for a job.
        Warm = "warm";
        /// It has a job, or is being emptied or removed after one.
        Leased = "leased";
        /// It is being created.
        Starting = "starting";
    }

    /// What happened to a container.
    ContainerEvent {
        /// It was created and started.
        Created = "created";
        /// It was removed.
        Destroyed = "destroyed";
        /// It was emptied after a job, shown to be clean, and kept for another.
        Recycled = "recycled";
        /// It could not be shown to be clean after a job, and is removed although it might have run another.
        Unclean = "unclean";
        /// It could not be created or started, or its runner did not answer.
        Failed = "failed";
    }

    /// How programs of a sandbox start that should have a warm interpreter.
    StartKind {
        /// By way of it.
        Warm = "warm";
        /// Plainly: it could not be had.
        Plain = "plain";
    }

    /// What was asked of the Docker daemon.
    DockerOperation {
        /// Whether it is alive.
        Ping = "ping";
        /// An image's digest.
        InspectImage = "inspect_image";
        /// The runner's volume.
        Volume = "volume";
        /// To create a container.
        Create = "create";
        /// To put files into a container.
        Upload = "upload";
        /// To attach to a container's stdin and stdout.
        Attach = "attach";
        /// To start a container.
        Start = "start";
        /// To change a container's limits.
        Update = "update";
        /// A container's state.
        Inspect = "inspect";
        /// To kill a container.
        Kill = "kill";
        /// To remove a container.
        Remove = "remove";
        /// Which containers there are.
        List = "list";
    }

    /// A part of a job's way.
    Stage {
        /// From the job's `iat` to its delivery here.
        Queued = "queued";
        /// From delivery to a sandbox of its own.
        Leased = "leased";
        /// From the lease to the program's start.
        Started = "started";
        /// From the program's start to the last evidence.
        Run = "run";
        /// From the signed result to the broker's confirmation.
        Publish = "publish";
        /// From delivery to the signing of the result.
        Total = "total";
    }

    /// What became of an event of a running job.
    EventOutcome {
        /// A queue has it.
        Told = "told";
        /// Too many waited.
        NoRoom = "no_room";
        /// Its token would be larger than a result may be.
        TooLarge = "too_large";
        /// No queue took it.
        Unroutable = "unroutable";
        /// Refused, or nobody knows.
        NotConfirmed = "not_confirmed";
        /// The job had ended before it could be told.
        Late = "late";
    }

    /// What a control message asks for.
    ControlCommand {
        /// To end a job.
        Cancel = "cancel";
        /// To finish and stop.
        Drain = "drain";
        /// Nobody knows: it was refused.
        Unknown = "unknown";
    }

    /// What a control message came to here.
    ControlOutcome {
        /// The job was running here and is ended.
        Running = "running";
        /// The job waited here and is answered as cancelled.
        Waiting = "waiting";
        /// The job is not here; should it come, it is not run.
        Noted = "noted";
        /// The job had ended here: nothing changes.
        Ended = "ended";
        /// This worker drains.
        Draining = "draining";
        /// Another worker is meant.
        OtherWorker = "other_worker";
        /// It was signed before this process started.
        Stale = "stale";
        /// Not signed by somebody who may, void, or unreadable.
        Refused = "refused";
    }

    /// How a reload of the keys ended.
    ReloadOutcome {
        /// New keys are in force.
        Loaded = "loaded";
        /// The files could not be used; the old keys stay in force.
        Failed = "failed";
    }
}
