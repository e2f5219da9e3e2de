//! One worker of a campaign and the faults that hit it, one after another.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::oneshot;
use tokio::time::{interval, sleep, timeout};

use super::amqp_proxy::{AmqpProxy, Break, Hit, Trap};
use super::course::Course;
use super::docker_gate::DockerGate;
use super::frames::Step;
use super::life::{Birth, Doom, Life, was_killed};
use super::schedule::{Act, At, Fault};
use super::support::vhost::rabbitmqctl;

/// The heartbeat of the workers of a campaign, in seconds: the shortest there is, for each black hole takes two.
pub(crate) const HEARTBEAT_SECONDS: u64 = 2;
/// How long a stopped worker stands still: RabbitMQ has given it up by then.
const PAUSE: Duration = Duration::from_millis(2 * HEARTBEAT_SECONDS * 1000 + 1500);
/// How long an alarm lasts, and Docker is away.
const OUTAGE: Duration = Duration::from_millis(1500);
/// How long a fault waits for its place.
const PLACE_LIMIT: Duration = Duration::from_secs(10);
/// How long a connection may take to come again after a hole.
const RECOVERY_LIMIT: Duration = Duration::from_secs(20);

/// See the module.
pub(crate) struct Lane {
    pub(crate) course: Arc<Course>,
    pub(crate) birth: Birth,
    pub(crate) proxy: AmqpProxy,
    /// Where the worker finds Docker, if it has sandboxes.
    pub(crate) gate: Option<DockerGate>,
    life: Life,
    /// Connections through the proxy when this life began.
    made_before: usize,
    /// Faults that hit this life.
    after: Vec<Fault>,
}

impl Lane {
    pub(crate) fn new(course: Arc<Course>, birth: Birth, proxy: AmqpProxy, gate: Option<DockerGate>) -> Self {
        let made_before = proxy.made();
        let life = Life::begin(&birth, course.doom());
        Self { course, birth, proxy, gate, life, made_before, after: Vec::new() }
    }

    /// Breaks what there is to break, until there is no more.
    pub(crate) async fn run(mut self) -> Self {
        while let Some(act) = self.course.next(self.gate.is_some()) {
            if !self.perform(act).await {
                self.course.missed(act);
            }
            self.revive();
        }
        // Jobs go on, so whoever is to end at a point does so soon. When all have, there are no more to come.
        loop {
            let doom = if self.life.doom.is_some() {
                if timeout(PLACE_LIMIT, self.life.end()).await.is_ok() {
                    self.revive();
                    continue;
                }
                None
            } else if let Some(doom) = self.course.doom() {
                Some(doom)
            } else {
                return self;
            };
            self.kill(At::Any(Duration::ZERO), doom).await;
        }
    }

    /// Tells the worker to stop, and looks how it does.
    pub(crate) async fn stop(&mut self, limit: Duration) {
        // A process that has only just begun has not taken the signal over yet, and SIGTERM ends it as it ends any other.
        self.until_connected(self.made_before).await;
        self.life.signal(Signal::SIGTERM);
        match timeout(limit, self.life.end()).await {
            Ok(status) if status.code() == Some(0) => {}
            Ok(status) => self.course.broken(format!("{} was told to stop and ended with {status}", self.birth.id)),
            Err(_elapsed) => self.course.broken(format!("{} did not stop", self.birth.id)),
        }
    }

    /// Starts the worker once more after it was told to stop.
    pub(crate) fn live_again(&mut self) {
        self.begin(None);
    }

    /// Starts the worker again if it has ended, and notes how it did; says whether it had.
    fn revive(&mut self) -> bool {
        let Some(status) = self.life.ended() else { return false };
        match self.life.doom {
            Some(Doom { point, .. }) if was_killed(status) => self.course.died(point, &self.after),
            _ => self.course.broken(format!("{} ended by itself: {status}", self.birth.id)),
        }
        self.begin(self.course.doom());
        true
    }

    fn begin(&mut self, doom: Option<Doom>) {
        self.made_before = self.proxy.made();
        self.life = Life::begin(&self.birth, doom);
        self.after.clear();
    }

    /// Kills the worker and starts it again, to end as said.
    async fn kill(&mut self, at: At, doom: Option<Doom>) {
        self.life.signal(Signal::SIGKILL);
        self.life.end().await;
        self.course.hit(Fault::Kill, at);
        self.begin(doom);
    }

