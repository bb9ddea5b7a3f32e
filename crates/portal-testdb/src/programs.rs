//! The machine's PostgreSQL programs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where `initdb`, `pg_ctl` and `postgres` are.
pub(crate) fn find() -> PathBuf {
    look().expect(
        "these tests need PostgreSQL's programs initdb, pg_ctl and postgres, on the PATH or under \
         /usr/lib/postgresql: install them (Debian: apt-get install postgresql); without them \
         PORTAL_TEST_DATABASE_URL can name a server for the tests that kill none",
    )
}

/// The same, or nothing.
pub(crate) fn look() -> Option<PathBuf> {
    let on_path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&on_path).map(|folder| (0, folder));
    // Debian keeps each version's in a folder of its own, off the path.
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let by_version = versions.filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((version, entry.path().join("bin")))
    });
    let is_complete = |folder: &Path| {
        ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).exists())
    };
    on_path
        .chain(by_version)
        .filter(|(_, folder)| is_complete(folder))
        .max_by_key(|(version, _)| *version)
        .map(|(_, folder)| folder)
}

/// Whether commands run as root, so that PostgreSQL's have to change to another user.
pub(crate) fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("`id` runs");
    output.stdout == b"0\n"
}

/// A command of whoever runs the server.
pub(crate) fn command(program: &Path, is_root: bool) -> Command {
    let mut command = if is_root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    // The folder of the tests may be closed to that user.
    command.current_dir("/");
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
