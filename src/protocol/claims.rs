//! The claims of a job, from strict JSON. What a profile or a key allows is decided later.

use std::collections::{BTreeMap, BTreeSet};

use globset::GlobBuilder;

use super::VERSION;
use super::cases::{self, CaseClaims};
use super::fields::{At, ClaimError, Fields, object, string};
use super::quote::quote;
use super::strict::Json;
use crate::domain::content::Content;
use crate::domain::job::{JobFile, Role};
use crate::domain::limits::LimitsPatch;
use crate::domain::path::{JobPath, PathBounds};
use crate::domain::reason::RejectReason;

/// Bytes of one argument, or of one variable with its name, with the NUL that ends it: Linux takes no more.
const STRING_BYTES_MAX: usize = 128 * 1024;
/// Bytes of all arguments and variables together, each with its NUL and its pointer, as Linux counts them.
const STRINGS_BYTES_MAX: usize = 1024 * 1024;
const POINTER_BYTES: usize = 8;
/// Globs of artifacts.
const ARTIFACTS_MAX: usize = 64;
/// Bytes of one glob, of a profile's name, of a case's name.
pub(in crate::protocol) const NAME_BYTES_MAX: usize = 255;

const MEMBERS: [&str; 19] = [
    "v",
    "iss",
    "aud",
    "jti",
    "iat",
    "nbf",
    "exp",
    "reply_to",
    "profile",
    "entry",
    "files",
    "stdin",
    "args",
    "env",
    "limits",
    "cases",
    "stop_on_failure",
    "artifacts",
    "stream",
];

/// The bounds of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Files of one job.
    pub files_max: usize,
    /// Length and depth of a path.
    pub path: PathBounds,
}

/// Everything a job says besides who it is from, which one it is and where its answer goes.
#[derive(Debug)]
pub(in crate::protocol) struct Claims {
    pub(in crate::protocol) issued_at: u64,
    pub(in crate::protocol) not_before: Option<u64>,
    pub(in crate::protocol) expires_at: u64,
    pub(in crate::protocol) profile: String,
    pub(in crate::protocol) entry: Option<JobPath>,
    pub(in crate::protocol) files: Vec<JobFile>,
    pub(in crate::protocol) stdin: Content,
    pub(in crate::protocol) args: Vec<String>,
    pub(in crate::protocol) env: BTreeMap<String, String>,
    pub(in crate::protocol) limits: LimitsPatch,
    pub(in crate::protocol) cases: Vec<CaseClaims>,
    pub(in crate::protocol) stop_on_failure: bool,
    pub(in crate::protocol) artifacts: Vec<String>,
    pub(in crate::protocol) stream: bool,
}

impl Claims {
    /// Reads the claims; the first thing that is wrong decides.
    pub(in crate::protocol) fn read(json: Json, bounds: Bounds) -> Result<Self, ClaimError> {
        check_version(&json)?;
        let mut fields = Fields::open(At::Top, json, &MEMBERS)?;
        let issued_at = need_time(&mut fields, "iat")?;
        let not_before = fields.whole("nbf")?;
        let expires_at = need_time(&mut fields, "exp")?;
        let profile = bounded_name("profile", fields.need_string("profile")?)?;
        let files = read_files(fields.need("files")?, bounds)?;
        let entry = fields.string("entry")?.map(|path| parse_path("entry", &path, bounds.path)).transpose()?;
        let stdin = fields.content("stdin")?;
        let args = arguments("args", fields.list("args")?)?;
        let env = environment(fields.take("env"), &args)?;
        let limits = fields.limits("limits")?;
        let cases = cases::read(fields.list("cases")?)?;
        let stop_on_failure = fields.flag("stop_on_failure")?;
        let artifacts = read_artifacts(fields.list("artifacts")?)?;
        let stream = fields.flag("stream")?;
        Ok(Self {
            issued_at,
            not_before,
            expires_at,
            profile,
            entry,
            files,
            stdin,
            args,
            env,
            limits,
            cases,
            stop_on_failure,
            artifacts,
            stream,
        })
    }
}

/// Before anything else: members of another version would only look unknown.
fn check_version(json: &Json) -> Result<(), ClaimError> {
    let Json::Object(members) = json else {
        return Err(ClaimError::malformed(format_args!("the job must be an object, not {}", json.kind())));
    };
    match members.get("v") {
        Some(Json::Number(version)) if version.as_u64() == Some(VERSION) => Ok(()),
        Some(Json::Number(version)) => {
            Err(ClaimError::malformed(format_args!("v is {version}, but this worker speaks version {VERSION}")))
        }
        Some(other) => Err(ClaimError::malformed(format_args!("v must be the number {VERSION}, not {}", other.kind()))),
        None => Err(ClaimError::malformed(format_args!("the job needs the member v, which is {VERSION}"))),
    }
}

fn need_time(fields: &mut Fields<'_>, name: &'static str) -> Result<u64, ClaimError> {
    fields.whole(name)?.ok_or_else(|| ClaimError::malformed(format_args!("the job needs the member {name}")))
}

/// A name of 1 to 255 bytes.
pub(in crate::protocol) fn bounded_name(at: &str, name: String) -> Result<String, ClaimError> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        let text = format_args!("{at} has {} bytes; 1 to {NAME_BYTES_MAX} are allowed", name.len());
        return Err(ClaimError::malformed(text));
    }
    Ok(name)
}

fn bad_path(text: impl std::fmt::Display) -> ClaimError {
    ClaimError::new(RejectReason::BadPath, text)
}

fn parse_path(at: &str, path: &str, bounds: PathBounds) -> Result<JobPath, ClaimError> {
    JobPath::parse(path, bounds).map_err(|error| bad_path(format_args!("{at}: {error}")))
}

