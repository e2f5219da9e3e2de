//! Configuration as an operator meets it: layers, messages, secrets.
#![cfg(test)]

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::ExposeSecret;
use tester_worker::config::{self, ConfigError, Environment, Loaded, load_from};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn environment(variables: &[(&str, &str)]) -> Environment {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let variables: BTreeMap<_, _> = variables.iter().map(pair).collect();
    Environment { variables, host_name: "host-7".to_owned(), ..Environment::default() }
}

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("worker.toml");
    std::fs::write(&path, file).unwrap();
    load_from(Some(&path), &environment(variables))
}

#[track_caller]
fn problems(file: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let error = load(file, variables).unwrap_err();
    error.problems().iter().map(ToString::to_string).collect()
}

/// Exactly one problem, which says all of this.
#[track_caller]
fn refused(file: &str, says: &[&str]) {
    let problems = problems(file, &[]);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    for part in says {
        assert!(problems[0].contains(part), "{part:?} is not in {:?}", problems[0]);
    }
}

#[test]
fn the_defaults_are_usable_and_are_those_of_the_contract() {
    let loaded = load_from(None, &environment(&[])).unwrap();
    let config = &loaded.config;
    assert_eq!(config.worker.id, "host-7");
    assert_eq!((config.worker.audience.as_str(), config.worker.slots, config.worker.drain_seconds), ("tester", 2, 30));
    assert_eq!(config.broker.urls[0].expose_secret(), "amqp://guest:guest@localhost:5672/%2f");
    assert_eq!((config.broker.classes[0].name.as_str(), config.broker.classes[0].weight), ("default", 1));
    assert_eq!((config.protocol.body_bytes_max, config.protocol.result_bytes_max), (8_388_608, 12_582_912));
    assert_eq!(config.profiles.keys().collect::<Vec<_>>(), ["pytest", "python"]);
    assert_eq!(config.profiles["python"].argv, ["python3", "{entry}"]);
    assert_eq!(config.profiles["python"].limits_max.wall_seconds, Some(60.0));
    assert_eq!(config.sidecar.listen, "127.0.0.1:8080");
    assert!(loaded.sources.is_empty() && loaded.hints.is_empty() && loaded.token.is_none());
}

#[test]
fn a_file_changes_only_what_it_names() {
    let file = "[worker]\nslots = 4\n[profiles.python]\nwarm = 3\n\
                [profiles.cpp]\nimage = \"gcc\"\nargv = [\"./a.out\"]\n";
    let loaded = load(file, &[]).unwrap();
    let profiles = &loaded.config.profiles;
    assert_eq!(profiles.keys().collect::<Vec<_>>(), ["cpp", "pytest", "python"]);
    assert_eq!((profiles["python"].warm, profiles["python"].image.as_str()), (3, "tester-sandbox"));
    assert_eq!((profiles["cpp"].warm, profiles["cpp"].uses_per_sandbox), (1, 1));
    assert_eq!((loaded.config.worker.slots, loaded.config.worker.audience.as_str()), (4, "tester"));
}

#[test]
fn extra_sandboxes_have_a_bound() {
    assert_eq!(load("[pool]\nextra_max = 1000\n", &[]).unwrap().config.pool.extra_max, 1000);
    refused("[pool]\nextra_max = 1001\n", &["`pool.extra_max`", "is 1001, but must be 0 to 1000", "a container"]);
    refused(&format!("[pool]\nextra_max = {}\n", i64::MAX), &["must be 0 to 1000"]);
}

#[test]
fn a_sandbox_for_several_jobs_is_a_choice_that_is_told() {
    let loaded = load("[profiles.python]\nuses_per_sandbox = 2\n", &[]).unwrap();
    assert_eq!(loaded.config.profiles["python"].uses_per_sandbox, 2);
    assert_eq!(loaded.hints.len(), 1);
    assert!(loaded.hints[0].to_string().contains("lets 2 jobs follow one another"), "{}", loaded.hints[0]);
}

#[test]
fn a_built_in_profile_can_be_turned_off_but_not_all_of_them() {
    let loaded = load("[profiles.pytest]\nenabled = false\n", &[]).unwrap();
    assert_eq!(loaded.config.profiles.keys().collect::<Vec<_>>(), ["python"]);
    let none = "[profiles.pytest]\nenabled = false\n[profiles.python]\nenabled = false\n";
    refused(none, &["there is no profile"]);
}

