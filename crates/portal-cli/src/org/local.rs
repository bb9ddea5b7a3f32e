//! The server of `--local`: in this process, on loopback, over SQLite in the user's data directory.

use std::net::{Ipv4Addr, SocketAddr};

use portal_http::client::Credential;
use portal_http::server::{PortalService, Server};
use portal_model::ApiVersion;
use portal_model::datacenter::ApiDomain;
use tokio::task::JoinHandle;

use crate::org::data_directory;
use crate::org::target::Target;
use crate::report::place::Place;
use crate::sys::directories;

/// A server that stops when dropped. Any number of processes may run one over the same directory.
#[derive(Debug)]
pub(crate) struct Local(JoinHandle<()>);

impl Local {
    pub(crate) async fn start(version: ApiVersion) -> anyhow::Result<(Self, Target)> {
        let directory = directories::data()?.join("local");
        let (registry, org) = data_directory::open_default(&directory).await?;
        let server = Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let target = Target {
            place: Place::Local,
            api: ApiDomain::Given(server.url()),
            accounts: Some(server.url()),
            credential: Credential::refresh_token(
                org.client_id,
                org.client_secret,
                org.refresh_token,
            ),
            org: None,
            version,
            ca_file: None,
        };
        let service = PortalService::new(registry);
        Ok((Self(tokio::spawn(server.serve(service, std::future::pending()))), target))
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.0.abort();
    }
}
