//! The pages: HTML without a script of its own, except for what is live. Everything that comes from
//! a request is escaped by the template.

mod faults;
mod layout;
mod orgs;
mod requests;

pub(super) use self::faults::faults;
pub(super) use self::layout::refused;
pub(super) use self::orgs::orgs;
pub(super) use self::requests::{request, requests, row};
