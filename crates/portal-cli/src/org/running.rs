//! [`Running`]: the servers that this user runs on this machine, one file for each while it runs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use portal_http::server::FaultSpec;
use portal_model::flow::Policy;
use portal_store::Seed;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::org::default_org::OrgCredentials;
use crate::report::failure::Failure;
use crate::report::wrap::enumerated;
use crate::sys::{directories, private_file};

/// The extension of the file that is locked as long as the server runs.
const LOCK: &str = "lock";

/// The variable that names the file of a server to the programs that it is for.
pub(crate) const VARIABLE: &str = "PORTAL_SERVER";

/// How to reach a running server, and how fast it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) port: u16,
    pub(crate) url: String,
    /// The base URL of its page and its JSON API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin: Option<String>,
    /// The default org or those of the seed; of a database without a seed none.
    pub(crate) orgs: Vec<ServedOrg>,
    /// The one of them that was chosen at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) org: Option<String>,
    pub(crate) times: Times,
    /// Where it is registered.
    #[serde(skip)]
    pub(crate) file: Option<PathBuf>,
}

/// An org of a server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServedOrg {
    pub(crate) name: String,
    /// Absent if it has no refresh token.
    #[serde(flatten)]
    pub(crate) credentials: Option<OrgCredentials>,
}

impl ServedOrg {
    pub(crate) fn all_of(seed: &Seed) -> Vec<Self> {
        let orgs = seed.orgs.iter();
        orgs.map(|org| Self { name: org.name.clone(), credentials: OrgCredentials::of(org) })
            .collect()
    }

    /// The credentials of the org called `name`, or of the only one.
    pub(crate) fn credentials_of<'a>(
        orgs: &'a [Self],
        name: Option<&str>,
    ) -> Result<&'a OrgCredentials, Failure> {
        let org = match (name, orgs) {
            (None, [only]) => Some(only),
            (name, _) => orgs.iter().find(|org| Some(&*org.name) == name),
        };
        let org = org.ok_or_else(|| {
            let what = match name {
                Some(name) => format!("the server has no org called {name:?}"),
                None => "expected the name of an org".to_owned(),
            };
            let all = enumerated(orgs.iter().map(|org| &org.name));
            Failure::usage(format!("{what}; {all}")).hint("pass `--org` with one of them")
        })?;
        org.credentials.as_ref().ok_or_else(|| {
            let name = &org.name;
            Failure::usage(format!("the org {name:?} of the seed has no refresh token"))
                .hint("give it one, or exchange its code by `portal login`")
        })
    }
}

/// How fast a server is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Times {
    pub(crate) processing_time: Duration,
    pub(crate) list_lag: Duration,
}

impl Times {
    /// What an injected fault delays takes effect, or is listed, that much later.
    pub(crate) fn with_faults(faults: &[FaultSpec]) -> Self {
        let Policy { processing_time, list_lag, .. } = Policy::rehearsal();
        let delay = faults.iter().map(FaultSpec::delay_of_effect).sum();
        let staleness = faults.iter().map(FaultSpec::staleness).max().unwrap_or_default();
        Self {
            processing_time: processing_time.saturating_add(delay),
            list_lag: list_lag.max(staleness),
        }
    }
}

/// Removes the file when the server ends. A killed server leaves its files behind, but unlocked.
#[derive(Debug)]
pub(crate) struct Registration {
    path: PathBuf,
    _lock: NamedTempFile,
}

impl Running {
    /// Registers the server for this user's commands until the result is dropped.
    pub(crate) fn register(&mut self) -> anyhow::Result<Registration> {
        self.register_in(&directory()?)
    }

    fn register_in(&mut self, directory: &Path) -> anyhow::Result<Registration> {
        directories::make_private(directory)?;
        // Locked before there is a file of that name, which no other server has ever: one that is found
        // unlocked is dead, and stays so. Not locked itself: on Windows nobody could read it.
        let prefix = format!("{}-", self.port);
        let lock = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(&format!(".{LOCK}"))
            .tempfile_in(directory)?;
        // Where there are no locks, it cannot be told from a dead one.
        lock.as_file().try_lock()?;
        let path = lock.path().with_extension("json");
        let registration = Registration { path: path.clone(), _lock: lock };
        registration.update(self)?;
        self.file = Some(path);
        Ok(registration)
    }

