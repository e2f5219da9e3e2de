//! From a verified job and its profile to what the runner is told.

use std::collections::BTreeMap;
use std::time::Duration;

use tester_runner::BOX_DIR;
use tester_runner::message::{Start, Warm};

use super::report::REPORT_BYTES_MAX;
use crate::config::model::{Profile, Report};
use crate::domain::content::Content;
use crate::domain::job::Job;
use crate::domain::limits::Limits;

/// Job uids lie in this range: they fit a 65,536-wide user-namespace remap and no image's own users.
const UIDS: std::ops::Range<u32> = 20_000..60_000;

/// Where programs are looked up when the image does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a warm interpreter may take to import its modules. Large ones take long with half a CPU.
pub(super) const WARM_TIME_MAX: Duration = Duration::from_mins(1);

/// What stands for the entry file in a profile's `argv`.
const ENTRY: &str = "{entry}";

/// Which of a job's programs runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The profile's compiler.
    Compile,
    /// The program.
    Run,
}

/// What one run is given besides the job's files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) stage: Stage,
    pub(super) stdin: &'a Content,
    /// Arguments after the profile's own.
    pub(super) args: &'a [String],
    pub(super) limits: &'a Limits,
    /// Whether the sandbox runs nothing after this.
    pub(super) last: bool,
}

/// The order of one run.
pub(super) fn start(
    job: &Job,
    profile: &Profile,
    image_env: &BTreeMap<String, String>,
    asked: &Asked<'_>,
    uid: u32,
) -> Start {
    let limits = asked.limits;
    Start {
        uid,
        argv: argv(job, profile, asked),
        path: path(profile, image_env),
        env: environment(&job.env, profile, image_env),
        wall_milliseconds: milliseconds(limits.wall_seconds),
        cpu_milliseconds: milliseconds(limits.cpu_seconds),
        stdout_bytes: limits.stdout_bytes,
        stderr_bytes: limits.stderr_bytes,
        file_bytes: limits.file_bytes,
        open_files: limits.open_files,
        report: asked.stage == Stage::Run && profile.report != Report::None,
        report_bytes_max: REPORT_BYTES_MAX,
        cpus_milli: milliseconds(limits.cpus),
        warm: asked.stage == Stage::Run && profile.is_warm(),
        last: asked.last,
        probe: None,
    }
}

/// The order of a profile's warm interpreter, if it has one: to start as its jobs' programs will, as far as that is known
/// without a job.
pub(super) fn warm(profile: &Profile, image_env: &BTreeMap<String, String>) -> Option<Warm> {
    profile.is_warm().then(|| Warm {
        argv: profile_argv(profile, Stage::Run, &profile.entry),
        path: path(profile, image_env),
        env: environment(&BTreeMap::new(), profile, image_env),
        modules: profile.preload.clone(),
        milliseconds_max: u64::try_from(WARM_TIME_MAX.as_millis()).unwrap_or(u64::MAX),
    })
}

/// The words of a profile for a stage.
pub(super) fn words(profile: &Profile, stage: Stage) -> &[String] {
    match stage {
        Stage::Compile => &profile.compile,
        Stage::Run => &profile.argv,
    }
}

/// Whether the program of a stage comes from the job itself: it is the entry, or lies in the job's folder, where the
/// compiler puts it.
pub(super) fn program_is_the_jobs(profile: &Profile, stage: Stage) -> bool {
    let in_folder = |program: &str| match program.strip_prefix(BOX_DIR) {
        Some(rest) => rest.starts_with('/'),
        None => program.contains('/') && !program.starts_with('/'),
    };
    words(profile, stage).first().is_some_and(|program| program.contains(ENTRY) || in_folder(program))
}

/// A uid for one run, that no other run is likely to share.
///
/// # Errors
/// When the kernel has no random numbers.
pub(super) fn random_uid() -> std::io::Result<u32> {
    let random = getrandom::u32().map_err(std::io::Error::other)?;
    Ok(UIDS.start + random % (UIDS.end - UIDS.start))
}

fn argv(job: &Job, profile: &Profile, asked: &Asked<'_>) -> Vec<String> {
    let entry = job.entry.as_ref().map_or(profile.entry.as_str(), |path| path.as_str());
    let mut argv = profile_argv(profile, asked.stage, entry);
    argv.extend_from_slice(asked.args);
    argv
}

fn profile_argv(profile: &Profile, stage: Stage, entry: &str) -> Vec<String> {
    let word = |(index, word): (usize, &String)| {
        // A program without a slash would be looked up in PATH, and a name like `-c` be taken for an option.
        let in_box = index == 0 || entry.starts_with('-');
        let entry = if in_box { format!("./{entry}") } else { entry.to_owned() };
        word.replace(ENTRY, &entry)
    };
    words(profile, stage).iter().enumerate().map(word).collect()
}

/// Where a profile's program is looked up: the `PATH` that a job which sets none would have.
fn path(profile: &Profile, image_env: &BTreeMap<String, String>) -> String {
    let set = profile.env.get("PATH").or_else(|| image_env.get("PATH"));
    set.map_or(DEFAULT_PATH, String::as_str).to_owned()
}

/// The image's environment, then ours, the profile's and the job's; the later one wins.
fn environment(
    of_the_job: &BTreeMap<String, String>,
    profile: &Profile,
    image_env: &BTreeMap<String, String>,
) -> Vec<(String, String)> {
    let mut env = BTreeMap::from([("PATH".to_owned(), DEFAULT_PATH.to_owned())]);
    env.extend(image_env.clone());
    env.insert("HOME".to_owned(), BOX_DIR.to_owned());
    env.extend(profile.env.clone());
    env.extend(of_the_job.clone());
    env.into_iter().collect()
}

