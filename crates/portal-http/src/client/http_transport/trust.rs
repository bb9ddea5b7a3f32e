//! [`Trust`]: which servers are trusted.

use std::path::PathBuf;
#[cfg(feature = "tls")]
use std::sync::Arc;

/// What decides which servers are trusted.
#[derive(Clone, Debug, Default)]
pub(super) enum Trust {
    #[default]
    Platform,
    /// Besides those of the platform.
    File(PathBuf),
    #[cfg(feature = "tls")]
    Pem(Vec<u8>),
    #[cfg(feature = "tls")]
    Config(Arc<rustls::ClientConfig>),
}
