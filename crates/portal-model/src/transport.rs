//! Why a request has no response: [`TransportError`], certainly not sent or possibly sent.

/// Why a request certainly did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSent {
    /// No connection; the text is the transport's own.
    #[error("no connection: {0}")]
    Connect(String),
    /// No connection, and trying again does not help: an unknown host, an invalid certificate,
    /// a port on this machine that nothing listens on.
    #[error("no connection: {0}")]
    Permanent(String),
    /// No connection within the timeout.
    #[error("no connection within the timeout")]
    ConnectTimedOut,
    /// The request was not started.
    #[error("not started: {0}")]
    NotStarted(String),
}

/// Why it is not known what became of a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoResponse {
    /// No complete response within the timeout.
    #[error("no response within the timeout")]
    TimedOut,
    /// The connection broke; the text is the transport's own.
    #[error("{0}")]
    Broken(String),
    /// The response is longer than the transport accepts.
    #[error("response of more than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: usize,
    },
}

/// Why a request has no complete response. A transport that is not sure reports
/// [`NoResponse`](Self::NoResponse): a request that may have arrived is never called not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The request certainly did not arrive.
    #[error(transparent)]
    NotSent(#[from] NotSent),
    /// The request may have arrived.
    #[error("response lost")]
    NoResponse(#[from] NoResponse),
}
