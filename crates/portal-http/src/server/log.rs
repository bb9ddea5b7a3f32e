//! [`CallLog`]: what can be told of a call without telling a secret.

use std::time::Duration;

use http::Method;

/// One call, after its answer was made: what a line of a log shows.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallLog {
    /// The method.
    pub method: Method,
    /// The path without its query, as it came; it may hold anything that a client makes up.
    pub path: String,
    /// The name of the org, where the call had a valid access token.
    pub org: Option<String>,
    /// The HTTP status; `None` where a fault kept the answer back.
    pub status: Option<u16>,
    /// The code of a refusal, or the accounts server's word for it.
    pub code: Option<String>,
    /// From the last byte of the request to the answer.
    pub elapsed: Duration,
}
