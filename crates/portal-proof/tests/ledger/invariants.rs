//! What must hold, in terms of the service: of every effect when it happens, and of every outcome when
//! it is told. The search goes on after the outcomes, so that what happens later judges them, too.

use portal_ledger::Entry;
use portal_model::Operation;
use portal_model::outcome::{Origin, Outcome, Owner};

use super::ledger::fingerprint;
use super::machine::Machine;
use super::service::{Maker, Portal};
use super::state::{Phase, State};
use super::world::{Broken, Deed, NAMES, Wish};

/// The text of an invariant that does not hold.
pub(super) type Violation = String;

impl Machine {
    /// The wish that a row is of.
    fn wish_of(&self, state: &State, row: u8) -> Wish {
        let entry = self.ledger.entry(&state.rows, row);
        let is_of = |wish: &&Wish| is_of(entry, wish);
        *self.world.wishes.iter().find(is_of).expect("somebody's wish")
    }

    fn rows_of(&self, state: &State, wish: &Wish) -> u8 {
        let all = self.ledger.all(&state.rows);
        all.filter(|(_, entry)| is_of(entry, wish)).fold(0, |rows, (row, _)| rows | 1 << row)
    }

    /// An attempt of a row takes effect.
    pub(super) fn perform(
        &self,
        state: &mut State,
        row: u8,
        is_denied: bool,
    ) -> Result<(), Violation> {
        let wish = self.wish_of(state, row);
        if is_denied {
            return Err("somebody was told that nothing was done, and it is done now".to_owned());
        }
        if matches!(wish.deed, Deed::Create(_)) {
            let same = self.rows_of(state, &wish);
            let is_second = state.service.made().any(|portal| match portal.maker {
                Maker::Before => false,
                Maker::Row(maker) => maker == row || same & 1 << maker != 0 && !portal.is_old,
            });
            if is_second {
                return Err("a second portal of one operation".to_owned());
            }
            if !wish.allow_another && state.service.made().next().is_some() {
                return Err("a second portal in the org, which nobody allowed".to_owned());
            }
        }
        state.service.perform(wish.deed, row);
        Ok(())
    }

    /// Whether somebody was told of a portal, or the ledger has it as what came of an operation: then the
    /// same without a key is another wish.
    fn is_known(&self, state: &State, portal: &Portal) -> bool {
        let Maker::Row(row) = portal.maker else { return true };
        let ending = self.ledger.entry(&state.rows, row).ending();
        portal.is_told || ending.is_some_and(|ending| ending.kind.is_own())
    }

    /// Whether a row was begun under the key of a wish, whatever a broken ledger has of it.
    fn has_key_of(&self, state: &State, row: u8, wish: &Wish) -> bool {
        let key = self.ledger.entry(&state.rows, row).key.as_deref();
        let is_ignored = self.world.broken == Broken::KeyIgnored;
        wish.key.is_some() && (is_ignored || key == wish.key)
    }

    /// Somebody wants the same once more: what was told before is another portal.
    pub(super) fn wish_again(&self, state: &mut State, wish: &Wish) {
        if wish.key.is_some() {
            return;
        }
        let same = self.rows_of(state, wish);
        let made = state.service.made().filter(|portal| self.is_known(state, portal));
        let known: Vec<Maker> = made.map(|portal| portal.maker).collect();
        for portal in state.service.portals.iter_mut().flatten() {
            let is_same = matches!(portal.maker, Maker::Row(row) if same & 1 << row != 0);
            portal.is_old |= is_same && known.contains(&portal.maker);
        }
    }

