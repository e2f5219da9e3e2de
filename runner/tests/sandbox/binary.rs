//! The static runner, built as the worker's build script builds it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the static binary, or finds it built, and gives its path. `TESTER_RUNNER` names one that is built already, for
/// machines without a compiler.
pub(crate) fn static_runner() -> PathBuf {
    if let Some(path) = std::env::var_os("TESTER_RUNNER") {
        return path.into();
    }
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("runner");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--locked", "--bin", "tester-runner", "--features", "pid1"])
        .arg("--manifest-path")
        .arg(manifest.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&folder)
        .args(["--target", &target])
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C relocation-model=static")
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the static runner must build");
    folder.join(target).join("release/tester-runner")
}
