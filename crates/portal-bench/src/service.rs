//! The servers under test, each a process of its own: `portal serve`, and the stub.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde::Deserialize;
use tempfile::TempDir;

use crate::exchange::{exchange, request};
use crate::process::Process;

/// The first org is for creates, the second has one portal.
pub(crate) const SEED: &str = r#"
[[org]]
name = "Acme"
[[org.user]]
name = "Acme Admin"
email = "admin@acme.example"
permissions = ["manage_portal", "manage_portal_users"]
[[org.user.credential]]
client_id = "1000.ACME"
client_secret = "acme-secret"
refresh_token = "1000.acme.all"
scopes = ["ZohoCRM.settings.clientportal.ALL"]
[[org]]
name = "Beta"
[[org.user]]
name = "Beta Admin"
email = "admin@beta.example"
permissions = ["manage_portal", "manage_portal_users"]
[[org.user.credential]]
client_id = "1000.BETA"
client_secret = "beta-secret"
refresh_token = "1000.beta.all"
scopes = ["ZohoCRM.settings.clientportal.ALL"]
"#;

/// Where the API has its portals.
pub(crate) const PORTALS: &str = "/crm/v7/settings/portals";

/// The command `portal`, built as this program is: an old one would measure the past.
pub(crate) static PORTAL: LazyLock<PathBuf> = LazyLock::new(|| {
    let program = env::current_exe().expect("this program has a path");
    let directory = program.parent().expect("it is in a directory");
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build
        .args(["build", "--quiet", "--locked", "--package", "portal-cli", "--target-dir"])
        .arg(directory.parent().expect("it is in a directory of the target's"))
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let status = build.status().unwrap_or_else(|error| panic!("{build:?}: {error}"));
    assert!(status.success(), "{build:?}: {status}");
    directory.join(format!("portal{}", env::consts::EXE_SUFFIX))
});

/// A directory beside this program, on a disk: where the system has its temporary files may be
/// memory.
pub(crate) fn directory() -> TempDir {
    let program = env::current_exe().expect("this program has a path");
    let beside = program.parent().expect("it is in a directory");
    tempfile::Builder::new().prefix("portal-bench-").tempdir_in(beside).expect("it can be written")
}

/// A server under test.
pub(crate) trait Serves {
    fn address(&self) -> SocketAddr;
    fn process(&self) -> &Process;

    /// Its base URL.
    fn url(&self) -> String {
        format!("http://{}", self.address())
    }
}

/// `portal serve` over the orgs of [`SEED`].
pub(crate) struct Server {
    process: Process,
    address: SocketAddr,
    /// Of the first org.
    pub(crate) token: String,
    /// Of the second org.
    pub(crate) second_token: String,
}

#[derive(Deserialize)]
struct Listening {
    url: String,
}

impl Server {
    /// Starts one that keeps its data in `directory`.
    pub(crate) fn start(directory: &Path) -> Self {
        Self::start_with(directory, &["--data", "data"])
    }

    /// Starts one that keeps its data in memory, for what is measured elsewhere.
    pub(crate) fn start_in_memory(directory: &Path) -> Self {
        Self::start_with(directory, &[])
    }

    fn start_with(directory: &Path, options: &[&str]) -> Self {
        fs::write(directory.join("seed.toml"), SEED).expect("the directory can be written");
        let mut serve = command(directory);
        serve.current_dir(directory).args(["serve", "--listen", "127.0.0.1:0", "--output", "json"]);
        serve.args(["--seed", "seed.toml"]).args(options);
        let mut process = Process::start(&mut serve);
        let listening: Listening =
            serde_json::from_str(&process.line()).expect("the line that says where it listens");
        let address = listening.url.trim_start_matches("http://").parse().expect("an address");
        let [token, second_token] = ["acme", "beta"].map(|org| token(address, org));
        Self { process, address, token, second_token }
    }
}

impl Serves for Server {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process(&self) -> &Process {
        &self.process
    }
}

/// `portal` with nothing of this user's.
pub(crate) fn command(home: &Path) -> Command {
    let mut command = Command::new(&*PORTAL);
    command.env_clear().env("HOME", home);
    command
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
}

fn token(address: SocketAddr, org: &str) -> String {
    let client = org.to_uppercase();
    let form = format!(
        "grant_type=refresh_token&client_id=1000.{client}&client_secret={org}-secret\
         &refresh_token=1000.{org}.all"
    );
    let request =
        request("POST", "/oauth/v2/token", "", "application/x-www-form-urlencoded", &form);
    let (status, body) = exchange(address, &request);
    assert_eq!(status, 200, "{body}");
    serde_json::from_str::<Granted>(&body).expect("a token").access_token
}

/// The stub in a process of its own.
pub(crate) struct StubServer {
    process: Process,
    address: SocketAddr,
}

impl StubServer {
    pub(crate) fn start(workers: usize) -> Self {
        let program = env::current_exe().expect("this program has a path");
        let mut process =
            Process::start(Command::new(program).arg("--stub").arg(workers.to_string()));
        let address = process.line().trim().parse().expect("an address");
        Self { process, address }
    }
}

impl Serves for StubServer {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process(&self) -> &Process {
        &self.process
    }
}
