//! [`Running`]: the servers that this user runs on this machine, one file for each while it runs.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::org::OrgError;
use crate::org::default_org::DefaultOrg;
use crate::sys::{directories, private_file};

/// How to reach a running server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) port: u16,
    pub(crate) url: String,
    /// The base URL of its page and its JSON API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin: Option<String>,
    /// Absent if its orgs come from a seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) org: Option<DefaultOrg>,
}

/// Removes the file when the server ends. A killed server leaves its file behind, but unlocked.
#[derive(Debug)]
pub(crate) struct Registration {
    path: PathBuf,
    _locked: File,
}

impl Running {
    /// Registers the server for this user's commands until the result is dropped.
    pub(crate) fn register(&self) -> anyhow::Result<Registration> {
        let directory = directory()?;
        directories::make_private(&directory)?;
        let path = directory.join(format!("{}.json", self.port));
        let mut file = private_file::options().create(true).open(&path)?;
        // If another server has the same port on another address, the last one started is found.
        let _ = file.try_lock();
        file.set_len(0)?;
        file.write_all(serde_json::to_string(self)?.as_bytes())?;
        Ok(Registration { path, _locked: file })
    }

    /// Finds the server on `port`, or the only one running.
    ///
    /// # Errors
    /// None is running, or several are and `port` is `None`.
    pub(crate) fn find(port: Option<u16>) -> anyhow::Result<Self> {
        let mut running = Self::all()?;
        running.retain(|server| port.is_none_or(|port| server.port == port));
        let ports: Vec<_> = running.iter().map(|server| server.port.to_string()).collect();
        match running.pop() {
            Some(server) if ports.len() == 1 => Ok(server),
            Some(_) => Err(OrgError::SeveralServers { ports }.into()),
            None => Err(OrgError::NoServer { port }.into()),
        }
    }

    fn all() -> anyhow::Result<Vec<Self>> {
        let Ok(files) = fs::read_dir(directory()?) else { return Ok(Vec::new()) };
        let mut running = Vec::new();
        for file in files {
            let path = file?.path();
            // The server may end at this moment.
            let Ok(mut file) = File::open(&path) else { continue };
            if file.try_lock().is_ok() {
                // Unlocked: left behind by a killed server.
                let _ = fs::remove_file(&path);
                continue;
            }
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            running.extend(serde_json::from_str::<Self>(&text));
        }
        running.sort_by_key(|server| server.port);
        Ok(running)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // A stale file is harmless.
        let _ = fs::remove_file(&self.path);
    }
}

/// In the state directory, next to the intent log.
fn directory() -> anyhow::Result<PathBuf> {
    Ok(directories::state().context("cannot find running servers")?.join("servers"))
}
