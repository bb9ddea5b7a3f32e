//! Boxed types of the connectors.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;

pub(super) type BoxError = Box<dyn Error + Send + Sync>;
pub(super) type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;
