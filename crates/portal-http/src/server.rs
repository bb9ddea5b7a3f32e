//! The server: [`PortalService`] answers as the service's documentation says, [`Server`] serves it
//! on a port, and [`LocalServer`] gives a test a server in one line.

mod accept;
mod account;
mod authorize;
mod body;
mod call;
mod fault;
mod limits;
mod local;
mod log;
mod portals;
mod reply;
mod route;
mod service;
mod silence;
mod token;

pub use accept::{BindError, Server, ServerLimits};
pub use body::{AnswerBody, BODY_LIMIT, BrokenOff};
pub use fault::{FaultSpec, InvalidFaultSpec};
pub use local::{LocalServer, LocalServerBuilder, StartError};
pub use log::CallLog;
pub use service::{PortalService, PortalServiceBuilder};