/// Thousandths of a limit, rounded up: a limit above zero never becomes none.
pub(super) fn milliseconds(value: f64) -> u64 {
    format!("{:.0}", (value * 1000.0).ceil().clamp(1.0, 9e15)).parse().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::job::{JobDigest, JobKey};
    use crate::domain::path::{JobPath, PathBounds};

    fn job(entry: Option<&str>) -> Job {
        let path = |path: &str| JobPath::parse(path, PathBounds { bytes_max: 255, depth_max: 16 }).unwrap();
        Job {
            key: JobKey { issuer: "b".to_owned(), id: uuid::Uuid::nil() },
            digest: JobDigest([0; 32]),
            issued_at: 0,
            expires_at: 0,
            reply_to: "r".to_owned(),
            profile: "python".to_owned(),
            entry: entry.map(path),
            files: Vec::new(),
            stdin: Content::default(),
            args: vec!["{entry}".to_owned(), "-x".to_owned()],
            env: BTreeMap::from([("A".to_owned(), "job".to_owned())]),
            limits: Limits::default(),
            cases: Vec::new(),
            stop_on_failure: false,
            artifacts: Vec::new(),
            stream: false,
        }
    }

    fn profile(argv: &[&str]) -> Profile {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let text = format!("image = 'i'\nentry = 'main.py'\nargv = {argv:?}\nenv = {{ A = 'profile', B = 'profile' }}");
        toml::from_str(&text).unwrap()
    }

    fn asked(job: &Job, stage: Stage) -> Asked<'_> {
        let args = if stage == Stage::Run { job.args.as_slice() } else { &[] };
        Asked { stage, stdin: &job.stdin, args, limits: &job.limits, last: true }
    }

    fn argv_of(entry: Option<&str>, profile: &Profile) -> Vec<String> {
        let job = job(entry);
        argv(&job, profile, &asked(&job, Stage::Run))
    }

    #[test]
    fn the_entry_is_replaced_in_the_profiles_words_and_never_in_the_jobs() {
        assert_eq!(argv_of(None, &profile(&["python3", "{entry}"])), ["python3", "main.py", "{entry}", "-x"]);
        assert_eq!(
            argv_of(Some("a/b.py"), &profile(&["python3", "--f={entry}"])),
            ["python3", "--f=a/b.py", "{entry}", "-x"]
        );
    }

    #[test]
    fn an_entry_is_never_taken_for_an_option_or_looked_up_in_path() {
        let python = argv_of(Some("-c"), &profile(&["python3", "{entry}"]));
        assert_eq!(python, ["python3", "./-c", "{entry}", "-x"]);
        let compiled = argv_of(Some("prog"), &profile(&["{entry}"]));
        assert_eq!(compiled, ["./prog", "{entry}", "-x"]);
    }

    #[test]
    fn a_program_in_the_jobs_folder_is_the_jobs_and_one_of_the_image_is_not() {
        for (program, jobs) in [("{entry}", true), ("./program", true), ("out/program", true), ("/box/program", true)]
            .into_iter()
            .chain([("python3", false), ("/usr/bin/python3", false)])
        {
            assert_eq!(program_is_the_jobs(&profile(&[program]), Stage::Run), jobs, "{program}");
        }
    }

    #[test]
    fn the_compiler_gets_the_entry_and_none_of_the_jobs_arguments() {
        let mut profile = profile(&["./program"]);
        profile.compile = ["cc", "-o", "program", "{entry}"].map(str::to_owned).to_vec();
        let job = job(Some("-main.c"));
        assert_eq!(argv(&job, &profile, &asked(&job, Stage::Compile)), ["cc", "-o", "program", "./-main.c"]);
        assert_eq!(argv(&job, &profile, &asked(&job, Stage::Run)), ["./program", "{entry}", "-x"]);
    }

    #[test]
    fn the_jobs_environment_wins_over_the_profiles_and_the_images() {
        let image = BTreeMap::from([("A".to_owned(), "image".to_owned()), ("PATH".to_owned(), "/image".to_owned())]);
        let env = environment(&job(None).env, &profile(&["x"]), &image);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(env, [pair("A", "job"), pair("B", "profile"), pair("HOME", "/box"), pair("PATH", "/image")]);
    }

    #[test]
    fn a_program_is_looked_up_by_the_profiles_path_or_the_images_and_never_the_jobs() {
        let image = BTreeMap::from([("PATH".to_owned(), "/image".to_owned())]);
        let mut profile = profile(&["x"]);
        assert_eq!(path(&profile, &BTreeMap::new()), DEFAULT_PATH);
        assert_eq!(path(&profile, &image), "/image");
        profile.env.insert("PATH".to_owned(), "/profile".to_owned());
        assert_eq!(path(&profile, &image), "/profile");
    }

    #[test]
    fn a_limit_above_zero_never_becomes_none() {
        assert_eq!(milliseconds(0.000_01), 1);
        assert_eq!(milliseconds(0.5), 500);
        assert_eq!(milliseconds(10.0), 10_000);
    }

    #[test]
    fn uids_lie_in_the_range_of_the_contract() {
        for _ in 0..1000 {
            assert!((20_000..=59_999).contains(&random_uid().unwrap()));
        }
    }
}
