//! [`Slots`]: limits the concurrent requests of a client.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

/// A limit of concurrent requests. Grants slots first come, first served, but of the requests that
/// can wait only one is in the queue; the others line up behind it.
#[derive(Debug)]
pub(super) struct Slots {
    free: Arc<Semaphore>,
    /// Held by the one in the queue.
    can_wait: Mutex<()>,
}

/// The urgency of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Urgency {
    /// It resolves a doubt, for which evidence ages, or repeats a failed request, for which there is
    /// little time (rule 13).
    Begun,
    /// It has lost nothing yet and can wait.
    New,
}

/// Permission for one request at a time, until it is dropped. There is always one: the semaphore is never
/// closed.
pub(super) type Slot = Option<OwnedSemaphorePermit>;

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), can_wait: Mutex::default() }
    }

    /// Waits for a slot.
    ///
    /// # Cancel safety
    /// If the future is dropped, it loses its place in the queue; no slot is lost.
    pub(super) async fn acquire(&self, urgency: Urgency) -> Slot {
        let _turn = match urgency {
            Urgency::Begun => None,
            Urgency::New => Some(self.can_wait.lock().await),
        };
        self.free.clone().acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[test]
    fn urgent_waiter_goes_before_earlier_ones() {
        let slots = Slots::new(1);
        let held = poll(pin!(slots.acquire(Urgency::New))).unwrap();
        let mut next = pin!(slots.acquire(Urgency::New));
        let mut new = pin!(slots.acquire(Urgency::New));
        let mut begun = pin!(slots.acquire(Urgency::Begun));
        assert!(poll(next.as_mut()).is_none());
        assert!(poll(new.as_mut()).is_none() && poll(begun.as_mut()).is_none());
        drop(held);
        assert!(poll(begun.as_mut()).is_none() && poll(new.as_mut()).is_none());
        drop(poll(next.as_mut()).unwrap());
        assert!(poll(new.as_mut()).is_none());
        drop(poll(begun.as_mut()).unwrap());
        assert!(poll(new.as_mut()).is_some());
    }

    #[test]
    fn waiter_that_goes_away_loses_no_slot() {
        let slots = Slots::new(1);
        let held = poll(pin!(slots.acquire(Urgency::New))).unwrap();
        {
            let mut before = pin!(slots.acquire(Urgency::New));
            assert!(poll(before.as_mut()).is_none());
        }
        {
            let mut served = pin!(slots.acquire(Urgency::New));
            assert!(poll(served.as_mut()).is_none());
            drop(held);
            // Cancel after the slot was sent but before the waiter has seen it.
        }
        assert!(poll(pin!(slots.acquire(Urgency::New))).is_some());
    }
}