    /// The same, unless it ended by itself just now: then `false`. One that was to end at a point does so in its next life.
    async fn kill_next(&mut self, at: At) -> bool {
        if self.revive() {
            return false;
        }
        let doom = self.life.doom.or_else(|| self.course.doom());
        self.kill(at, doom).await;
        true
    }

    /// Does one fault; `false`: its place was not passed in time.
    async fn perform(&mut self, act: Act) -> bool {
        match act.at {
            At::Any(wait) => {
                sleep(wait).await;
                return self.at_any_moment(act).await;
            }
            // The course gives these to lives that begin.
            At::Point(_) => return false,
            At::Wire(..) => {}
        }
        let action = match act.fault {
            Fault::Cut => Break::Cut,
            Fault::Hole => Break::Hole,
            Fault::Kill | Fault::Pause | Fault::Restart | Fault::Alarm | Fault::Docker => Break::Hold,
        };
        let made = self.proxy.made();
        let Some(hit) = self.place(act, action).await else { return false };
        match act.fault {
            Fault::Kill => return self.kill_next(act.at).await,
            Fault::Cut => {}
            Fault::Hole => self.until_connected(made).await,
            Fault::Pause => self.pause(hit).await,
            Fault::Restart => self.restart_broker().await,
            Fault::Alarm => self.alarm(hit).await,
            Fault::Docker => self.docker_away(hit).await,
        }
        self.course.hit(act.fault, act.at);
        self.after.push(act.fault);
        true
    }

    async fn at_any_moment(&mut self, act: Act) -> bool {
        if act.fault == Fault::Kill {
            return self.kill_next(act.at).await;
        }
        let mut looks = interval(Duration::from_millis(20));
        let connected = async {
            // A worker that is about to connect has nothing to be cut yet.
            while self.proxy.cut_all() == 0 {
                looks.tick().await;
                self.revive();
            }
        };
        let cut = timeout(PLACE_LIMIT, connected).await.is_ok();
        if cut {
            self.course.hit(act.fault, act.at);
            self.after.push(act.fault);
        }
        cut
    }

    /// Waits until the place is passed. A worker that dies meanwhile is started again.
    async fn place(&mut self, act: Act, action: Break) -> Option<Hit> {
        let At::Wire(step, side) = act.at else { return None };
        let mut hit = self.proxy.arm(Trap { step, side, skip: act.skip, action });
        if matches!(step, Step::Connect | Step::Consume) {
            // They come with a new connection only.
            self.proxy.cut_all();
        }
        let found = timeout(PLACE_LIMIT, self.hit_or_death(&mut hit)).await;
        if found.is_err() {
            self.proxy.disarm();
        }
        found.ok()
    }

    async fn hit_or_death(&mut self, hit: &mut oneshot::Receiver<Hit>) -> Hit {
        let mut looks = interval(Duration::from_millis(20));
        loop {
            tokio::select! {
                hit = &mut *hit => return hit.expect("the trap is there until it is sprung"),
                _ = looks.tick() => {
                    self.revive();
                }
            }
        }
    }

    async fn until_connected(&mut self, made: usize) {
        let mut looks = interval(Duration::from_millis(50));
        let connected = async {
            while self.proxy.made() <= made.max(self.made_before) {
                looks.tick().await;
                self.revive();
            }
        };
        // If it is not, the next faults miss, and jobs stay open: the report says so.
        drop(timeout(RECOVERY_LIMIT, connected).await);
    }

    async fn pause(&mut self, hit: Hit) {
        self.life.signal(Signal::SIGSTOP);
        drop(hit);
        sleep(PAUSE).await;
        self.life.signal(Signal::SIGCONT);
    }

    async fn restart_broker(&self) {
        let _alone = self.course.broker.lock().await;
        ctl(&["stop_app"]).await;
        ctl(&["start_app"]).await;
    }

    async fn alarm(&self, hit: Hit) {
        let _alone = self.course.broker.lock().await;
        ctl(&["set_vm_memory_high_watermark", "absolute", "1"]).await;
        drop(hit);
        sleep(OUTAGE).await;
        ctl(&["set_vm_memory_high_watermark", "0.4"]).await;
    }

    async fn docker_away(&self, hit: Hit) {
        let gate = self.gate.as_ref().expect("only workers with sandboxes are hit by this");
        gate.set_open(false);
        drop(hit);
        sleep(OUTAGE).await;
        gate.set_open(true);
    }
}

async fn ctl(arguments: &'static [&'static str]) {
    tokio::task::spawn_blocking(|| rabbitmqctl(arguments)).await.expect("run rabbitmqctl");
}
