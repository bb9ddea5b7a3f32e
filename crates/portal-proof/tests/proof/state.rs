//! A state of the whole: the flow, the service, and what a witness remembers.

use std::hash::{Hash, Hasher};

use super::node::Draw;
use super::replies::Meaning;
use super::service::{Act, Service};
use super::witness::Witness;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) node: u32,
    /// Since the step was handed out, or since the process died.
    pub(super) elapsed: u8,
    pub(super) service: Service,
    pub(super) witness: Witness,
}

/// Few and large pieces, since it is computed for every transition.
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { node, elapsed, service, witness } = self;
        hasher.write_u64(u64::from(*node) << 8 | u64::from(*elapsed));
        service.hash(hasher);
        hasher.write_u64(witness.digest());
    }
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "a violation shows them by Debug")]
pub(super) enum Step {
    Start,
    Tick,
    Act(Act),
    Event(Meaning, &'static str, Fate, Draw),
    /// The process is killed or stopped.
    Kill,
    Resume {
        sends: bool,
        may_list: bool,
        horizon: u8,
    },
}

/// What the service did with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Nothing,
    Processed,
    /// Processed later, or never.
    Pending,
}
