//! What a later list says against an ending (rule 16): [`Late`].

use portal_model::name::is_same_name;
use portal_model::{Operation, Portal};

use crate::entry::{EndingKind, Entry, State};

/// What a list shows that contradicts how an operation ended: an attempt in doubt took effect later
/// than the service is assumed to need.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Late {
    /// The portal is there, although the operation ended as if nothing had been done.
    Done(Portal),
    /// Beside the portal there is a second one that may be the work of an earlier attempt.
    Twin(Portal),
}

impl Entry {
    /// Whether a later list can contradict its ending.
    pub fn may_be_contradicted(&self) -> bool {
        let State::Ended { ending, .. } = &self.state else { return false };
        let in_doubt = self.doubt_ended.is_some();
        match ending.kind {
            EndingKind::NotDone => in_doubt,
            EndingKind::NameTaken => true,
            EndingKind::Created | EndingKind::Appeared => in_doubt && self.attempts > 1,
            EndingKind::Renamed | EndingKind::Present | EndingKind::Unknown => false,
        }
    }

    /// What a complete list of its org says against its ending. `others` are entries of the org: what
    /// is theirs is not this one's.
    pub fn contradicted_by(&self, portals: &[Portal], others: &[Self]) -> Option<Late> {
        if !self.may_be_contradicted() {
            return None;
        }
        let intent = self.intent.as_ref()?;
        let before = intent.baseline.as_ref()?;
        let named = |portal: &&Portal| is_same_name(&portal.name, intent.name().as_str());
        let is_theirs = |portal: &&Portal| {
            let mut rest = others.iter().filter(|other| other.id != self.id);
            rest.any(|other| is_same_name(other.name(), &portal.name))
        };
        let is_late = |portal: &&Portal| named(portal) && !self.is_made_since(portal, others);
        let mut new = portals.iter().filter(|portal| !before.contains(portal));
        match &self.operation {
            Operation::Rename(_) => {
                let had_old_name = |portal: &&Portal| {
                    let known = self.portal_before();
                    known.is_some_and(|known| known.id.is_some() && known.id == portal.zaid)
                };
                portals.iter().filter(is_late).find(had_old_name).cloned().map(Late::Done)
            }
            Operation::Create(_) if !self.ending()?.kind.is_own() => {
                new.find(is_late).cloned().map(Late::Done)
            }
            // The name was freed by a rename, and the attempt that came late took it.
            Operation::Create(_) => {
                new.clone().find(named)?;
                let is_renamed = |portal: &&Portal| portal.created_time != portal.modified_time;
                let mut twins = new.filter(|portal| !named(portal) && !is_theirs(portal));
                twins.find(is_renamed).cloned().map(Late::Twin)
            }
        }
    }

