//! Reads the three layers and makes one checked configuration of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use config::{Map, Value, ValueKind};
use secrecy::SecretString;
use serde_json::Value as Json;

use super::inspect::Findings;
use super::layers::Layer;
use super::model::Config;
use super::problem::{ConfigError, Problem};
use super::shape::Shape;
use super::{DEFAULT, validate, variables};

/// Where a configuration is looked for when no file is named.
const DEFAULT_FILE: &str = "/etc/tester-worker/config.toml";

/// What the world around the process says: everything that loading reads besides files named in it.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Environment variables; others than the worker's own may be there and are not looked at.
    pub variables: BTreeMap<String, String>,
    /// Names of the worker's own variables whose values are not UTF-8.
    pub unreadable: Vec<String>,
    /// The host's name, which an empty `worker.id` stands for.
    pub host_name: String,
    /// The file that is read when none is named, if it exists.
    pub default_file: Option<PathBuf>,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let mut environment = Self {
            host_name: nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default(),
            default_file: Some(PathBuf::from(DEFAULT_FILE)),
            ..Self::default()
        };
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| variables::ours(name)) else { continue };
            match value.into_string() {
                Ok(value) => drop(environment.variables.insert(name.to_owned(), value)),
                Err(_not_utf8) => environment.unreadable.push(name.to_owned()),
            }
        }
        environment
    }
}

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration; `worker.id` is filled in.
    pub config: Config,
    /// The shared HS256 token, if there is one: 32 bytes or more.
    pub token: Option<SecretString>,
    /// Where each value came from that is not a default, by key: a file's path or a variable's name.
    pub sources: BTreeMap<String, String>,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// What is allowed but probably not meant, for the log and for `config check`.
    pub hints: Vec<Problem>,
    /// The effective values as they were merged, for `config print`.
    pub(in crate::config) effective: Json,
}

impl Loaded {
    /// Checks that there is something to verify jobs with, and to sign results. Commands that need no keys do not ask.
    pub fn require_keys(&self) -> Result<(), ConfigError> {
        ConfigError::of(validate::keys_present(&self.config, self.token.is_some()))
    }

    /// Checks that every file that the configuration names can be read.
    pub fn check_files(&self) -> Result<(), ConfigError> {
        let keys = &self.config.keys;
        let files = [("keys.jwks_file", &keys.jwks_file), ("keys.signing_key_file", &keys.signing_key_file)];
        let unreadable = |(key, path): (&str, &String)| {
            let error = fs::File::open(path).err()?;
            Some(Problem::new(key, format!("cannot read {path}: {error}")).from_source(self.sources.get(key)))
        };
        ConfigError::of(files.into_iter().filter(|(_, path)| !path.is_empty()).filter_map(unreadable).collect())
    }
}

/// Loads the configuration of this process. The only function that reads the environment.
///
/// # Errors
/// [`ConfigError`] with every problem that could be found.
pub fn load(path: Option<&Path>) -> Result<Loaded, ConfigError> {
    load_from(path, &Environment::of_process())
}

/// Loads a configuration from a file and a given environment.
///
/// # Errors
/// [`ConfigError`] with every problem that could be found.
pub fn load_from(path: Option<&Path>, environment: &Environment) -> Result<Loaded, ConfigError> {
    let shape = Shape::of_config();
    let default_layer = Layer::parse(DEFAULT, None)?;
    let defaults = Findings::default().inspect(&shape, "", &merge(&[&default_layer])?, &Json::Null);
    let (file, file_layer) = file_layer(path, environment)?;

    let below = merge(&[&default_layer, &file_layer])?;
    let (variable_layer, mut problems) = variables::Reader::new(&shape, &below).read(&environment.variables);
    let not_utf8 = |name: &String| Problem::new(name, "its value is not UTF-8");
    problems.extend(environment.unreadable.iter().map(not_utf8));
    let token = variables::token(&environment.variables, &mut problems);

    let merged = merge(&[&default_layer, &file_layer, &variable_layer])?;
    let mut findings = Findings::default();
    let mut effective = findings.inspect(&shape, "", &merged, &defaults);
    problems.append(&mut findings.problems);
    fill_in_id(&mut effective, environment);

    let parsed: Result<Config, _> = serde_path_to_error::deserialize(&effective);
    let mut hints = Vec::new();
    match &parsed {
        Ok(config) => {
            let mut found = validate::check(config);
            hints = validate::hints(config);
            for problem in found.iter_mut().chain(&mut hints) {
                problem.source = source_of(&problem.key, &findings.sources);
            }
            problems.append(&mut found);
        }
        // Whatever the shape could tell is reported already; this is for what only the model's own types know.
        Err(error) if problems.is_empty() => {
            let key = error.path().to_string();
            problems.push(Problem::new(&key, error.inner().to_string()).from_source(findings.sources.get(&key)));
        }
        Err(_) => {}
    }
    match (ConfigError::of(problems), parsed) {
        (Ok(()), Ok(mut config)) => {
            config.profiles.retain(|_, profile| profile.enabled);
            Ok(Loaded { config, token, sources: findings.sources, file, hints, effective })
        }
        (Err(error), _) => Err(error),
        (Ok(()), Err(error)) => Err(ConfigError::one(Problem::new(error.path().to_string(), error.to_string()))),
    }
}

fn file_layer(path: Option<&Path>, environment: &Environment) -> Result<(Option<PathBuf>, Layer), ConfigError> {
    let empty = Layer(Map::new());
    let path = match (path, &environment.default_file) {
        (Some(path), _) => path,
        (None, Some(path)) if path.exists() => path,
        (None, _) => return Ok((None, empty)),
    };
    let name = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| {
        ConfigError::one(Problem::new(&name, format!("cannot read the configuration file: {error}")))
    })?;
    let layer = Layer::parse(&text, Some(&name))?;
    // The config crate reads a top-level key as a path (`a.b`, `a[1]`), so only plain names may reach it.
    let odd = layer.0.keys().find(|key| !key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')));
    if let Some(key) = odd {
        return Err(ConfigError::one(Problem::new(key, "there is no such key").from_source(Some(name))));
    }
    Ok((Some(path.to_owned()), layer))
}

fn merge(layers: &[&Layer]) -> Result<Value, ConfigError> {
    let failed = |error: config::ConfigError| ConfigError::one(Problem::new("configuration", error.to_string()));
    let builder = layers.iter().fold(config::Config::builder(), |builder, layer| builder.add_source((*layer).clone()));
    let table = builder.build().map_err(failed)?.cache.into_table().map_err(failed)?;
    Ok(Value::new(None, ValueKind::Table(table)))
}

fn fill_in_id(effective: &mut Json, environment: &Environment) {
    if let Some(id) = effective.pointer_mut("/worker/id")
        && id.as_str() == Some("")
    {
        *id = Json::from(environment.host_name.as_str());
    }
}

/// The source of a key, or of the nearest key above or below it.
fn source_of(key: &str, sources: &BTreeMap<String, String>) -> Option<String> {
    let related = |other: &str| {
        let (long, short) = if key.len() >= other.len() { (key, other) } else { (other, key) };
        long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    sources.get(key).or_else(|| sources.iter().find(|(other, _)| related(other)).map(|(_, source)| source)).cloned()
}
