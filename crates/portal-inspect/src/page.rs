//! The pages: HTML without a script of its own, except for what is live. Everything that comes from
//! a request is escaped by the template.

mod faults;
mod layout;
mod orgs;
mod requests;

pub(crate) use self::faults::faults;
pub(crate) use self::layout::{Frame, refused, section};
pub(crate) use self::orgs::orgs;
pub(crate) use self::requests::{request, requests, row};

pub(crate) const ICON: &str = include_str!("page/icon.svg");
pub(crate) const SCRIPT: &str = include_str!("page/script.js");
pub(crate) const STYLE: &str = include_str!("page/style.css");