    /// Who asks again hears the name that the portal of a row has by now, unless a colleague renamed it; of a
    /// recovery, unless a rename is in doubt: what was done is known all the same. What was created, was created
    /// with the name of then.
    pub(super) fn tell_name(
        &self,
        state: &State,
        process: usize,
        row: u8,
        outcome: u16,
    ) -> Result<(), Violation> {
        let is_doubtful_rename = |(_, entry): (u8, &Entry)| {
            entry.is_in_doubt() && matches!(entry.operation, Operation::Rename(_))
        };
        let is_recovery = state.processes[process].recovers > 0;
        let is_created = matches!(self.flows.outcome(outcome), Outcome::Created { .. });
        if is_created || is_recovery && self.ledger.all(&state.rows).any(is_doubtful_rename) {
            return Ok(());
        }
        let outcome = self.flows.outcome(outcome);
        let has_name = |portal: &Portal| {
            (0..)
                .zip(NAMES)
                .any(|(name, it)| portal.may_show(name) && it.eq_ignore_ascii_case(outcome.name()))
        };
        let is_of = |portal: &&Portal| match self.ledger.deed(&state.rows, row) {
            Deed::Create(_) => portal.maker == Maker::Row(row),
            Deed::Rename(..) => portal.maker == Maker::Before,
        };
        match state.service.made().find(is_of) {
            Some(portal) if self.world.renames == 0 && outcome.exists() && !has_name(portal) => {
                Err("told by a name that its portal no longer has".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// A caller is told an outcome, of a row if it got that far.
    pub(super) fn tell(
        &self,
        state: &mut State,
        process: usize,
        (outcome, row): (u16, Option<u8>),
        is_not_written: bool,
    ) -> Result<(), Violation> {
        let recovers = state.processes[process].recovers;
        let wish = match recovers {
            0 => self.world.wishes[process],
            row => self.wish_of(state, row - 1),
        };
        let outcome = self.flows.outcome(outcome);
        let same = self.rows_of(state, &wish);
        let own = |maker: Maker| matches!(maker, Maker::Row(row) if same & 1 << row != 0);
        let made: Vec<_> = state.service.made().filter(|portal| own(portal.maker)).collect();
        match outcome {
            Outcome::Unknown { .. } | Outcome::NameTaken { owner: Owner::Undetermined(_), .. } => {
                return Ok(());
            }
            Outcome::Created { .. } if made.is_empty() => {
                return Err("told that it was created, but it was not".to_owned());
            }
            Outcome::Present { portal, origin, .. } => {
                let shown = state.service.made().find(|there| {
                    NAMES
                        .iter()
                        .position(|name| name.eq_ignore_ascii_case(&portal.name))
                        .is_some_and(|name| there.may_show(u8::try_from(name).unwrap()))
                });
                let by = shown.map(|portal| portal.maker);
                match origin {
                    Origin::Preexisting
                        if row.is_some() && by == row.map(Maker::Row) && !is_not_written =>
                    {
                        return Err("told that it was there before, but this made it".to_owned());
                    }
                    Origin::Appeared if by == Some(Maker::Before) => {
                        return Err("told that it appeared, but it was there before".to_owned());
                    }
                    Origin::CreatedEarlier { entry, .. } => {
                        let all = self.ledger.all(&state.rows);
                        let maker = all.filter(|(_, it)| it.id.as_str() == entry).map(|it| it.0);
                        let done = maker.fold(0, |rows, row| rows | 1 << row) & state.service.done;
                        if done == 0 {
                            return Err("told of an operation that did not create it".to_owned());
                        }
                    }
                    _ => {}
                }
            }
            Outcome::Renamed { .. } if same & state.service.done == 0 => {
                return Err("told that it was renamed, but it was not".to_owned());
            }
            Outcome::NameTaken { owner: Owner::AnotherOrg, .. } if !state.service.foreign => {
                return Err("told that another org has the name, but it has not".to_owned());
            }
            _ => {}
        }
        if outcome.exists() {
            // Where the ending is not written, the next caller determines the same.
            if outcome.is_ours()
                && !is_not_written
                && recovers == 0
                && wish.key.is_none()
                && matches!(wish.deed, Deed::Create(_))
            {
                let heard = &mut state.ours[self.first_of(&wish)];
                *heard += 1;
                if usize::from(*heard) > made.len() {
                    return Err("two callers heard that it is theirs".to_owned());
                }
            }
            for portal in state.service.portals.iter_mut().flatten() {
                portal.is_told |= own(portal.maker);
            }
            return Ok(());
        }
        // Who determines an entry hears of that one.
        let denied = if recovers > 0 { 1 << (recovers - 1) } else { same };
        let is_done = match wish.deed {
            Deed::Create(_) => made.iter().any(|portal| {
                let Maker::Row(row) = portal.maker else { return false };
                denied & 1 << row != 0
                    && (self.has_key_of(state, row, &wish) || !self.is_known(state, portal))
            }),
            Deed::Rename(..) => row.is_some_and(|row| state.service.done & 1 << row != 0),
        };
        if is_done {
            return Err("told that nothing was done, but it was".to_owned());
        }
        deny(state, denied);
        Ok(())
    }

    /// The process that is the first to wish so.
    fn first_of(&self, wish: &Wish) -> usize {
        let is_same = |it: &Wish| {
            it.deed == wish.deed && it.key == wish.key && it.knows_org == wish.knows_org
        };
        self.world.wishes.iter().position(is_same).expect("somebody's wish")
    }
}

/// Whether an entry is of the operation that is wished.
fn is_of(entry: &Entry, wish: &Wish) -> bool {
    let has_other_key =
        entry.key.as_deref().is_some_and(|key| wish.key.is_some_and(|wished| wished != key));
    super::ledger::deed(&entry.operation) == wish.deed
        && !has_other_key
        && entry.org.fingerprint() == fingerprint(wish)
}

/// Nothing of these rows may take effect any more.
fn deny(state: &mut State, rows: u8) {
    for row in (0..8).filter(|row| rows & 1 << row != 0) {
        let open = std::mem::take(&mut state.service.open[row]);
        let denied = &mut state.service.denied[row];
        *denied = open.max(*denied);
    }
    for process in &mut state.processes {
        if let Phase::Step { row, sent: Some(sent), .. } = &mut process.phase {
            sent.is_denied |= rows & 1 << *row != 0;
        }
    }
}