    /// Whether a later one of `others` gave the portal its name.
    fn is_made_since(&self, portal: &Portal, others: &[Self]) -> bool {
        let later = || {
            let is_done = |other: &&Self| other.ending().is_some_and(|it| it.kind.is_own());
            others.iter().filter(|other| other.order > self.order).filter(is_done)
        };
        // What was renamed away is not what has the name now.
        let is_renamed = |made: &Self| {
            later().any(|other| {
                matches!(&other.operation, Operation::Rename(rename)
                    if other.order > made.order && is_same_name(&rename.old, &portal.name))
            })
        };
        later().any(|made| is_same_name(made.name(), &portal.name) && !is_renamed(made))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portal_model::flow::{Baseline, Intent};
    use portal_model::{CreateOperation, OrgIdentity, RenameOperation};

    use super::*;
    use crate::entry::{About, Ending, EntryId};
    use crate::time::{Moment, Times};

    fn portal(id: &str, name: &str, is_renamed: bool) -> Portal {
        let time = |time: &str| Some(time.parse().unwrap());
        let mut portal = Portal::new(name);
        portal.zaid = Some(id.to_owned());
        portal.created_time = time("2021-11-25T16:13:33+05:30");
        portal.modified_time =
            if is_renamed { time("2021-11-25T16:14:02+05:30") } else { portal.created_time };
        portal
    }

    fn entry(operation: Operation, intent: Intent, attempts: u32, kind: EndingKind) -> Entry {
        let at = Moment::new("boot", Duration::from_secs(9));
        let before = Baseline::of(&[portal("1", "OldOne", false)]);
        Entry {
            id: EntryId::new("own"),
            order: 1,
            org: OrgIdentity::new("https://api.example", "credential"),
            label: None,
            key: None,
            operation,
            intent: Some(intent.with_baseline(Some(before))),
            attempts,
            gone_on_after: None,
            state: State::Ended { ending: Ending::new(kind), at: at.clone().into() },
            doubt_ended: Some(at.into()),

            is_settled: false,
            times: Times::from(&portal_model::flow::Policy::default()),
            about: About::default(),
        }
    }

    fn create(attempts: u32, kind: EndingKind) -> Entry {
        let name = || "AcmePortal".parse().unwrap();
        let intent = Intent::create(name());
        entry(CreateOperation::new(name()).into(), intent, attempts, kind)
    }

    #[test]
    fn create_that_came_late_is_told() {
        let old = portal("1", "OldOne", false);
        let acme = portal("2", "AcmePortal", false);
        let late = |entry: Entry, portals: &[Portal]| entry.contradicted_by(portals, &[]);
        let not_done = || create(1, EndingKind::NotDone);
        let list = [old.clone(), acme.clone()];
        assert_eq!(late(not_done(), &list), Some(Late::Done(acme.clone())));
        assert_eq!(late(not_done(), &list[..1]), None);
        // What was there before under another name is not this one's work.
        assert_eq!(late(not_done(), &[portal("1", "AcmePortal", true)]), None);
        assert_eq!(late(Entry { doubt_ended: None, ..not_done() }, &list), None);
    }

    #[test]
    fn what_later_entry_made_is_not_late() {
        let acme = [portal("2", "AcmePortal", false)];
        let not_done = create(1, EndingKind::NotDone);
        let later = |order, entry: Entry| Entry { id: EntryId::new("later"), order, ..entry };
        let again = later(2, create(1, EndingKind::Created));
        let late = |others: &[Entry]| not_done.contradicted_by(&acme, others).is_some();
        assert!(!late(&[not_done.clone(), again.clone()]));
        // It ended earlier, made nothing, or made what has another name now.
        assert!(late(&[later(0, again.clone())]));
        assert!(late(&[later(2, create(1, EndingKind::NotDone))]));
        let rename = |old: &str, new: &str, order| {
            let operation = RenameOperation::new(old, new.parse().unwrap());
            let intent = Intent::rename(old, new.parse().unwrap());
            later(order, entry(operation.into(), intent, 1, EndingKind::Renamed))
        };
        let away = rename("AcmePortal", "AcmeHelp", 3);
        assert!(late(&[again.clone(), away.clone()]));
        assert!(!late(&[again, away, rename("AcmeHelp", "AcmePortal", 4)]));
    }

    #[test]
    fn twin_of_renamed_portal_is_told() {
        let acme = portal("3", "AcmePortal", false);
        let renamed = portal("2", "AcmeHelp", true);
        let list = [portal("1", "OldOne", false), renamed.clone(), acme];
        let created = create(2, EndingKind::Created);
        assert_eq!(created.contradicted_by(&list, &[]), Some(Late::Twin(renamed)));
        assert_eq!(create(1, EndingKind::Created).contradicted_by(&list, &[]), None);
        let mut other = create(1, EndingKind::Created);
        other.id = EntryId::new("other");
        other.operation = CreateOperation::new("AcmeHelp".parse().unwrap()).into();
        other.intent = Some(Intent::create("AcmeHelp".parse().unwrap()));
        assert_eq!(created.contradicted_by(&list, &[other]), None);
    }

    #[test]
    fn rename_that_came_late_is_told() {
        let rename = RenameOperation::new("OldOne", "NewOne".parse().unwrap());
        let intent = Intent::rename("OldOne", "NewOne".parse().unwrap());
        let entry = entry(rename.into(), intent, 1, EndingKind::NotDone);
        let renamed = portal("1", "NewOne", true);
        let list = [renamed.clone(), portal("2", "OldOne", false)];
        assert_eq!(entry.contradicted_by(&list, &[]), Some(Late::Done(renamed)));
        assert_eq!(entry.contradicted_by(&[portal("2", "NewOne", false)], &[]), None);
    }
}
