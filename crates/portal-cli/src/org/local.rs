//! The server of `--local`: in this process, on loopback, over SQLite in the user's data directory.

use std::net::{Ipv4Addr, SocketAddr};

use portal_http::client::Credential;
use portal_http::server::{PortalService, Server};
use tokio::task::JoinHandle;

use crate::org::data_directory;
use crate::org::default_org::DefaultOrg;
use crate::report::failure::Failure;
use crate::sys::directories;

/// A server that stops when dropped. Any number of processes may run one over the same directory.
#[derive(Debug)]
pub(crate) struct Local {
    url: String,
    org: DefaultOrg,
    task: JoinHandle<()>,
}

impl Local {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let directory = directories::data()?.join("local");
        let (registry, org) = data_directory::open_default(&directory).await?;
        let server = Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let url = server.url();
        let service = PortalService::new(registry);
        let task = tokio::spawn(server.serve(service, std::future::pending()));
        Ok(Self { url, org, task })
    }

    /// Returns the base URL of the API and of OAuth.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn credential(&self) -> Credential {
        Credential::refresh_token(
            self.org.client_id.clone(),
            self.org.client_secret.clone(),
            self.org.refresh_token.clone(),
        )
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.task.abort();
    }
}