#[test]
fn classes_in_a_file_replace_the_default_one() {
    let loaded = load("[[broker.classes]]\nname = \"exam\"\nweight = 3\n", &[]).unwrap();
    let classes: Vec<_> = loaded.config.broker.classes.iter().map(|class| class.name.as_str()).collect();
    assert_eq!(classes, ["exam"]);
}

#[test]
fn variables_win_over_the_file_and_are_read_by_the_type_of_their_key() {
    let file = "[worker]\nslots = 4\naudience = \"a\"\n[keys.policies.\"Backend-1\"]\nprofiles = [\"python\"]\n";
    let variables = [
        ("TESTER_WORKER__WORKER__SLOTS", "7"),
        ("tester_worker__worker__audience", "12"),
        ("TESTER_WORKER__BROKER__URLS", "amqp://a, amqps://b"),
        ("TESTER_WORKER__BROKER__CLASSES", r#"[{ name = "x", weight = 2 }, { name = "y", weight = 1 }]"#),
        ("TESTER_WORKER__PROFILES__PYTHON__LIMITS__WALL_SECONDS", "2.5"),
        ("TESTER_WORKER__PROFILES__PYTHON__ENV__OMP__Num", "1"),
        ("TESTER_WORKER__PROFILES__CPP__IMAGE", "gcc"),
        ("TESTER_WORKER__PROFILES__CPP__ARGV", "./a.out"),
        ("TESTER_WORKER__KEYS__POLICIES__BACKEND_1__REPLY_QUEUES", "results.*"),
        ("TESTER_WORKER_PORT", "tcp://10.0.0.1:80"),
    ];
    let loaded = load(file, &variables).unwrap();
    let config = &loaded.config;
    assert_eq!((config.worker.slots, config.worker.audience.as_str()), (7, "12"));
    assert_eq!(
        config.broker.urls.iter().map(ExposeSecret::expose_secret).collect::<Vec<_>>(),
        ["amqp://a", "amqps://b"]
    );
    assert_eq!(config.broker.classes.len(), 2);
    assert_eq!(config.profiles["python"].limits.wall_seconds, Some(2.5));
    assert_eq!(config.profiles["python"].env["OMP__Num"], "1");
    assert_eq!(config.profiles["cpp"].argv, ["./a.out"]);
    assert_eq!(config.keys.policies["Backend-1"].reply_queues.as_deref(), Some(&["results.*".to_owned()][..]));
    assert_eq!(loaded.sources["worker.slots"], "TESTER_WORKER__WORKER__SLOTS");
}

#[test]
fn every_problem_is_reported_at_once_with_its_place_and_the_likely_name() {
    let file =
        "[worker]\nslot = 4\naudience = 3\n[broker]\nprefech = 1\n[profiles.cpp]\nimage = \"gcc\"\n[colour]\nred = 1\n";
    let variables = [("TESTER_WORKER__BROKER__URL", "x"), ("TESTER_WORKER__WORKER__SLOTS", "many")];
    let problems = problems(file, &variables);
    for (key, says) in [
        ("`worker.slot`", "did you mean `slots`?"),
        ("`worker.audience`", "must be text, not 3"),
        ("`broker.prefech`", "there is no such key"),
        ("`profiles.cpp.argv`", "is missing"),
        ("`colour`", "there is no such key"),
        ("`TESTER_WORKER__BROKER__URL`", "did you mean URLS?"),
        ("`TESTER_WORKER__WORKER__SLOTS`", "must be a whole number"),
    ] {
        let found = problems.iter().find(|problem| problem.starts_with(key));
        let found = found.unwrap_or_else(|| panic!("{key} is not in {problems:#?}"));
        assert!(found.contains(says), "{found}");
        assert!(found.contains("worker.toml") || key.starts_with("`TESTER"), "no source: {found}");
    }
    assert_eq!(problems.len(), 7, "{problems:#?}");
}

#[test]
fn problems_of_types_and_of_values_are_reported_together() {
    let problems = problems("[worker]\nslots = \"2\"\nattempts_max = 0\n[log]\nformat = \"xml\"\n", &[]);
    assert_eq!(problems.len(), 3, "{problems:#?}");
    assert!(problems.iter().any(|problem| problem.contains("must be one of text, json, not `xml`")), "{problems:#?}");
    assert!(problems.iter().any(|problem| problem.contains("`worker.attempts_max` (") && problem.contains("is 0")));
}

#[test]
fn a_file_that_is_not_toml_or_not_there_is_named_without_its_secrets() {
    refused("[broker]\nurls = [\"amqp://u:hunter2@h\" \"x\"]\n", &["worker.toml", "not TOML: line 2, column"]);
    let error = load("[broker]\nurls = [\"amqp://u:hunter2@h\" \"x\"]\n", &[]).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let error = load_from(Some(Path::new("/nowhere/x.toml")), &environment(&[])).unwrap_err();
    assert!(error.to_string().contains("/nowhere/x.toml") && error.to_string().contains("cannot read"), "{error}");
}

#[test]
fn values_that_cannot_work_are_refused_with_the_reason() {
    refused("[worker]\nslots = 0", &["worker.slots", "must be 1 to"]);
    refused("[worker]\nid = \"a b\"", &["worker.id", "part of queue names"]);
    refused("[worker]\naudience = \"\"", &["worker.audience", "is empty"]);
    refused("[worker]\nstalled_seconds = 4", &["worker.stalled_seconds", "5 or more"]);
    refused("[broker]\nheartbeat_seconds = 1", &["must be 2 or more"]);
    refused("[broker]\nheartbeat_seconds = 70000", &["from 0 to 65535, not 70000"]);
    refused("[broker]\nurls = []", &["broker.urls", "is empty"]);
    refused("[broker]\nurls = [\"http://x\"]", &["broker.urls[0]", "amqp://"]);
    refused("[broker]\nclasses = []", &["broker.classes", "is empty"]);
    refused("[[broker.classes]]\nname = \"A b\"\nweight = 1", &["`A b` cannot be a class"]);
    refused("[[broker.classes]]\nname = \"a\"\nweight = 0", &["broker.classes[0].weight", "1 to 1000"]);
    let twice = "[[broker.classes]]\nname = \"a\"\nweight = 1\n[[broker.classes]]\nname = \"a\"\nweight = 1";
    refused(twice, &["broker.classes[1].name", "there twice"]);
    refused("[broker]\nconsumer_timeout_seconds = 240", &["`pytest` may run for 120 seconds", "RabbitMQ's"]);
    refused("[keys]\njwks_file = \"k\"", &["keys.signing_key_file", "keys generate"]);
    refused("[keys]\nsigning_key_file = \"k\"", &["keys.signing_kid"]);
    refused("[keys.policies.a]\nprofiles = [\"ruby\"]", &["profile `ruby`, which does not exist"]);
    refused("[keys.policies.a]\nreply_queues = [\"[\"]", &["not a glob"]);
    refused("[keys.policies.a.limits_max]\nwall_seconds = 0", &["keys.policies.a.limits_max", "above zero"]);
    refused("[protocol]\nresult_bytes_max = 134217729", &["protocol.result_bytes_max", "134217728"]);
    refused("[docker]\nhost = \"/var/run/docker.sock\"", &["docker.host", "unix:///"]);
    refused("[pool]\ncreate_parallel_max = 0", &["pool.create_parallel_max"]);
    refused("[sidecar]\nlisten = \"8080\"", &["sidecar.listen", "127.0.0.1:8080"]);
    refused("[log]\nfilter = \"x=loud\"", &["log.filter", "x=loud"]);
}

#[test]
fn profiles_that_cannot_work_are_refused_with_the_reason() {
    let profile = |text: &str| format!("[profiles.cpp]\nimage = \"gcc\"\nargv = [\"./a.out\"]\n{text}\n");
    refused("[profiles.cpp]\nimage = \"gcc\"\nargv = []", &["profiles.cpp.argv", "names no program"]);
    refused("[profiles.cpp]\nimage = \"gcc\"\nargv = [\"{entry}\"]", &["has no entry"]);
    refused("[profiles.cpp]\nimage = \"\"\nargv = [\"x\"]", &["is not an image"]);
    refused(&profile("entry = \"../x\""), &["profiles.cpp.entry", ".."]);
    refused(
        "[profiles.cpp]\nimage = \"gcc\"\nentry = \"a\"\nargv = [\"{entry}\"]\npreload = [\"json\"]",
        &["cpp.preload", "of the job's"],
    );
    for module in ["", "a b", "../x", "a..b", "os;"] {
        refused(&profile(&format!("preload = [{module:?}]")), &["cpp.preload", "cannot be a module"]);
    }
    refused(&profile("uses_per_sandbox = 0"), &["profiles.cpp.uses_per_sandbox", "is 0; 1 to 1000 is possible"]);
    refused(&profile("uses_per_sandbox = 1001"), &["1 to 1000 is possible"]);
    refused(&profile("env = { \"1A\" = \"x\" }"), &["`1A` cannot be an environment variable"]);
    refused(&profile("compile = [\"\"]"), &["profiles.cpp.compile", "names no program"]);
    refused(&profile("compile = [\"g++\", \"{entry}\"]"), &["profiles.cpp.compile", "has no entry"]);
    refused(&profile("compile_limits = { wall_seconds = 9 }"), &["profiles.cpp.compile_limits", "compiles nothing"]);
    let small = "compile = [\"g++\"]\ncompile_limits = { memory_bytes = 33554432 }";
    refused(&profile(small), &["profiles.cpp.compile_limits", "scratch folders are memory"]);
    let slow = "compile = [\"g++\"]\ncompile_limits = { wall_seconds = 1700 }";
    refused(&profile(slow), &["consumer_timeout_seconds", "may run for 1710 seconds"]);
    refused(&profile("limits = { cpus = 0 }"), &["profiles.cpp.limits", "above zero"]);
    refused(&profile("limits = { processes = 2.5 }"), &["limits.processes", "whole number", "2.5"]);
    refused(&profile("limits = { wall = 1 }"), &["limits.wall`", "did you mean `wall_seconds`?"]);
    refused(&profile("limits_max = { wall_seconds = 5 }"), &["wall_seconds is 10, but 5 is the maximum"]);
    let scratch = profile("limits = { memory_bytes = 134217728 }");
    refused(&scratch, &["the two scratch folders are memory", "set memory_bytes to 150994944 or more"]);
    assert!(load(&profile("limits = { memory_bytes = 150994944 }"), &[]).is_ok());
}

#[test]
fn more_warm_sandboxes_than_slots_is_a_hint_only() {
    let loaded = load("[profiles.python]\nwarm = 9", &[]).unwrap();
    assert_eq!(loaded.hints.len(), 1);
    assert!(loaded.hints[0].to_string().contains("only 2 jobs run at once"), "{}", loaded.hints[0]);
}

#[test]
fn the_token_comes_from_one_place_and_is_long_enough() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, format!("{TOKEN}\n")).unwrap();
    let file = path.to_str().unwrap();
    let token = |variables: &[(&str, &str)]| {
        load("", variables).map(|loaded| loaded.token.map(|t| t.expose_secret().to_owned()))
    };
    assert_eq!(token(&[("WORKER_AUTH_TOKEN", TOKEN)]).unwrap().as_deref(), Some(TOKEN));
    assert_eq!(token(&[("WORKER_AUTH_TOKEN_FILE", file), ("WORKER_AUTH_TOKEN", "")]).unwrap().as_deref(), Some(TOKEN));
    let both = token(&[("WORKER_AUTH_TOKEN", TOKEN), ("WORKER_AUTH_TOKEN_FILE", file)]).unwrap_err();
    assert!(both.to_string().contains("set only one"), "{both}");
    let short = token(&[("WORKER_AUTH_TOKEN", "hunter2")]).unwrap_err().to_string();
    assert!(
        short.contains("7 bytes") && short.contains("openssl rand -hex 32") && !short.contains("hunter2"),
        "{short}"
    );
    let missing = token(&[("WORKER_AUTH_TOKEN_FILE", "/nowhere/t")]).unwrap_err();
    assert!(missing.to_string().contains("cannot read /nowhere/t"), "{missing}");
}

