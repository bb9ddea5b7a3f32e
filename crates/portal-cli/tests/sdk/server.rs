//! `portal serve` as a process on a free port, with two orgs to sign in to.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const USER: &str = "Ada Admin";
pub(crate) const EMAIL: &str = "ada@acme.example";

/// How to sign in; each way leads to an org of its own.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Grant {
    Code,
    RefreshToken,
}

/// Ends with the test, also with one that fails.
pub(crate) struct Server {
    process: Child,
    base: String,
    _data: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let seed = data.path().join("seed.toml");
        std::fs::write(&seed, orgs()).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_portal"))
            .args(["serve", "--listen", "127.0.0.1:0", "--output", "json", "--data"])
            .arg(data.path().join("data"))
            .arg("--seed")
            .arg(seed)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut server = Self { process, base: String::new(), _data: data };
        let mut line = String::new();
        BufReader::new(server.process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let listening: Value =
            serde_json::from_str(&line).expect("a line that says where it listens");
        listening["url"].as_str().unwrap().clone_into(&mut server.base);
        server
    }

    /// What a driver reads from its environment.
    pub(crate) fn environment(&self, grant: Grant) -> Vec<(&'static str, &str)> {
        let [client_id, key, secret] = match grant {
            Grant::Code => ["1000.CODE", "PORTAL_GRANT_CODE", "1000.sdk.code"],
            Grant::RefreshToken => ["1000.REFRESH", "PORTAL_REFRESH_TOKEN", "1000.sdk.refresh"],
        };
        vec![
            ("PORTAL_API_DOMAIN", &self.base),
            ("PORTAL_CLIENT_ID", client_id),
            ("PORTAL_CLIENT_SECRET", "sdk-secret"),
            (key, secret),
            ("NO_PROXY", "127.0.0.1"),
        ]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn orgs() -> String {
    let org = |name, client_id, grant| {
        format!(
            r#"
            [[org]]
            name = "{name}"
            environment = "production"
            [[org.user]]
            name = "{USER}"
            email = "{EMAIL}"
            permissions = ["manage_portal", "manage_portal_users"]
            [[org.user.credential]]
            client_id = "{client_id}"
            client_secret = "sdk-secret"
            {grant}
            scopes = ["ZohoCRM.settings.clientportal.ALL", "ZohoCRM.users.READ", "ZohoCRM.org.READ"]
            "#
        )
    };
    org("By code", "1000.CODE", r#"grant_code = "1000.sdk.code""#)
        + &org("By refresh token", "1000.REFRESH", r#"refresh_token = "1000.sdk.refresh""#)
}
