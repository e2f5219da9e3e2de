//! Which faults there will be, in which order: made from a seed alone.

use std::collections::VecDeque;
use std::time::Duration;

use tester_worker::crash::Point;

use super::amqp_proxy::Side;
use super::dice::Dice;
use super::frames::Step;

/// Where a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum At {
    /// Before or after a step of the protocol, seen on the wire.
    Wire(Step, Side),
    /// At a moment of a job, seen by the worker itself.
    Point(Point),
    /// At any moment: so long after the fault before.
    Any(Duration),
}

/// What breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fault {
    /// The worker is killed (SIGKILL) and started again.
    Kill,
    /// A connection of the worker is cut.
    Cut,
    /// A connection of the worker stays open and carries nothing more.
    Hole,
    /// The worker stands still (SIGSTOP) for longer than RabbitMQ waits for its heartbeats.
    Pause,
    /// RabbitMQ is stopped and started.
    Restart,
    /// RabbitMQ has a memory alarm for a while: it takes no publishes.
    Alarm,
    /// Docker cuts every connection of the worker and takes no new ones for a while.
    Docker,
}

impl Fault {
    pub(crate) const ALL: [Self; 7] =
        [Self::Kill, Self::Cut, Self::Hole, Self::Pause, Self::Restart, Self::Alarm, Self::Docker];

    /// Several of them.
    pub(crate) const fn plural(self) -> &'static str {
        match self {
            Self::Kill => "kills",
            Self::Cut => "cuts",
            Self::Hole => "black holes",
            Self::Pause => "pauses",
            Self::Restart => "broker restarts",
            Self::Alarm => "memory alarms",
            Self::Docker => "times Docker was away",
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Cut => "cut",
            Self::Hole => "black hole",
            Self::Pause => "pause",
            Self::Restart => "broker restart",
            Self::Alarm => "memory alarm",
            Self::Docker => "Docker away",
        }
    }
}

/// One fault to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Act {
    pub(crate) fault: Fault,
    pub(crate) at: At,
    /// How often the place is passed before.
    pub(crate) skip: u32,
}

/// How many of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) kills: usize,
    pub(crate) cuts: usize,
    pub(crate) holes: usize,
    pub(crate) pauses: usize,
    pub(crate) restarts: usize,
    pub(crate) alarms: usize,
    pub(crate) docker: usize,
}

/// The faults to come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// Of any worker.
    pub(crate) acts: VecDeque<Act>,
    /// Of workers with sandboxes.
    pub(crate) docker: VecDeque<Act>,
}

/// The longest wait before a fault at any moment.
const ANY_MILLISECONDS: u32 = 400;
/// How often a place may be passed before the fault.
const SKIP_MAX: u32 = 4;

/// The same for a point at which a life ends: long enough for other faults to come first.
const POINT_SKIP_MAX: u32 = 20;

/// Before and after each of these steps.
fn around(steps: &[Step]) -> Vec<At> {
    steps.iter().flat_map(|step| [At::Wire(*step, Side::Before), At::Wire(*step, Side::After)]).collect()
}

/// The steps of a job alone: those of a connection come only after something else has broken the last one.
const OF_A_JOB: [Step; 4] = [Step::Deliver, Step::Publish, Step::Confirm, Step::Ack];

/// Every place of a fault but `Any`.
pub(crate) fn places(fault: Fault) -> Vec<At> {
    match fault {
        Fault::Kill => {
            let points = Point::ALL.iter().map(|point| At::Point(*point));
            around(&OF_A_JOB).into_iter().chain(points).collect()
        }
        Fault::Cut | Fault::Hole => around(&Step::ALL),
        Fault::Pause | Fault::Restart | Fault::Alarm | Fault::Docker => around(&OF_A_JOB),
    }
}

impl Schedule {
    /// The schedule of a seed.
    pub(crate) fn new(seed: u64, counts: &Counts) -> Self {
        let mut dice = Dice::new(seed);
        let mut acts = Vec::new();
        for (fault, count) in [
            (Fault::Kill, counts.kills),
            (Fault::Cut, counts.cuts),
            (Fault::Hole, counts.holes),
            (Fault::Pause, counts.pauses),
            (Fault::Restart, counts.restarts),
            (Fault::Alarm, counts.alarms),
        ] {
            acts.extend(deal(&mut dice, fault, count));
        }
        dice.shuffle(&mut acts);
        let docker = deal(&mut dice, Fault::Docker, counts.docker);
        Self { acts: acts.into(), docker: docker.into() }
    }
}

/// So many faults of a kind, over all of its places in turn; of kills and cuts every fourth comes at any moment.
fn deal(dice: &mut Dice, fault: Fault, count: usize) -> Vec<Act> {
    let mut places = places(fault);
    dice.shuffle(&mut places);
    let mut turn = places.iter().cycle();
    let often = matches!(fault, Fault::Kill | Fault::Cut);
    let act = |number: usize| {
        let any = |dice: &mut Dice| At::Any(Duration::from_millis(u64::from(dice.below(ANY_MILLISECONDS))));
        let at = if often && number % 4 == 3 { any(dice) } else { *turn.next().expect("it goes round") };
        let skip = match at {
            At::Wire(Step::Connect | Step::Consume, _) | At::Any(_) => 0,
            At::Wire(..) => dice.below(SKIP_MAX),
            At::Point(_) => dice.below(POINT_SKIP_MAX),
        };
        Act { fault, at, skip }
    };
    (0..count).map(act).collect()
}

mod tests {
    use std::collections::HashMap;

    use super::*;

    const COUNTS: Counts =
        Counts { kills: 400, cuts: 200, holes: 120, pauses: 80, restarts: 80, alarms: 80, docker: 80 };

    #[test]
    fn a_seed_makes_one_schedule() {
        assert_eq!(Schedule::new(7, &COUNTS), Schedule::new(7, &COUNTS));
        assert_ne!(Schedule::new(7, &COUNTS), Schedule::new(8, &COUNTS));
    }

    #[test]
    fn there_are_as_many_as_were_asked_for_and_no_place_is_left_out() {
        let Schedule { acts, docker } = Schedule::new(1, &COUNTS);
        let mut hits: HashMap<(Fault, At), usize> = HashMap::new();
        for act in acts.iter().chain(&docker) {
            *hits.entry((act.fault, act.at)).or_default() += 1;
        }
        for fault in Fault::ALL {
            for place in places(fault) {
                let hit = hits.get(&(fault, place)).copied().unwrap_or_default();
                assert!(hit >= 10, "{fault:?} {place:?}: {hit}");
            }
        }
        assert_eq!(acts.iter().filter(|act| act.fault == Fault::Kill).count(), 400);
        assert_eq!((acts.len(), docker.len()), (400 + 200 + 120 + 3 * 80, 80));
    }
}