fn read_files(value: Json, bounds: Bounds) -> Result<Vec<JobFile>, ClaimError> {
    let at = At::Member(&At::Top, "files");
    let list = super::fields::list(at, value)?;
    if list.len() > bounds.files_max {
        let text = format_args!("the job has {} files, but {} is the most", list.len(), bounds.files_max);
        return Err(ClaimError::new(RejectReason::TooManyFiles, text));
    }
    let files = list
        .into_iter()
        .enumerate()
        .map(|(index, file)| read_file(At::Item(&at, index), file, bounds.path))
        .collect::<Result<Vec<_>, _>>()?;
    check_no_conflict(&files)?;
    Ok(files)
}

fn read_file(at: At<'_>, value: Json, bounds: PathBounds) -> Result<JobFile, ClaimError> {
    let mut fields = Fields::open(at, value, &["path", "content", "executable", "role"])?;
    let path = parse_path(&At::Member(&at, "path").to_string(), &fields.need_string("path")?, bounds)?;
    let content = super::fields::content(At::Member(&at, "content"), fields.need("content")?)?;
    let executable = fields.flag("executable")?;
    let role = match fields.string("role")?.as_deref() {
        None | Some("submission") => Role::Submission,
        Some("trusted") => Role::Trusted,
        Some(_) => {
            return Err(ClaimError::malformed(format_args!("{at}.role must be \"submission\" or \"trusted\"")));
        }
    };
    Ok(JobFile { path, content, executable, role })
}

/// No path twice, and none that is a file here and a folder there. Names are compared byte for byte, as Linux does.
fn check_no_conflict(files: &[JobFile]) -> Result<(), ClaimError> {
    let mut paths = BTreeSet::new();
    for file in files {
        if !paths.insert(file.path.as_str()) {
            return Err(bad_path(format_args!("the path {} is there twice", quote(file.path.as_str()))));
        }
    }
    for file in files {
        if let Some(folder) = file.path.parents().find(|folder| paths.contains(folder)) {
            let (folder, path) = (quote(folder), quote(file.path.as_str()));
            return Err(bad_path(format_args!("the path {folder} is a file, and {path} needs it as a folder")));
        }
    }
    Ok(())
}

/// Arguments of a program: strings without NUL, bounded one by one and together.
pub(in crate::protocol) fn arguments(at: &str, list: Vec<Json>) -> Result<Vec<String>, ClaimError> {
    let mut total = 0;
    list.into_iter()
        .enumerate()
        .map(|(index, value)| {
            let argument = match value {
                Json::String(text) => text,
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
                    let text = format_args!("{at}[{index}] must be a string, not {}", value.kind());
                    return Err(ClaimError::malformed(text));
                }
            };
            if argument.contains('\0') {
                return Err(ClaimError::malformed(format_args!("{at}[{index}] has a NUL byte")));
            }
            total += counted(argument.len());
            if argument.len() >= STRING_BYTES_MAX || total > STRINGS_BYTES_MAX {
                return Err(ClaimError::malformed(format_args!("{at} are longer than a program can be given")));
            }
            Ok(argument)
        })
        .collect()
}

const fn counted(bytes: usize) -> usize {
    bytes + 1 + POINTER_BYTES
}

fn environment(value: Option<Json>, args: &[String]) -> Result<BTreeMap<String, String>, ClaimError> {
    let at = At::Member(&At::Top, "env");
    let bad = |text: std::fmt::Arguments<'_>| ClaimError::new(RejectReason::BadEnv, text);
    let members = value.map_or_else(|| Ok(BTreeMap::new()), |value| object(at, value))?;
    let mut total: usize = args.iter().map(|argument| counted(argument.len())).sum();
    let mut env = BTreeMap::new();
    for (name, value) in members {
        let shown = quote(&name);
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(bad(format_args!("env: {shown} cannot be a variable's name")));
        }
        let Json::String(value) = value else {
            return Err(ClaimError::malformed(format_args!("env: {shown} must be a string, not {}", value.kind())));
        };
        if value.contains('\0') {
            return Err(bad(format_args!("env: the value of {shown} has a NUL byte")));
        }
        let bytes = name.len() + 1 + value.len();
        if bytes >= STRING_BYTES_MAX {
            return Err(bad(format_args!("env: {shown} has {bytes} bytes; below {STRING_BYTES_MAX} are allowed")));
        }
        total += counted(bytes);
        if total > STRINGS_BYTES_MAX {
            return Err(bad(format_args!("env and args together have more than {STRINGS_BYTES_MAX} bytes")));
        }
        env.insert(name, value);
    }
    Ok(env)
}

fn read_artifacts(list: Vec<Json>) -> Result<Vec<String>, ClaimError> {
    if list.len() > ARTIFACTS_MAX {
        let text = format_args!("artifacts has {} globs, but {ARTIFACTS_MAX} is the most", list.len());
        return Err(ClaimError::malformed(text));
    }
    let at = At::Member(&At::Top, "artifacts");
    list.into_iter()
        .enumerate()
        .map(|(index, value)| {
            let at = At::Item(&at, index);
            let glob = bounded_name(&at.to_string(), string(at, value)?)?;
            if glob.contains('\0') || glob.split('/').any(|part| matches!(part, "" | "." | "..")) {
                return Err(bad_path(format_args!("{at}: {} leads out of the job's folder", quote(&glob))));
            }
            if GlobBuilder::new(&glob).literal_separator(true).backslash_escape(true).build().is_err() {
                return Err(ClaimError::malformed(format_args!("{at}: {} is not a glob", quote(&glob))));
            }
            Ok(glob)
        })
        .collect()
}
