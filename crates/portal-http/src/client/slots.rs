//! How many requests of a client run at once: [`Slots`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// A limit of concurrent requests: the most urgent first, then first come, first served.
#[derive(Debug)]
pub(super) struct Slots(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    /// By urgency.
    waiters: [VecDeque<oneshot::Sender<Slot>>; 3],
}

/// How urgent a request is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Urgency {
    /// It resolves a doubt, whose caller can do nothing else, and which ages.
    InDoubt,
    /// It repeats a request that failed, for which there is little time (rule 13).
    Begun,
    /// It loses nothing but time.
    New,
}

/// The right to run one request at a time; dropped, it goes to the next in the queue.
#[derive(Debug)]
pub(super) struct Slot(Option<Arc<Slots>>);

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        Self(Mutex::new(State { free: count, waiters: Default::default() }))
    }

    /// Waits for a slot.
    ///
    /// # Cancel safety
    /// Dropped, it loses its place in the queue, and no slot is lost.
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
        // The sender is dropped only after it has sent.
        receiver.await.unwrap_or(Slot(None))
    }

    /// Hands a slot on. A waiter that has gone gives it back.
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
            // Not under the lock: a receiver that is dropped at this moment releases the slot.
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
            // It was served, and goes away before it sees that.
        }
        assert!(poll(pin!(slots.acquire(Urgency::New))).is_some());
    }
}
