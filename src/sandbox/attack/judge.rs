//! One pure function a wall: from what was seen to a verdict.

pub(super) mod inside;
pub(super) mod limits;

use tester_runner::found::Surroundings;
use tester_runner::message::Ended;

use super::{Verdict, Wall};
use crate::sandbox::session::{End, Session};

/// A function of [`inside`].
pub(super) type Inside = fn(&Surroundings, &inside::Expected<'_>) -> Verdict;

/// Every wall that is seen from inside, in the order in which it is told.
pub(super) const INSIDE: &[(Wall, Inside)] = &[
    (Wall::Network, inside::network),
    (Wall::SocketFamilies, inside::socket_families),
    (Wall::ReadOnlyRoot, inside::read_only_root),
    (Wall::ImageVolumes, inside::image_volumes),
    (Wall::Capabilities, inside::capabilities),
    (Wall::NoNewPrivileges, inside::no_new_privileges),
    (Wall::JobUid, inside::job_uid),
    (Wall::RunnerHidden, inside::runner_hidden),
    (Wall::Descriptors, inside::descriptors),
    (Wall::DenyList, inside::deny_list),
    (Wall::ProcMasks, inside::proc_masks),
    (Wall::OomPreference, inside::oom_preference),
    (Wall::ScratchSize, inside::scratch_size),
    (Wall::ScratchFiles, inside::scratch_files),
    (Wall::SharedMemory, inside::shared_memory),
    (Wall::PseudoTerminals, inside::pseudo_terminals),
    (Wall::FileSize, inside::file_size),
    (Wall::OpenFiles, inside::open_files),
    (Wall::CoreDumps, inside::core_dumps),
];

/// The report of a probe that was started, or what came in its place.
pub(super) fn reported(session: &Session) -> Result<&Ended, String> {
    match &session.end {
        End::Reported(ended) => match &ended.launch_error {
            Some(error) => Err(format!("the step `{}` of its start failed: {}", error.step, error.message)),
            None => Ok(ended),
        },
        End::Fault(fault) => Err(format!("the runner failed ({}): {}", fault.step, fault.message)),
        End::Lost => Err("the sandbox ended before it could report".to_owned()),
        End::Overdue { .. } => Err("the runner did not report in time".to_owned()),
        End::Cancelled => Err("the worker is stopping".to_owned()),
    }
}

/// The wall that the launcher missed when it refused to start anything.
pub(super) fn missed_by_launcher(session: &Session) -> Option<(Wall, String)> {
    let End::Reported(ended) = &session.end else { return None };
    let error = ended.launch_error.as_ref()?;
    let wall = match error.step.as_str() {
        "seccomp" => Wall::DenyList,
        "capabilities" => Wall::Capabilities,
        "verify" if error.message.starts_with("NoNewPrivs") => Wall::NoNewPrivileges,
        "verify" if error.message.starts_with("Cap") => Wall::Capabilities,
        "groups" | "gid" | "uid" | "verify" => Wall::JobUid,
        "descriptors" => Wall::Descriptors,
        "oom_score" => Wall::OomPreference,
        "limits" => Wall::FileSize,
        "open_files" => Wall::OpenFiles,
        _ => return None,
    };
    Some((wall, format!("the launcher starts nothing: {}", error.message)))
}

/// The counters that this host lacks and that results can be truthful without.
pub(super) fn evidence(missing: &[String]) -> Verdict {
    let missing: Vec<&str> = missing.iter().map(String::as_str).filter(|name| !limits::NEEDED.contains(name)).collect();
    if missing.is_empty() {
        Verdict::Held("every counter that a verdict may need is there".to_owned())
    } else {
        Verdict::CannotBeGiven(format!("this kernel or runtime does not count {}", missing.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use tester_runner::message::{Cause, LaunchError};

    use super::super::samples::{ended, session};
    use super::*;

    #[test]
    fn a_counter_that_is_not_there_is_named() {
        assert!(matches!(evidence(&[]), Verdict::Held(_)));
        let missing = ["memory_peak_bytes".to_owned(), "oom_kills".to_owned()];
        let Verdict::CannotBeGiven(text) = evidence(&missing) else { panic!("not named") };
        assert!(text.ends_with("does not count memory_peak_bytes"), "the other one has a wall of its own: {text}");
    }

    #[test]
    fn a_launcher_that_refuses_names_the_wall_that_it_missed() {
        for (step, message, wall) in [
            ("verify", "NoNewPrivs is `0` and not `1`", Some(Wall::NoNewPrivileges)),
            ("verify", "CapInh is `00000000000000e0` and not `0000000000000000`", Some(Wall::Capabilities)),
            ("verify", "Uid is `0` and not `7`", Some(Wall::JobUid)),
            ("seccomp", "invalid argument", Some(Wall::DenyList)),
            ("folder", "no such file", None),
        ] {
            let error = LaunchError { step: step.to_owned(), errno: 1, message: message.to_owned() };
            let run =
                session(End::Reported(Box::new(Ended { launch_error: Some(error), ..ended(Cause::Launch, None) })), "");
            assert_eq!(missed_by_launcher(&run).map(|(wall, _)| wall), wall, "{message}");
            assert!(reported(&run).unwrap_err().contains(message));
        }
    }

    #[test]
    fn a_sandbox_that_was_lost_says_nothing_about_the_launcher() {
        assert_eq!(missed_by_launcher(&session(End::Lost, "")), None);
        assert!(reported(&session(End::Lost, "")).is_err());
    }
}