    /// Finds the server on `port`, or the only one running.
    ///
    /// # Errors
    /// None is running, or several are and `port` is `None`.
    pub(crate) fn find(port: Option<u16>) -> Result<Self, Failure> {
        let mut running = Self::all_in(&directory()?)?;
        running.retain(|server| port.is_none_or(|port| server.port == port));
        let ports: Vec<_> = running.iter().map(|server| server.port.to_string()).collect();
        match running.pop() {
            // Of several with one port, on other addresses, any does.
            Some(server) if ports.len() == 1 || port.is_some() => Ok(server),
            Some(_) => {
                let (count, ports) = (ports.len(), ports.join(", "));
                Err(Failure::usage(format!("{count} servers run, on the ports {ports}"))
                    .hint("pass `--port` with one of them"))
            }
            None => {
                const NONE: &str = "no `portal serve` is running";
                Err(match port {
                    Some(port) => Failure::usage(format!("{NONE} on port {port}")),
                    None => Failure::usage(NONE).hint("run `portal serve` in another terminal"),
                })
            }
        }
    }

    /// Finds the server at `url`.
    pub(crate) fn at(url: &str) -> Option<Self> {
        let running = Self::all_in(&directory().ok()?).ok()?;
        running.into_iter().find(|server| server.url == url)
    }

    fn all_in(directory: &Path) -> anyhow::Result<Vec<Self>> {
        let Ok(files) = fs::read_dir(directory) else { return Ok(Vec::new()) };
        let mut running = Vec::new();
        for file in files {
            let path = file?.path();
            if path.extension().is_some_and(|end| end == "json") {
                running.extend(Self::read(&path));
            }
        }
        running.sort_by_key(|server| server.port);
        Ok(running)
    }

    /// Reads the file of a server that runs; that of a dead one is removed.
    fn read(path: &Path) -> Option<Self> {
        let lock = path.with_extension(LOCK);
        // Shared, so that two readers don't take each other for the server.
        if !File::open(&lock).is_ok_and(|lock| lock.try_lock_shared().is_err()) {
            let _ = fs::remove_file(&lock);
            let _ = fs::remove_file(path);
            return None;
        }
        // The server may end at this moment.
        let text = fs::read_to_string(path).ok()?;
        let running = serde_json::from_str::<Self>(&text).ok()?;
        Some(Self { file: Some(path.to_owned()), ..running })
    }
}

/// `policy` with the times that a running server says of itself, if it is the one at `url` (rule 15).
/// It is found by the variable that it set: of any other server, and of the next one at its address,
/// nothing is known.
pub(crate) fn with_times_of_server(mut policy: Policy, url: Option<&str>) -> Policy {
    let file = std::env::var_os(VARIABLE).map(PathBuf::from);
    let server = file.filter(|file| file.is_absolute()).and_then(|file| Running::read(&file));
    let plain = |url: &str| url.trim_end_matches('/').to_ascii_lowercase();
    let is_at = |server: &Running| url.is_some_and(|url| plain(url) == plain(&server.url));
    if let Some(Running { times, .. }) = server.filter(is_at) {
        policy.processing_time = times.processing_time;
        policy.list_lag = times.list_lag;
    }
    policy
}

impl Registration {
    /// Writes anew what is known of the server. On failure commands go by what was known before.
    pub(crate) fn update(&self, running: &Running) -> anyhow::Result<()> {
        private_file::replace(&self.path, &serde_json::to_string(running)?)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // A stale file is harmless.
        let _ = fs::remove_file(&self.path);
    }
}

/// In the state directory, next to the ledger.
fn directory() -> anyhow::Result<PathBuf> {
    Ok(directories::state().context("cannot find running servers")?.join("servers"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn running(port: u16) -> Running {
        let (url, times) = (format!("http://127.0.0.1:{port}"), Times::with_faults(&[]));
        Running { port, url, admin: None, orgs: Vec::new(), org: None, times, file: None }
    }

    #[test]
    fn server_is_found_while_others_look() {
        let directory = tempfile::tempdir().unwrap();
        let has_ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !has_ended.load(Ordering::Relaxed) {
                        Running::all_in(directory.path()).unwrap();
                    }
                });
            }
            for port in 1..=400 {
                let registration = running(port).register_in(directory.path()).unwrap();
                let found = Running::all_in(directory.path()).unwrap();
                let is_found = found.iter().any(|server| server.port == port);
                if !is_found || port == 400 {
                    has_ended.store(true, Ordering::Relaxed);
                }
                assert!(is_found, "{port}");
                drop(registration);
            }
        });
    }

    #[test]
    fn dead_server_is_removed_and_its_port_reused() {
        let directory = tempfile::tempdir().unwrap();
        // As a killed one leaves it: unlocked.
        let path = directory.path().join("1-killed.json");
        fs::write(&path, serde_json::to_string(&running(1)).unwrap()).unwrap();
        fs::write(path.with_extension(LOCK), "").unwrap();
        let registration = running(1).register_in(directory.path()).unwrap();
        let found = Running::all_in(directory.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].file.as_ref(), Some(&registration.path));
        drop(registration);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
