//! Why a request has no response: [`TransportError`], certainly not sent or possibly sent.

/// Why a request certainly did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSent {
    /// No connection. The text names the host and the cause: `cannot reach HOST: connection refused`.
    #[error("{0}")]
    Connect(String),
    /// The same, and trying again does not help: an unknown host, an invalid certificate, a proxy that
    /// refuses.
    #[error("{0}")]
    Permanent(String),
    /// The same: nobody that this machine trusts has signed the host's certificate.
    #[error("{0}")]
    Untrusted(String),
    /// The same: nothing listens on that port of this machine.
    #[error("{0}")]
    NoListener(String),
    /// No connection within the timeout.
    #[error("no connection within the timeout")]
    ConnectTimedOut,
    /// The request was not started.
    #[error("not started: {0}")]
    NotStarted(String),
}

impl NotSent {
    /// Whether trying again soon would fail the same way.
    pub const fn is_permanent(&self) -> bool {
        matches!(self, Self::Permanent(_) | Self::Untrusted(_) | Self::NoListener(_))
    }
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
