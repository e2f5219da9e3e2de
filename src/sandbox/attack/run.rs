//! The attack itself: one sandbox, probe after probe, memory last.

use tester_runner::found::Surroundings;
use tester_runner::message::{Probe, Start};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::judge::{self, inside::Expected, limits};
use super::probes::{self, KILL_WALL_MILLISECONDS};
use super::{Tried, Verdict, Wall};
use crate::ports::events::EventSink;
use crate::sandbox::blueprint::Blueprint;
use crate::sandbox::launch::Sandbox;
use crate::sandbox::session::{self, End, Plan, Session};
use crate::sandbox::tarball;

/// Attacks every wall of a sandbox that has run nothing yet. The sandbox is of no use afterwards; the caller removes it.
///
/// # Cancel safety
/// Dropping the future leaves a probe running: the caller removes the sandbox.
pub(in crate::sandbox) async fn attack(
    sandbox: &mut Sandbox,
    print: &Blueprint,
    stop: &CancellationToken,
) -> Vec<Tried> {
    let mut attack = Attack { sandbox, print: *print, stop, tried: Vec::new(), lost: None };
    attack.inside().await;
    attack.output().await;
    attack.processes().await;
    attack.cpu().await;
    attack.kill().await;
    attack.memory().await;
    let evidence = judge::evidence(&attack.sandbox.missing_evidence);
    attack.note(Wall::Evidence, evidence);
    attack.tried
}

struct Attack<'a> {
    sandbox: &'a mut Sandbox,
    print: Blueprint,
    stop: &'a CancellationToken,
    tried: Vec<Tried>,
    /// Why the sandbox can run no more.
    lost: Option<String>,
}

impl Attack<'_> {
    fn note(&mut self, wall: Wall, verdict: Verdict) {
        self.tried.push(Tried { wall, verdict });
    }

    /// Runs one probe. `None`: the sandbox was lost before, and the walls are noted as not attacked.
    async fn probe(&mut self, walls: &[Wall], probe: Probe) -> Option<Session> {
        self.probe_for(walls, probe, None).await.map(|(session, _uid)| session)
    }

    async fn probe_for(
        &mut self,
        walls: &[Wall],
        probe: Probe,
        wall_milliseconds: Option<u64>,
    ) -> Option<(Session, u32)> {
        let prepared = self.lost.clone().map_or_else(|| self.prepare(probe), Err);
        let (mut plan, uid) = match prepared {
            Ok(prepared) => prepared,
            Err(lost) => {
                for wall in walls {
                    self.note(*wall, Verdict::NotAttacked(lost.clone()));
                }
                return None;
            }
        };
        if let Some(milliseconds) = wall_milliseconds {
            plan.start.wall_milliseconds = milliseconds;
        }
        let (started, silent) = (Notify::new(), EventSink::silent());
        let session = session::run(&mut self.sandbox.link, &plan, self.stop, (&started, &silent)).await;
        let usable = matches!(&session.end, End::Reported(ended) if ended.clean) && !self.stop.is_cancelled();
        if !usable {
            let seen = judge::reported(&session).map_or_else(|seen| seen, |_ended| "something lived on".to_owned());
            self.lost = Some(format!("the sandbox was lost to the probe {probe:?}: {seen}"));
        }
        Some((session, uid))
    }

    fn prepare(&mut self, probe: Probe) -> Result<(Plan, u32), String> {
        let failed = |error: std::io::Error| format!("the probe {probe:?} could not be prepared: {error}");
        let uid = self.sandbox.past.new_uid().map_err(failed)?;
        let start: Start = probes::start(probe, &self.print, uid);
        Ok((
            Plan { start, tar: tarball::pack(&[]).map_err(failed)?, stdin: bytes::Bytes::new(), passed: |_point| () },
            uid,
        ))
    }

    async fn inside(&mut self) {
        let walls: Vec<Wall> = judge::INSIDE.iter().map(|(wall, _)| *wall).collect();
        let Some((session, uid)) = self.probe_for(&walls, Probe::Surroundings, None).await else { return };
        let found = judge::reported(&session)
            .and_then(|_ended| serde_json::from_slice(&session.stdout).map_err(|error| unreadable(&session, &error)));
        match found {
            Ok(found) => self.judge_inside(&found, uid),
            Err(seen) => {
                let missed = judge::missed_by_launcher(&session);
                for wall in walls {
                    self.note(
                        wall,
                        match &missed {
                            Some((missed, seen)) if *missed == wall => Verdict::Broken(seen.clone()),
                            _ => Verdict::NotAttacked(seen.clone()),
                        },
                    );
                }
                // Every other probe is refused for the same reason.
                self.lost.get_or_insert(seen);
            }
        }
    }

    fn judge_inside(&mut self, found: &Surroundings, uid: u32) {
        let image = std::sync::Arc::clone(&self.sandbox.image);
        let expected = Expected { uid, print: self.print, volumes: &image.volumes };
        for (wall, judge) in judge::INSIDE {
            self.note(*wall, judge(found, &expected));
        }
    }

    async fn output(&mut self) {
        if let Some(session) = self.probe(&[Wall::Output], Probe::Output).await {
            self.note(Wall::Output, limits::output(&session));
        }
    }

    async fn processes(&mut self) {
        if let Some(session) = self.probe(&[Wall::Processes], probes::processes(&self.print)).await {
            let verdict = limits::processes(&session, &self.print, &self.sandbox.missing_evidence);
            self.note(Wall::Processes, verdict);
        }
    }

    async fn cpu(&mut self) {
        let walls = [Wall::CpuTime, Wall::CpuQuota];
        if let Some(session) = self.probe(&walls, probes::cpu_time(&self.print)).await {
            let missing = &self.sandbox.missing_evidence;
            let (time, quota) =
                (limits::cpu_time(&session, missing), limits::cpu_quota(&session, &self.print, missing));
            self.note(Wall::CpuTime, time);
            self.note(Wall::CpuQuota, quota);
        }
    }

    /// Again with more time while the host is too slow to plant the tree.
    async fn kill(&mut self) {
        let walls = [Wall::WallTime, Wall::Kill];
        for milliseconds in KILL_WALL_MILLISECONDS {
            let Some((session, _)) = self.probe_for(&walls, Probe::Kill, Some(milliseconds)).await else { return };
            if let Some(verdict) = limits::kill(&session, &self.print) {
                self.note(Wall::WallTime, limits::wall_time(&session, milliseconds));
                self.note(Wall::Kill, verdict);
                return;
            }
        }
        for wall in walls {
            self.note(wall, Verdict::NotAttacked("the host was too slow to start five processes".to_owned()));
        }
    }

    async fn memory(&mut self) {
        let walls = [Wall::Memory, Wall::Swap];
        if let Some(session) = self.probe(&walls, probes::memory(&self.print)).await {
            let missing = &self.sandbox.missing_evidence;
            let (memory, swap) = (limits::memory(&session, &self.print, missing), limits::swap(&session, &self.print));
            self.note(Wall::Memory, memory);
            self.note(Wall::Swap, swap);
        }
    }
}

fn unreadable(session: &Session, error: &serde_json::Error) -> String {
    let said = String::from_utf8_lossy(&session.stderr);
    let said: String = said.trim().chars().take(200).collect();
    format!("what the probe found cannot be read ({error}); it said `{said}`")
}
