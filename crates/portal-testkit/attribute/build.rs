//! Looks for the programs that tests need, and watches them.

use std::env;
use std::path::Path;

#[path = "../src/programs.rs"]
mod programs;

use programs::{VARIABLE, find, postgresql};

/// Each with the Debian package that has it. PostgreSQL is looked for in more places.
const PROGRAMS: [(&str, &str); 8] = [
    ("bash", "bash"),
    ("curl", "curl"),
    ("fish", "fish"),
    ("groff", "groff"),
    ("mandoc", "mandoc"),
    ("sed", "sed"),
    ("setsid", "util-linux"),
    ("zsh", "zsh"),
];

/// Where an installation puts them. Watching every folder of the path can take seconds, as under WSL.
const INSTALLED: [&str; 3] = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"];

fn main() {
    let postgresql = ("postgresql", "postgresql", postgresql());
    let others = PROGRAMS.map(|(name, package)| (name, package, find(name)));
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for (name, package, path) in [postgresql].into_iter().chain(others) {
        match path {
            Some(path) => {
                println!("cargo::rerun-if-changed={}", path.display());
                found.push(name);
            }
            None => missing.push(format!("{name}={package}")),
        }
    }
    if !missing.is_empty() {
        if env::var_os(VARIABLE).is_some_and(|value| value == "required") {
            println!("cargo::error={VARIABLE}=required, but not found: {}", missing.join(" "));
        }
        for folder in INSTALLED.into_iter().filter(|folder| Path::new(folder).exists()) {
            println!("cargo::rerun-if-changed={folder}");
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../src/programs.rs");
    println!("cargo::rerun-if-env-changed=PATH");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    println!("cargo::rustc-env=FOUND={}", found.join(" "));
    println!("cargo::rustc-env=MISSING={}", missing.join(" "));
}
