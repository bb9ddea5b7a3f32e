//! The server of `--local`, in this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use portal_http::server::{PortalService, Server};
use portal_model::ApiVersion;
use tokio::task::JoinSet;

use crate::org::data_directory;
use crate::org::target::{Hosts, Target};
use crate::report::place::Place;
use crate::sys::directories;

/// Starts a server, of which any number of processes may run one over the same directory. Returns its org.
pub(crate) async fn start(version: ApiVersion) -> anyhow::Result<Target> {
    let directory = directories::data()?.join("local");
    let (registry, org) = data_directory::open_default(&directory).await?;
    let server = Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let hosts = Hosts::at(server.url(), server.url());
    let mut task = JoinSet::new();
    task.spawn(server.serve(PortalService::new(registry), std::future::pending()));
    Ok(Target {
        place: Place::Local,
        hosts,
        credential: org.credential(),
        org: None,
        version,
        ca_file: None,
        server: Some(Arc::new(task)),
    })
}