#[test]
fn urls_may_come_from_a_secret_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("urls");
    std::fs::write(&path, "amqp://u:a,b@h1\namqp://h2\n").unwrap();
    let variables = [("TESTER_WORKER__BROKER__URLS_FILE", path.to_str().unwrap())];
    let loaded = load("", &variables).unwrap();
    let urls: Vec<_> = loaded.config.broker.urls.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(urls, ["amqp://u:a,b@h1", "amqp://h2"]);
    let both = [variables[0], ("TESTER_WORKER__BROKER__URLS", "amqp://h")];
    assert!(problems("", &both)[0].contains("sets the same key"));
}

#[test]
fn keys_are_asked_for_only_by_who_needs_them() {
    let error = load("", &[]).unwrap().require_keys().unwrap_err();
    assert!(error.to_string().contains("WORKER_AUTH_TOKEN"), "{error}");
    assert!(load("", &[("WORKER_AUTH_TOKEN", TOKEN)]).unwrap().require_keys().is_ok());
    let keys = "[keys]\njwks_file = \"/nowhere/j\"\nsigning_key_file = \"/nowhere/k\"\nsigning_kid = \"w\"\n";
    let loaded = load(keys, &[]).unwrap();
    assert!(loaded.require_keys().is_ok());
    assert_eq!(loaded.check_files().unwrap_err().problems().len(), 2);
}

