//! How long the checks wait.

use std::time::Duration;

/// How long the checks wait for what must not happen.
pub(super) const MOMENT: Duration = Duration::from_millis(50);
/// How long the checks wait for what must happen.
pub(super) const AGES: Duration = Duration::from_secs(10);
/// Far longer than anything takes on a busy machine.
pub(super) const LONG: Duration = Duration::from_secs(5);
