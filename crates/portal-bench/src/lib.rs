#![doc = include_str!("../README.md")]
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench that can't go on has nothing to say, and says the rest on stdout"
)]

use std::env;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use portal_http::server::LocalServer;
use portal_model::Secret;

const SERVES: &str = "PORTAL_BENCH_SERVES";

/// A server in a process of its own, so that its time is not counted. It ends with this one.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    /// Its base URL.
    pub url: String,
    /// What entitles to its calls for an hour.
    pub access_token: Secret,
    /// The client of its org.
    pub client_id: String,
    /// The secret of that client.
    pub client_secret: Secret,
    /// What entitles to more access tokens.
    pub refresh_token: Secret,
}

impl ServerProcess {
    /// Starts this very program again, which must begin with [`serve_if_asked`].
    ///
    /// # Panics
    /// Where it can't be started.
    pub fn start() -> Self {
        let program = env::current_exe().expect("this program has a path");
        let mut child = Command::new(program)
            .env(SERVES, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let stdout = child.stdout.take().expect("its stdout is a pipe");
        let mut lines = BufReader::new(stdout).lines();
        let mut line = || lines.next().and_then(Result::ok).expect("it says where it listens");
        Self {
            url: line(),
            access_token: line().into(),
            client_id: line(),
            client_secret: line().into(),
            refresh_token: line().into(),
            child,
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Closes its stdin first, which is what it waits for.
        let _ = self.child.wait();
    }
}

/// Serves until its stdin ends, where [`ServerProcess::start`] asked for that; else does nothing.
///
/// # Panics
/// Where it can't listen.
pub fn serve_if_asked() -> bool {
    if env::var_os(SERVES).is_none() {
        return false;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let server = runtime.block_on(LocalServer::start()).expect("a port is free");
    let token = runtime.block_on(server.access_token()).expect("the registry works");
    println!("{}\n{}\n{}", server.url(), token.expose(), server.client_id());
    println!("{}\n{}", server.client_secret().expose(), server.refresh_token().expose());
    // It ends with the process that holds the other end.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    true
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints a ratio beside its bound.
pub fn report(what: &str, ratio: f64, bound: &str) {
    println!("{what}: {ratio:.2} ({bound})");
}
