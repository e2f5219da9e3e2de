//! Builds the runner (the program inside every sandbox) as a static binary and hands it to the worker to embed.
//!
//! The runner has a target folder of its own, below this package's `OUT_DIR`, so that the two builds never wait for one
//! another's lock. `--target` is given even when it is the host: without it `crt-static` would also apply to the
//! procedural macros, which must stay dynamic.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    for path in ["runner/src", "runner/Cargo.toml", "Cargo.lock", "build.rs"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(variable("OUT_DIR")?);
    let binary = build_runner(&root, &out.join("runner-target"))?;
    let bytes = std::fs::read(&binary).map_err(|error| format!("read {}: {error}", binary.display()))?;
    let mut digest = String::new();
    for byte in Sha256::digest(&bytes) {
        write!(digest, "{byte:02x}")?;
    }
    println!("cargo::rustc-env=TESTER_RUNNER_PATH={}", binary.display());
    println!("cargo::rustc-env=TESTER_RUNNER_SHA256={digest}");
    Ok(())
}

fn build_runner(root: &Path, target_dir: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let target = variable("TARGET")?;
    let mut command = Command::new(variable("CARGO")?);
    command
        .args(["build", "--release", "--locked", "--bin", "tester-runner", "--features", &features()])
        .arg("--manifest-path")
        .arg(root.join("runner/Cargo.toml"))
        .arg("--target-dir")
        .arg(target_dir)
        .args(["--target", &target])
        // Clippy and coverage tools wrap rustc for the outer build; the runner is built plainly.
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C relocation-model=static");
    if std::env::var_os("CARGO_NET_OFFLINE").is_some_and(|value| value == "true") {
        command.arg("--offline");
    }
    let status = command.status().map_err(|error| format!("start cargo for the runner: {error}"))?;
    if !status.success() {
        return Err(format!("building the runner failed: {status}").into());
    }
    Ok(target_dir.join(target).join("release").join("tester-runner"))
}

/// The runner's features: its program, and in a build for tests what the worker was built with.
fn features() -> String {
    let without_walls = std::env::var_os("CARGO_FEATURE_WITHOUT_WALLS").is_some();
    if without_walls { "pid1,without-walls".to_owned() } else { "pid1".to_owned() }
}

/// Cargo sets these for every build script; a missing one is a broken build environment.
fn variable(name: &str) -> Result<String, Box<dyn Error>> {
    std::env::var_os(name)
        .and_then(|value| value.into_string().ok())
        .ok_or_else(|| format!("{name} is not set by cargo").into())
}
