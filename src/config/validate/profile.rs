//! Checks one profile.

use super::{Problem, is_name, join};
use crate::config::model::{Profile, Report};
use crate::domain::limits::{Limits, LimitsPatch};
use crate::domain::path::{JobPath, PathBounds};

const DRIVER: &str = "/tester/pytest_driver.py";
const ENTRY: &str = "{entry}";
/// What must be left of the memory when both scratch folders are full, for the program itself.
const SCRATCH_RESERVE_BYTES: u64 = 16 << 20;

/// Jobs that one sandbox may run. More would gain nothing.
const USES_MAX: usize = 1000;

/// Everything that is wrong with a profile.
pub(super) fn check(name: &str, profile: &Profile, problems: &mut Vec<Problem>) {
    let key = join("profiles", name);
    let mut report = |field: &str, message: String, hint: Option<&str>| {
        let problem = Problem::new(format!("{key}.{field}"), message);
        problems.push(match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
    };
    if !is_name(name, true) {
        let hint = Some("use 1 to 64 letters, digits, `.`, `_` and `-`");
        report("name", format!("`{name}` cannot be a profile: its name is in labels and metrics"), hint);
    }
    if profile.image.is_empty() || profile.image.contains(char::is_whitespace) {
        report("image", format!("`{}` is not an image", profile.image), None);
    }
    if profile.argv.first().is_none_or(String::is_empty) {
        report("argv", "names no program".to_owned(), Some("for example argv = [\"python3\", \"{entry}\"]"));
    }
    if let Err(error) = entry_path(&profile.entry) {
        report("entry", error, None);
    }
    if !(1..=USES_MAX).contains(&profile.uses_per_sandbox) {
        let message = format!("is {}; 1 to {USES_MAX} is possible", profile.uses_per_sandbox);
        report("uses_per_sandbox", message, Some("leave it at 1: every job gets a sandbox of its own"));
    }
    words("argv", &profile.argv, &profile.entry, &mut report);
    words("compile", &profile.compile, &profile.entry, &mut report);
    if profile.compile.is_empty() && profile.compile_limits != LimitsPatch::default() {
        let hint = Some("name the compiler in `compile`, or leave compile_limits away");
        report("compile_limits", "is set, but the profile compiles nothing".to_owned(), hint);
    }
    preload(profile, &mut report);
    for (variable, value) in &profile.env {
        if !is_variable(variable) || value.contains('\0') {
            let hint = Some("use letters, digits and `_`, not a digit first, and no NUL byte in the value");
            report("env", format!("`{variable}` cannot be an environment variable"), hint);
        }
    }
    limits(profile, &mut report);
}

fn preload(profile: &Profile, report: &mut impl FnMut(&str, String, Option<&str>)) {
    if !profile.is_warm() {
        return;
    }
    for module in profile.preload.iter().filter(|module| !is_module(module)) {
        report(
            "preload",
            format!("`{module}` cannot be a module"),
            Some("name modules as `import` does, json or numpy.linalg"),
        );
    }
    if profile.argv.first().is_some_and(|program| program.contains(ENTRY)) {
        let hint = Some("only an interpreter of the image's can wait for a job; leave preload empty");
        report("preload", "is set, but argv begins with a program of the job's".to_owned(), hint);
    }
}

fn is_module(name: &str) -> bool {
    name.split('.').all(|part| {
        part.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    })
}

fn words(field: &str, words: &[String], entry: &str, report: &mut impl FnMut(&str, String, Option<&str>)) {
    if words.iter().any(|word| word.contains('\0')) {
        report(field, "holds a NUL byte, which no program can be given".to_owned(), None);
    }
    if field == "compile" && words.first().is_some_and(String::is_empty) {
        report(
            field,
            "names no program".to_owned(),
            Some("for example compile = [\"gcc\", \"-o\", \"program\", \"{entry}\"]"),
        );
    }
    if entry.is_empty() && words.iter().any(|word| word.contains(ENTRY)) {
        let hint = Some("set the profile's entry to the file that a job has by default, main.py for example");
        report(field, format!("holds {ENTRY}, but the profile has no entry"), hint);
    }
}

fn limits(profile: &Profile, report: &mut impl FnMut(&str, String, Option<&str>)) {
    let mut sound = true;
    let patches =
        [("limits", &profile.limits), ("limits_max", &profile.limits_max), ("compile_limits", &profile.compile_limits)];
    for (field, patch) in patches {
        if let Err(error) = patch.check() {
            report(field, error.to_string(), None);
            sound = false;
        }
    }
    if !sound {
        return;
    }
    let effective = Limits::default().overlaid(&profile.limits);
    if let Err(error) = effective.check_within(&profile.limits_max) {
        let hint = "the profile's own limits, defaults included, must be within its limits_max";
        report("limits_max", error.to_string(), Some(hint));
    }
    scratch("limits", effective, report);
    if !profile.compile.is_empty() {
        scratch("compile_limits", effective.overlaid(&profile.compile_limits), report);
    }
}

/// Both scratch folders are memory.
fn scratch(field: &str, limits: Limits, report: &mut impl FnMut(&str, String, Option<&str>)) {
    let Limits { memory_bytes, scratch_bytes, .. } = limits;
    let needed = scratch_bytes.saturating_mul(2).saturating_add(SCRATCH_RESERVE_BYTES);
    if needed > memory_bytes {
        let message = format!(
            "memory_bytes is {memory_bytes} and scratch_bytes {scratch_bytes}: the two scratch folders are memory, and \
             with both full there would be less than {SCRATCH_RESERVE_BYTES} bytes left for the program"
        );
        let hint = format!("set memory_bytes to {needed} or more, or lower scratch_bytes");
        report(field, message, Some(&hint));
    }
}

/// What is allowed but probably not meant.
pub(super) fn hints(name: &str, profile: &Profile, slots: usize) -> Vec<Problem> {
    let key = join("profiles", name);
    let mut hints = Vec::new();
    if profile.warm > slots {
        let message = format!("keeps {} sandboxes ready, but only {slots} jobs run at once", profile.warm);
        hints.push(Problem::new(format!("{key}.warm"), message).hint("more than worker.slots only costs memory"));
    }
    let python = |program: &String| {
        program.rsplit('/').next().is_some_and(|name| name.starts_with("python") || name.starts_with("pypy"))
    };
    if profile.is_warm() && !profile.argv.first().is_some_and(python) {
        let message = "is set, but argv does not begin with python3 or the like: only Python can be kept warm";
        hints.push(Problem::new(format!("{key}.preload"), message.to_owned()).hint("other programs start plainly"));
    }
    if profile.uses_per_sandbox > 1 {
        let message = format!("lets {} jobs follow one another in a sandbox", profile.uses_per_sandbox);
        hints.push(Problem::new(format!("{key}.uses_per_sandbox"), message).hint(
            "it is emptied between them and shown to be; if your jobs are of people who must not even measure one another, \
             leave it at 1",
        ));
    }
    let driver = profile.argv.iter().any(|word| word.contains(DRIVER));
    if profile.report == Report::Pytest && !driver {
        let message = format!("is pytest, but argv does not run {DRIVER}: no report will come");
        hints.push(Problem::new(format!("{key}.report"), message));
    }
    hints
}

fn entry_path(entry: &str) -> Result<(), String> {
    if entry.is_empty() {
        return Ok(());
    }
    let bounds = PathBounds { bytes_max: 4095, depth_max: 1000 };
    JobPath::parse(entry, bounds).map(drop).map_err(|error| error.to_string())
}

fn is_variable(name: &str) -> bool {
    name.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
