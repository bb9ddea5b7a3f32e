//! The parts that are computed once, however many states meet them.

use super::flows::Flows;
use super::ledger::Ledger;
use super::world::World;

pub(super) struct Machine {
    pub(super) world: World,
    pub(super) flows: Flows,
    pub(super) ledger: Ledger,
}

impl Machine {
    pub(super) fn new(world: World) -> Self {
        Self { world, flows: Flows::new(&world), ledger: Ledger::new(world) }
    }
}
