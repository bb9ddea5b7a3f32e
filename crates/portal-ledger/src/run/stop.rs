//! Giving up in the middle of something: on request, [`Stop`], or after a time, [`within`].

use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::task::Poll;

/// The caller's wish that nothing more is sent.
pub(super) struct Stop<'a, S> {
    pub(super) future: Pin<&'a mut S>,
    pub(super) is_raised: bool,
}

impl<S: Future<Output = ()>> Stop<'_, S> {
    async fn raised(&mut self) {
        if !self.is_raised {
            self.future.as_mut().await;
            self.is_raised = true;
        }
    }

    /// Whether it is there by now.
    pub(super) async fn is_raised(&mut self) -> bool {
        within(ready(()), self.raised()).await;
        self.is_raised
    }

    /// `None` if it comes before `work` is done.
    pub(super) async fn unless_raised<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        within(self.raised(), work).await
    }
}

/// `None` if `limit` is over first. Work that is done counts.
pub(super) async fn within<T>(
    limit: impl Future<Output = ()>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let (mut limit, mut work) = (pin!(limit), pin!(work));
    poll_fn(|context| {
        if let Poll::Ready(result) = work.as_mut().poll(context) {
            return Poll::Ready(Some(result));
        }
        limit.as_mut().poll(context).map(|()| None)
    })
    .await
}
