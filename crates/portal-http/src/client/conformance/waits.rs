//! Timeouts of the checks.

use std::time::Duration;

/// How long to wait for something that must not happen.
pub(super) const SHORT_TIMEOUT: Duration = Duration::from_millis(50);
/// How long to wait for something that must happen.
pub(super) const LONG_TIMEOUT: Duration = Duration::from_secs(10);
/// Far longer than any step takes on a busy machine.
pub(super) const STEP_TIMEOUT: Duration = Duration::from_secs(5);
