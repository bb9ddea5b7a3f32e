//! The servers under test, each a process of its own: `portal serve`, and the stub.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::exchange::{exchange, request};
use crate::process::Process;

/// Where the API has its portals.
pub(crate) const PORTALS: &str = "/crm/v7/settings/portals";

/// As many connections as a bare commit has inserts.
pub(crate) const CONNECTIONS: u32 = 64;

/// The request that creates a portal.
pub(crate) fn create(path: &str, token: &str, name: &str) -> Vec<u8> {
    let body = format!(r#"{{"portals":[{{"name":"{name}"}}]}}"#);
    request("POST", path, token, "application/json", &body)
}

/// The command `portal`, built as this program is: an old one would measure the past.
pub(crate) static PORTAL: LazyLock<PathBuf> = LazyLock::new(|| {
    let program = env::current_exe().expect("this program has a path");
    let directory = program.parent().expect("it is in a directory");
    let profile = match directory.file_name().and_then(OsStr::to_str) {
        None | Some("debug") => "dev",
        Some(profile) => profile,
    };
    let target = directory.parent().expect("it is in a target directory");
    let mut build = cargo(target, &["--profile", profile]);
    let status = build.status().unwrap_or_else(|error| panic!("{build:?}: {error}"));
    assert!(status.success(), "{build:?}: {status}");
    directory.join(format!("portal{}", env::consts::EXE_SUFFIX))
});

/// The command that builds `portal` into a target directory.
pub(crate) fn cargo(target: &Path, profile: &[&str]) -> Command {
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build
        .args(["build", "--quiet", "--locked", "--package", "portal-cli", "--target-dir"])
        .arg(target)
        .args(profile)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    // What `cargo run` tells of this package; some build scripts would run again because of it.
    let of_this =
        |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_this)) {
        build.env_remove(name);
    }
    build
}

/// A directory beside this program, on a disk: where the system has its temporary files may be
/// memory.
pub(crate) fn directory() -> TempDir {
    let program = env::current_exe().expect("this program has a path");
    let beside = program.parent().expect("it is in a directory");
    tempfile::Builder::new().prefix("portal-bench-").tempdir_in(beside).expect("it can be written")
}

/// The data directory of a server that keeps its data on the disk, in its own.
pub(crate) const DATA: &str = "data";

/// The secret of every client.
pub(crate) const SECRET: &str = "client-secret";

/// The client of an org, which has the number that the registry gives it.
pub(crate) fn client_id(org: u32) -> String {
    format!("1000.CLIENT{org}")
}

/// Grants tokens of an org.
pub(crate) fn refresh_token(org: u32) -> String {
    format!("1000.refresh.{org}")
}

/// The seed file of so many orgs, each with one user.
pub(crate) fn seed(orgs: u32) -> String {
    let org = |org| {
        format!(
            r#"
[[org]]
name = "Org {org}"
[[org.user]]
name = "Admin"
email = "admin@org{org}.example"
permissions = ["manage_portal", "manage_portal_users"]
[[org.user.credential]]
client_id = "{}"
client_secret = "{SECRET}"
refresh_token = "{}"
scopes = ["ZohoCRM.settings.clientportal.ALL", "ZohoCRM.org.READ"]
"#,
            client_id(org),
            refresh_token(org)
        )
    };
    (1..=orgs).map(org).collect()
}

/// Where a server keeps its data.
#[derive(Clone, Copy)]
pub(crate) enum Storage<'a> {
    /// In its directory.
    Disk,
    /// In memory, for what is measured elsewhere.
    Memory,
    /// In the PostgreSQL database with this URL.
    Database(&'a str),
}

/// A server under test, in a process of its own.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts `portal serve` over so many orgs of [`seed`], with its files in `directory`, and waits
    /// until it listens.
    pub(crate) fn start(
        directory: &Path,
        storage: Storage<'_>,
        orgs: u32,
        arguments: &[&str],
    ) -> Self {
        fs::write(directory.join("seed.toml"), seed(orgs)).expect("the directory can be written");
        let mut serve = command(directory);
        serve.current_dir(directory).args(["serve", "--listen", "127.0.0.1:0", "--output", "json"]);
        serve.args(["--seed", "seed.toml"]).args(arguments);
        match storage {
            Storage::Disk => serve.args(["--data", DATA]),
            Storage::Memory => &mut serve,
            Storage::Database(url) => serve.env("PORTAL_DATABASE_URL", url),
        };
        let mut process = Process::start(&mut serve);
        let url = text_of(&process.line(), "url");
        let address = url.trim_start_matches("http://").parse().expect("an address");
        Self { process, address }
    }

    /// Starts the stub.
    pub(crate) fn stub(workers: usize) -> Self {
        let program = env::current_exe().expect("this program has a path");
        let mut process =
            Process::start(Command::new(program).arg("--stub").arg(workers.to_string()));
        let address = process.line().trim().parse().expect("an address");
        Self { process, address }
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A token of an org.
    pub(crate) fn token(&self, org: u32) -> String {
        let form = format!(
            "grant_type=refresh_token&client_id={}&client_secret={SECRET}&refresh_token={}",
            client_id(org),
            refresh_token(org)
        );
        let request =
            request("POST", "/oauth/v2/token", "", "application/x-www-form-urlencoded", &form);
        let (status, body) = exchange(self.address, &request);
        assert_eq!(status, 200, "{body}");
        text_of(&body, "access_token")
    }
}

/// A text in a JSON object.
fn text_of(json: &str, member: &str) -> String {
    let object: Value = serde_json::from_str(json).expect("JSON");
    object.get(member).and_then(Value::as_str).expect("a text").to_owned()
}

/// `portal` with nothing of this user's.
pub(crate) fn command(home: &Path) -> Command {
    let mut command = Command::new(&*PORTAL);
    command.env_clear().env("HOME", home);
    command
}
