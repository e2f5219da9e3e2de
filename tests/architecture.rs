//! Holds the package to its shape: who may import whom, which library belongs to which folder, and how long a file is.
//!
//! It reads source text. Comments and string literals are taken out first, so that only code counts.
#![cfg(test)]

mod source;

use std::fs;
use std::path::{Path, PathBuf};

use source::{code, crate_modules, has_module_doc, names_crate};

const LINES_MAX: usize = 399;

/// Module, and the modules of this crate that it may import besides itself.
const ARROWS: [(&str, &[&str]); 10] = [
    ("crash", &[]),
    ("domain", &[]),
    ("config", &["domain"]),
    ("telemetry", &["domain", "config::model"]),
    ("protocol", &["domain", "config::model"]),
    ("ports", &["domain", "protocol"]),
    ("pipeline", &["domain", "protocol", "ports", "config", "telemetry", "crash"]),
    ("broker", &["domain", "protocol", "ports", "config", "telemetry", "crash"]),
    ("sandbox", &["domain", "protocol", "ports", "config", "telemetry", "crash"]),
    ("sidecar", &["domain", "protocol", "ports", "config", "telemetry"]),
];

/// Only these may import the application.
const OVER_THE_APPLICATION: [&str; 2] = ["app", "cli"];

/// Library, and the only module that may name it.
const OWNED: [(&str, &str); 5] =
    [("lapin", "broker"), ("bollard", "sandbox"), ("deadpool", "sandbox"), ("tar", "sandbox"), ("axum", "sidecar")];

/// A file of `src/`: its path, its top module, and its code.
struct SourceFile {
    path: PathBuf,
    module: String,
    /// 1 for `crate::config`, 2 for `crate::config::load`.
    depth: usize,
    code: String,
    text: String,
}

fn sources() -> Vec<SourceFile> {
    let files: Vec<_> = rust_files("src").into_iter().map(|path| read(&path)).collect();
    assert!(files.len() > 20, "src/ has only {} files: is the test looking at the right folder?", files.len());
    files
}

fn read(path: &Path) -> SourceFile {
    let text = fs::read_to_string(path).unwrap();
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let top = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    let module = top.trim_end_matches(".rs").to_owned();
    SourceFile { path: path.to_owned(), module, depth: inside.components().count(), code: code(&text), text }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Whether a module may import a path of this crate, `config::model::Config` for example.
fn allowed(module: &str, imported: &str) -> bool {
    let top = imported.split("::").next().unwrap_or_default();
    if top == module || OVER_THE_APPLICATION.contains(&module) || ["lib", "main"].contains(&module) {
        return true;
    }
    let Some((_, arrows)) = ARROWS.iter().find(|(name, _)| *name == module) else { return false };
    arrows.iter().any(|arrow| imported == *arrow || imported.starts_with(&format!("{arrow}::")))
}

/// What a module of this depth imports and may not.
fn forbidden_imports(module: &str, depth: usize, code: &str) -> Vec<String> {
    crate_modules(code, depth).into_iter().filter(|imported| !allowed(module, imported)).collect()
}

#[test]
fn imports_go_one_way() {
    let mut wrong = Vec::new();
    for file in sources() {
        if is_test_file(&file.path) {
            continue;
        }
        for imported in forbidden_imports(&file.module, file.depth, source::without_tests(&file.code)) {
            wrong.push(format!("{}: `{}` may not import `crate::{imported}`", file.path.display(), file.module));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_has_a_place_in_the_arrows() {
    for file in sources() {
        let known = ARROWS.iter().any(|(name, _)| *name == file.module)
            || OVER_THE_APPLICATION.contains(&file.module.as_str())
            || ["lib", "main"].contains(&file.module.as_str());
        assert!(known, "{}: the module `{}` is in no arrow; add it here", file.path.display(), file.module);
    }
}

#[test]
fn each_library_has_one_owner() {
    let mut wrong = Vec::new();
    for file in sources() {
        for (library, owner) in OWNED {
            if file.module != owner && names_crate(&file.code, library) {
                wrong.push(format!("{}: only src/{owner} may name `{library}`", file.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_short() {
    let mut files: Vec<_> = ["src", "runner/src", "tests"].into_iter().flat_map(rust_files).collect();
    files.push(root().join("build.rs"));
    let lines = |path: &PathBuf| fs::read_to_string(path).unwrap().lines().count();
    let long: Vec<_> = files.iter().filter(|path| lines(path) > LINES_MAX).collect();
    assert!(long.is_empty(), "over {LINES_MAX} lines: {long:?}");
}

#[test]
fn every_module_says_what_it_owns() {
    let files = sources().into_iter().map(|file| (file.path, file.text));
    let others = ["runner/src", "tests"].into_iter().flat_map(rust_files);
    let others = others.map(|path| (path.clone(), fs::read_to_string(&path).unwrap()));
    let silent: Vec<_> = files.chain(others).filter(|(_, text)| !has_module_doc(text)).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "without `//!` at the top: {silent:?}");
}

fn is_test_file(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "tests") || path.components().any(|part| part.as_os_str() == "tests")
}

#[test]
fn the_arrows_refuse_what_they_should() {
    let refused = [
        ("domain", "use crate::protocol::jws;"),
        ("ports", "fn f(x: crate::config::Loaded) {}"),
        ("protocol", "use crate::config::load;"),
        ("broker", "use crate::{domain::job, sandbox::pool::Pool};"),
        ("sandbox", "use crate::{\n    ports::{self},\n    broker,\n};"),
        ("telemetry", "use crate::ports::conditions::Part;"),
        ("pipeline", "use crate::app;"),
        ("sidecar", "use crate::cli as c;"),
        ("config", "pub use crate :: telemetry :: log;"),
        ("broker", "use super::super::sandbox::pool;"),
    ];
    for (module, code) in refused {
        assert_eq!(forbidden_imports(module, 2, code).len(), 1, "{module}: {code}");
    }
    let fine = [
        ("domain", "use crate::domain::limits::Limits;"),
        ("protocol", "use crate::{config::model::{Profile, Config}, domain::job::Job};"),
        ("sidecar", "use crate::{ports, telemetry::metrics::Metrics, config::Loaded};"),
        ("cli", "use crate::{app, broker, sandbox};"),
        ("main", "crate::cli::run()"),
    ];
    for (module, code) in fine {
        assert!(forbidden_imports(module, 2, code).is_empty(), "{module}: {code}");
    }
}