#[test]
fn the_example_profiles_are_good_and_change_no_other() {
    let file = include_str!("../examples/profiles/c-and-cpp.toml");
    let config = load(file, &[]).unwrap().config;
    assert_eq!(config.profiles.keys().collect::<Vec<_>>(), ["c", "cpp", "pytest", "python"]);
    assert_eq!(config.profiles["c"].compile.first().map(String::as_str), Some("gcc"));
    assert_eq!(config.profiles["cpp"].compile_limits.wall_seconds, Some(40.0));
}

#[test]
fn what_is_printed_loads_again_and_holds_no_secret() {
    let file = "[profiles.cpp]\nimage = \"gcc\"\nargv = [\"./a.out\", \"a\\\"b\\\\c\"]\nlimits = { cpus = 1.5 }\n\
                [keys.policies.\"a.b\"]\nlimits_max = { wall_seconds = 60 }\n";
    let variables = [
        ("WORKER_AUTH_TOKEN", TOKEN),
        ("TESTER_WORKER__BROKER__URLS", "amqp://u:hunter2@h"),
        ("TESTER_WORKER__WORKER__SLOTS", "7"),
    ];
    let printed = config::print(&load(file, &variables).unwrap());
    assert!(!printed.contains(TOKEN) && !printed.contains("hunter2"), "{printed}");
    assert!(printed.contains("slots = 7  # from TESTER_WORKER__WORKER__SLOTS\n"), "{printed}");
    assert!(printed.contains("urls = [\"[REDACTED]\"]  # from TESTER_WORKER__BROKER__URLS\n"), "{printed}");
    assert!(printed.find("[worker]") < printed.find("[broker]"), "{printed}");

    let again = load(&printed.replace("[REDACTED]", "amqp://h"), &[]).unwrap();
    assert_eq!(again.config.worker.slots, 7);
    assert_eq!(again.config.profiles["cpp"].argv, ["./a.out", "a\"b\\c"]);
    assert_eq!(again.config.keys.policies["a.b"].limits_max.wall_seconds, Some(60.0));
}

#[test]
fn every_key_of_the_model_is_in_the_commented_defaults() {
    let sections = config::reference::sections();
    let schema = config::schema();
    for (name, section) in schema["properties"].as_object().unwrap() {
        let (name, properties) = match name.as_str() {
            "profiles" => ("profiles.python", &section["additionalProperties"]["properties"]),
            other => (other, &section["properties"]),
        };
        let documented = sections.iter().find(|section| section.name() == name);
        let documented = documented.unwrap_or_else(|| panic!("[{name}] is not in default.toml"));
        for key in properties.as_object().unwrap().keys().filter(|key| !["classes", "policies"].contains(&key.as_str()))
        {
            let entry = documented.entries.iter().find(|entry| entry.key == *key);
            assert!(entry.is_some_and(|entry| !entry.meaning.is_empty()), "{name}.{key} is not explained");
        }
    }
}
