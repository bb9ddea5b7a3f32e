//! The clients at exact versions in directories under `target/`, installed again only when a version changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Runs the Python driver in a virtual environment of one SDK: all of them install the same package.
pub(crate) fn python_sdk(version: u8) -> impl Fn() -> Command {
    python(&version.to_string(), "driver.py")
}

/// Runs a script in a virtual environment of its own.
pub(crate) fn python(environment: &str, script: &str) -> impl Fn() -> Command + use<> {
    let directory = directory(&format!("python-{environment}"));
    let requirements = source(&format!("python/requirements-{environment}.txt"));
    once(&directory, &[&requirements], || {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&directory));
        run(Command::new(directory.join("bin/pip"))
            .args(["install", "--quiet", "--requirement"])
            .arg(&requirements));
    });
    let script = source(&format!("python/{script}"));
    move || {
        let mut driver = Command::new(directory.join("bin/python"));
        driver.arg(&script);
        driver
    }
}

/// Runs the Node driver with one SDK.
pub(crate) fn node_sdk(version: u8) -> impl Fn() -> Command {
    let driver = node("driver.mjs");
    move || {
        let mut node = driver();
        node.arg(format!("@zohocrm/nodejs-sdk-{version}.0"));
        node
    }
}

/// Runs a script; it is copied beside the packages, because that is where Node looks for them.
pub(crate) fn node(script: &str) -> impl Fn() -> Command + use<> {
    static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
        let directory = directory("node");
        let manifests = [source("node/package.json"), source("node/package-lock.json")];
        once(&directory, &manifests.each_ref(), || {
            fs::create_dir_all(&directory).unwrap();
            for manifest in &manifests {
                copy(manifest, &directory);
            }
            run(Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
                .current_dir(&directory));
        });
        directory
    });
    copy(&source(&format!("node/{script}")), &DIRECTORY);
    let script = DIRECTORY.join(script);
    move || {
        let mut node = Command::new("node");
        node.arg(&script);
        node
    }
}

/// Installs unless it ended well before with the same manifests.
fn once(directory: &Path, manifests: &[&PathBuf], install: impl FnOnce()) {
    let installed = directory.join("installed");
    let wanted: String = manifests.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    if fs::read_to_string(&installed).is_ok_and(|found| found == wanted) {
        return;
    }
    install();
    fs::write(installed, wanted).unwrap();
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} did not start, is it installed? {error}"));
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

fn copy(file: &Path, directory: &Path) {
    fs::copy(file, directory.join(file.file_name().unwrap())).unwrap();
}

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sdk").join(path)
}

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk").join(name)
}
