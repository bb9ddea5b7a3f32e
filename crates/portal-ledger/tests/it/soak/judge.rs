//! What is untrue once every horizon is past.

use portal_ledger::EntryId;
use portal_model::Outcome;
use portal_model::outcome::{NotDone, Origin, Owner};

use super::service::{Attempt, Held, Service, What, org_of};
use super::simulation::Story;

impl Story {
    pub(super) fn judge(&self) -> Option<String> {
        self.twins().or_else(|| self.hung()).or_else(|| {
            self.ended.iter().enumerate().find_map(|(run, ended)| {
                let (at, ended) = ended.as_ref()?;
                let untrue = self.untrue(run, *at, &ended.outcome, ended.entry.as_ref())?;
                Some(format!("process {run} at {at}: {:?}, but {untrue}", ended.outcome))
            })
        })
    }

    /// Two portals of one operation: of one entry, of one key, or of an org that was to get one.
    fn twins(&self) -> Option<String> {
        let mut created: Vec<_> = self.service.created().collect();
        created.sort_by_key(|(_, held)| held.created);
        for (index, (attempt, one)) in created.iter().enumerate() {
            for (other_attempt, other) in &created[..index] {
                let (this, that) =
                    (&self.service.attempts[*attempt], &self.service.attempts[*other_attempt]);
                let key = |run: usize| self.schedule.runs[run].key;
                let is_same_key = key(this.run).is_some() && key(this.run) == key(that.run);
                let is_same = this.entry == that.entry
                    || is_same_key && one.org == other.org
                    || !self.schedule.allow_another && one.org == other.org;
                if is_same {
                    return Some(format!(
                        "two portals: {} of entry {} and {} of entry {}",
                        other.names[0].name, that.entry, one.names[0].name, this.entry
                    ));
                }
            }
        }
        None
    }

    /// A process ends, some time.
    fn hung(&self) -> Option<String> {
        let hung = (0..self.ended.len())
            .find(|run| self.ended[*run].is_none() && !self.is_killed[*run])?;
        Some(format!("process {hung} does not end"))
    }

    fn untrue(
        &self,
        run: usize,
        at: u64,
        outcome: &Outcome,
        entry: Option<&EntryId>,
    ) -> Option<String> {
        let process = &self.schedule.runs[run];
        let org = org_of(process.credential);
        // The entry that a conflict is with is another operation's.
        let entry = entry.filter(|_| !is_conflict(outcome));
        let is_own = |attempt: usize| {
            let attempt = &self.service.attempts[attempt];
            attempt.sent <= at && (attempt.run == run || Some(&attempt.entry) == entry)
        };
        let own = || self.service.created().filter(|(attempt, _)| is_own(*attempt));
        let with_name = |name: &str| {
            let had =
                |held: &&Held| held.names.iter().any(|named| named.name.eq_ignore_ascii_case(name));
            self.service.portals.iter().filter(had).cloned().collect::<Vec<_>>()
        };
        let nothing_created =
            || own().next().map(|(_, held)| format!("it created {}", held.names[0].name));
        let renamed = || {
            let mut named = self.service.portals.iter().flat_map(|held| held.names.iter().skip(1));
            named.find(|named| named.by.is_some_and(is_own))
        };
        let nothing_renamed =
            || renamed().map(|named| format!("it renamed a portal to {}", named.name));
        let is_of_org = |held: &Held| held.org == org && held.created <= at;
        match outcome {
            Outcome::Created { name, .. } => {
                let is_it = |held: &Held| held.names[0].name == name.as_str();
                (!own().any(|(_, held)| is_it(held))).then(|| "it did not".to_owned())
            }
            Outcome::Present { portal, origin, .. } => {
                if !with_name(&portal.name).iter().any(is_of_org) {
                    return Some("no such portal".to_owned());
                }
                let id = portal.zaid.as_ref()?.strip_prefix("10")?.parse::<usize>().ok()?;
                let by = self.service.portals[id].names[0].by;
                let is_ours = by.is_some_and(is_own);
                // As far as a list can tell: after the first attempt, by whomever.
                let created = self.service.portals[id].created;
                let is_since =
                    |entry: &EntryId| self.begun.get(entry).is_some_and(|begun| *begun <= created);
                // A key is one operation: after an attempt at the name in an earlier entry of it, too.
                let is_of_key = |attempt: &&Attempt| {
                    let earlier = &self.schedule.runs[attempt.run];
                    let is_name = matches!(&attempt.what, What::Create(name)
                        if name.eq_ignore_ascii_case(&portal.name));
                    process.key.is_some() && earlier.key == process.key && is_name
                };
                let is_since_key = || {
                    let mut attempts = self.service.attempts.iter().filter(is_of_key);
                    attempts.any(|attempt| is_since(&attempt.entry))
                };
                match origin {
                    Origin::Preexisting if is_ours => Some("it created that".to_owned()),
                    Origin::Appeared if !entry.is_some_and(is_since) && !is_since_key() => {
                        Some("that was there before".to_owned())
                    }
                    Origin::CreatedEarlier { entry, .. } => {
                        let made = by.map(|attempt| &self.service.attempts[attempt].entry);
                        let is_it = made.is_some_and(|made| made.as_str() == entry);
                        (!is_it).then(|| format!("{made:?} created that"))
                    }
                    _ => None,
                }
            }
            Outcome::OrgHasPortal { portal, .. } => nothing_created().or_else(|| {
                let is_there = with_name(&portal.name).iter().any(is_of_org);
                (!is_there).then(|| "no such portal".to_owned())
            }),
            Outcome::NameTaken { name, owner: Owner::AnotherOrg } => {
                let theirs = |held: &Held| held.org != org && held.created <= at;
                nothing_created().or_else(nothing_renamed).or_else(|| {
                    let is_theirs = with_name(name.as_str()).iter().any(theirs);
                    (!is_theirs).then(|| "no other org has it".to_owned())
                })
            }
            Outcome::NameTaken { .. } | Outcome::Unknown { .. } | Outcome::Unchanged { .. } => None,
            Outcome::Rejected { .. } | Outcome::NotCreated { .. } => {
                nothing_created().or_else(nothing_renamed)
            }
            Outcome::Renamed { old, new } => {
                let mut held = self.service.portals.iter().filter(|held| held.org == org);
                let is_it = |held: &Held| {
                    let named = |name: &str| {
                        held.names.iter().position(|it| it.name.eq_ignore_ascii_case(name))
                    };
                    named(old).is_some() && named(new.as_str()).is_some()
                };
                (!held.any(is_it)).then(|| "it was not".to_owned())
            }
            Outcome::NotFound { .. } | Outcome::NotRenamed { .. } => nothing_renamed(),
            other => Some(format!("what is {other:?}?")),
        }
    }
}

fn is_conflict(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::NotCreated { why: NotDone::Conflict { .. }, .. }
            | Outcome::NotRenamed { why: NotDone::Conflict { .. }, .. }
    )
}

impl Service {
    /// The portals that attempts created, with the attempt.
    fn created(&self) -> impl Iterator<Item = (usize, &Held)> {
        self.portals.iter().filter_map(|held| Some((held.names[0].by?, held)))
    }
}
