//! [`Parent`]: the process that started this one, and its end.

use crate::sys::InvalidInput;

/// The process that started this one.
#[derive(Debug)]
pub(crate) struct Parent(#[cfg(unix)] Option<rustix::process::Pid>);

#[cfg(unix)]
impl Parent {
    #[expect(clippy::unnecessary_wraps, reason = "the signature of the other one")]
    pub(crate) fn of_this_process() -> Result<Self, InvalidInput> {
        Ok(Self(rustix::process::getppid()))
    }

    /// Completes once it has ended. Not by the signal that Linux can send then: that arrives when the
    /// *thread* ends that started this process, such as that of one test of many.
    pub(crate) async fn ended(self) {
        const INTERVAL: std::time::Duration = std::time::Duration::from_millis(100);
        while rustix::process::getppid() == self.0 {
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

#[cfg(not(unix))]
impl Parent {
    pub(crate) fn of_this_process() -> Result<Self, InvalidInput> {
        Err(InvalidInput("`--exit-with-parent` is not supported on this platform".to_owned()))
    }

    #[expect(clippy::unused_async, reason = "the signature of the other one")]
    pub(crate) async fn ended(self) {}
}
