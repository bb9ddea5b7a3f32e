//! Child processes of tests: this test binary again, running a single ignored test.

use std::env;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::path::Path;
use std::process::Command;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::{ffi::OsStr, path::PathBuf};

/// A command that runs only `test`, which is ignored otherwise.
pub(crate) fn child_process(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture"]);
    command
}

/// Runs `test` to its end with a library preloaded that is compiled from `source`, a file in
/// `tests/it`, to `directory`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn run_preloaded(
    test: &str,
    source: &str,
    directory: &Path,
    variables: &[(&str, &OsStr)],
) {
    let library: PathBuf = directory.join("preloaded.so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([&library, &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(source)])
        .args(["-ldl", "-lpthread"])
        .status();
    assert!(compiled.expect("a C compiler, as SQLite needs one").success());
    let ran = child_process(test)
        .envs(variables.iter().copied())
        .env("LD_PRELOAD", &library)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    // A misspelt name selects no test, which is a success too.
    assert!(String::from_utf8_lossy(&ran.stdout).contains("1 passed"), "{ran:?}");
}
