//! Moments of a job at which a build for tests can make the worker die, and the one fault that it can be given.
//!
//! What a worker's death leaves behind depends on the moment. So each moment that matters has a name here, and the worker
//! says when it passes one. With the feature `crash-points`, a variable in its environment chooses a point at which it is
//! killed, or stopped; `scripts/chaos` and `tests/chaos` do so. Without the feature [`passed`] is empty, and nothing of
//! this is in the binary, not even the variables' names; a release is built without it, and a test looks for them.

macro_rules! points {
    ($($point:ident = $name:literal: $meaning:literal,)*) => {
        /// A moment of a job.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Point {
            $(#[doc = $meaning] $point,)*
        }

        impl Point {
            /// Every point, in the order in which a job passes them.
            pub const ALL: &[Self] = &[$(Self::$point,)*];

            /// The name of the point, in variables, reports and documents.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)*
                }
            }

            /// Where the worker is then.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$point => $meaning,)*
                }
            }
        }
    };
}

points! {
    BeforeVerify = "before_verify": "the delivery has come; nothing of it was read",
    AfterVerify = "after_verify": "the job is authentic, admitted and has a slot",
    BeforeLease = "before_lease": "a sandbox is about to be asked for",
    AfterLease = "after_lease": "the job has a sandbox",
    BeforeStart = "before_start": "the runner has been told nothing yet",
    AfterStart = "after_start": "the runner has the order to start and all of the input",
    BeforeRun = "before_run": "the program has been started",
    AfterRun = "after_run": "the program has ended, and the worker knows how",
    BeforePublish = "before_publish": "the result is signed",
    AfterPublish = "after_publish": "the result was handed to the connection",
    BeforeConfirm = "before_confirm": "RabbitMQ's confirmation was read; nobody here acts on it yet",
    AfterConfirm = "after_confirm": "the result is stored as confirmed",
    BeforeAck = "before_ack": "the acknowledgement is about to be sent",
    AfterAck = "after_ack": "the acknowledgement was written to the connection",
}

#[cfg(feature = "crash-points")]
mod chosen;

#[cfg(feature = "crash-points")]
pub use chosen::{Defect, has, is_instant, passed};

/// The worker passes a point: nothing happens, in a build that can be released.
#[cfg(not(feature = "crash-points"))]
#[inline]
pub const fn passed(_point: Point) {}
