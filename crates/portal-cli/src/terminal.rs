//! The only module that writes to stdout and stderr, or reads a reply.

pub(crate) mod log;
pub(crate) mod printer;
pub(crate) mod progress;
pub(crate) mod prompt;
pub(crate) mod results;
pub(crate) mod served_request;
pub(crate) mod width;
