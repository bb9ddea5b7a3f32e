//! A server of the documented API: [`PortalService`] implements it as a tower service,
//! [`Server`] serves that on a port, and [`LocalServer`] starts one for a test.
//!
//! # Order of the modules
//!
//! Imports point down this list only.
//!
//! | module | what it holds |
//! |---|---|
//! | `local` | [`LocalServer`] |
//! | `accept` | [`Server`]: the accept loop |
//! | `connection` | one connection |
//! | `tls` | the certificate of a server, and the handshake |
//! | `timeout` | the timeout of a response |
//! | `service` | [`PortalService`], its builder, and how a request is received |
//! | `dispatch` | a received request: faults, the operation, the access log |
//! | `handlers`, `oauth` | the operations of the API and of the accounts server |
//! | `authorize` | access token, quota, scope and permission |
//! | `state` | what all requests share: registry, settings, clock |
//! | `served_request` | a request and its response, for logs and monitoring |
//! | `response` | responses and errors, and how they are sent |
//! | `request` | a received request |
//! | `fault_injector` | which requests get which faults |
//! | `past_lists` | what a stale list shows |
//! | `mask` | takes secrets out of what is logged and recorded |
//! | `connections` | the open connections, and which of them to close |
//! | `limits`, `log_limit`, `host`, `listener`, `route`, `body`, `quota`, `fault` | leaves |

/// The `OpenAPI` 3.1 document of what the server does, which it serves at `/openapi.json`. Its URLs are
/// relative to it.
///
/// ```
/// let document: serde_json::Value = serde_json::from_str(portal_http::server::OPENAPI)?;
/// assert_eq!(document["openapi"], "3.1.0");
/// # Ok::<(), serde_json::Error>(())
/// ```
pub const OPENAPI: &str = include_str!("server/openapi.json");

mod accept;
mod authorize;
mod body;
mod connection;
mod connections;
mod dispatch;
mod fault;
mod fault_injector;
mod handlers;
mod host;
mod limits;
mod listener;
mod local;
mod log_limit;
mod mask;
mod oauth;
mod past_lists;
mod quota;
mod request;
mod response;
mod route;
mod served_request;
mod service;
mod state;
mod timeout;
mod tls;

pub use crate::pem::TlsError;
pub use accept::Server;
pub use body::{BODY_LIMIT, InjectedAbort, ResponseBody};
pub use fault::{FaultSpec, InvalidFaultSpec};
pub use host::{host_name, is_loopback};
pub use limits::{ServerLimits, raise_nofile_limit};
pub use listener::{BindError, Listener};
pub use local::{LocalServer, LocalServerBuilder, StartError};
pub use served_request::{
    MaskedMessage, MaskedRequest, RequestRecord, RequestResult, ServedRequest,
};
pub use service::{PortalService, PortalServiceBuilder};
pub use tls::{ServerTls, TlsEvent};
