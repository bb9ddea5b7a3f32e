//! [`Slots`]: limits the concurrent requests of a client.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// A limit of concurrent requests. Grants slots by urgency, then first come, first served.
#[derive(Debug)]
pub(super) struct Slots(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    /// By urgency.
    waiters: [VecDeque<oneshot::Sender<Slot>>; 3],
}

/// The urgency of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Urgency {
    /// It resolves a doubt: the caller can do nothing else, and evidence ages.
    InDoubt,
    /// It repeats a failed request, for which there is little time (rule 13).
    Begun,
    /// It has lost nothing yet and can wait.
    New,
}

/// Permission for one request at a time. When dropped, it is handed to the next waiter.
#[derive(Debug)]
pub(super) struct Slot(Option<Arc<Slots>>);

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        Self(Mutex::new(State { free: count, waiters: Default::default() }))
    }

    /// Waits for a slot.
    ///
    /// # Cancel safety
    /// If the future is dropped, it loses its place in the queue; no slot is lost.
    pub(super) async fn acquire(self: &Arc<Self>, urgency: Urgency) -> Slot {
        let receiver = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Slot(Some(self.clone()));
            }
            let (sender, receiver) = oneshot::channel();
            let [in_doubt, begun, new] = &mut state.waiters;
            let queue = match urgency {
                Urgency::InDoubt => in_doubt,
                Urgency::Begun => begun,
                Urgency::New => new,
            };
            queue.push_back(sender);
            receiver
        };
        // Senders are dropped only after sending.
        receiver.await.unwrap_or(Slot(None))
    }

    /// Hands the slot to the next waiter. One that has gone returns it.
    fn release(self: Arc<Self>) {
        let mut slot = Slot(Some(self.clone()));
        loop {
            let mut state = self.lock();
            let next = state.waiters.iter_mut().find_map(VecDeque::pop_front);
            let Some(waiter) = next else {
                state.free += 1;
                slot.0 = None;
                return;
            };
            // Not while holding the lock: a receiver dropped right now releases the slot again.
            drop(state);
            match waiter.send(slot) {
                Ok(()) => return,
                Err(returned) => slot = returned,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(slots) = self.0.take() {
            slots.release();
        }
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
    fn urgent_waiter_goes_before_earlier_one() {
        let slots = Arc::new(Slots::new(1));
        let held = poll(pin!(slots.acquire(Urgency::New))).unwrap();
        let mut new = pin!(slots.acquire(Urgency::New));
        let mut begun = pin!(slots.acquire(Urgency::Begun));
        let mut in_doubt = pin!(slots.acquire(Urgency::InDoubt));
        assert!(poll(new.as_mut()).is_none());
        assert!(poll(begun.as_mut()).is_none() && poll(in_doubt.as_mut()).is_none());
        drop(held);
        assert!(poll(new.as_mut()).is_none() && poll(begun.as_mut()).is_none());
        drop(poll(in_doubt.as_mut()).unwrap());
        assert!(poll(new.as_mut()).is_none());
        drop(poll(begun.as_mut()).unwrap());
        assert!(poll(new.as_mut()).is_some());
    }

    #[test]
    fn waiter_that_goes_away_loses_no_slot() {
        let slots = Arc::new(Slots::new(1));
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
