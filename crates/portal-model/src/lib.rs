// docs.rs says which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]
//!
//! # Order of the modules
//!
//! Imports point down this list only.
//!
//! | module | contents |
//! |---|---|
//! | `flow` | the decisions of a safe create and a safe rename |
//! | `identity` | which org a credential leads to |
//! | `outcome`, `explain` | how a flow ends; what an error code means |
//! | `server` | the server's side of the endpoints (feature `server`) |
//! | `probe` | a create without a name, which shows whether the token may create |
//! | `create`, `rename` | `POST` and `PUT` of a portal |
//! | `read`, `org`, `user`, `oauth` | `GET` of portals, of the org and of the user; tokens |
//! | `envelope`, `http` | the JSON around results; conversions to and from the `http` crate |
//! | `endpoint` | [`Endpoint`], [`Request`] and [`Response`] |
//! | `intent` | what is stored before an attempt |
//! | `operation` | what somebody wants |
//! | `portal`, `error` | [`Portal`]; [`ApiError`] |
//! | `datacenter`, `json`, `name`, `neutral`, `scope`, `secret`, `timestamp`, `transport` | leaves |

pub mod create;
pub mod datacenter;
pub mod endpoint;
mod envelope;
pub mod error;
pub mod explain;
pub mod flow;
#[cfg(feature = "http")]
pub mod http;
pub mod identity;
pub mod intent;
mod json;
pub mod name;
pub mod neutral;
pub mod oauth;
pub mod operation;
pub mod org;
pub mod outcome;
pub mod portal;
pub mod probe;
pub mod read;
pub mod rename;
pub mod scope;
pub mod secret;
#[cfg(feature = "server")]
pub mod server;
pub mod timestamp;
pub mod transport;
pub mod user;

pub use create::CreatePortal;
pub use datacenter::{DataCenter, Environment};
pub use endpoint::{
    ApiVersion, Endpoint, Method, ReadOnly, Request, Response, ResponseError, Unreadable,
};
pub use error::{ApiError, Details, ErrorCode};
pub use flow::Flow;
pub use read::{GetPortal, ListPortals};

pub use identity::OrgIdentity;
pub use name::{BrokenRule, InvalidPortalName, PortalName};
pub use operation::{CreateOperation, Operation, RenameOperation};
pub use org::{GetOrg, Org};
pub use outcome::Outcome;
pub use portal::{OtherFields, Portal, UserRef};
pub use probe::{CanCreate, ProbeCreate};
pub use rename::RenamePortal;
pub use scope::Scope;
pub use secret::Secret;
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use user::GetCurrentUser;
