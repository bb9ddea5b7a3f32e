#![doc = include_str!("../README.md")]

pub mod create;
pub mod datacenter;
pub mod endpoint;
pub mod envelope;
pub mod error;
pub mod explain;
pub mod flow;
#[cfg(feature = "http")]
pub mod http;
pub mod intent;
pub mod name;
pub mod oauth;
pub mod org;
pub mod outcome;
pub mod portal;
pub mod read;
pub mod rename;
pub mod scope;
pub mod secret;
pub mod timestamp;
pub mod transport;

pub use create::CreatePortal;
pub use datacenter::{DataCenter, Environment};
pub use endpoint::{ApiVersion, Endpoint, Method, Request, Response, ResponseError, Unreadable};
pub use envelope::Refusal;
pub use error::{ApiError, Details, ErrorCode};
pub use flow::{CreateFlow, RenameFlow};
pub use read::{GetPortal, ListPortals};

pub use name::{BrokenRule, InvalidPortalName, PortalName};
pub use org::{GetOrg, Org};
pub use outcome::{Outcome, RenameOutcome};
pub use portal::{Portal, UserRef};
pub use rename::RenamePortal;
pub use scope::Scope;
pub use secret::Secret;
pub use timestamp::{InvalidTimestamp, Timestamp};
