//! The client.

mod drive;
mod script;
mod token;
