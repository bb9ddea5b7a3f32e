//! What is specific to creating a portal.

use crate::error::ErrorCode;
use crate::intent::Baseline;
use crate::name::{PortalName, is_same_name};
use crate::operation::CreateOperation;
use crate::outcome::{Origin, Unverified};
use crate::portal::Portal;

use super::evidence::{Evidence, Finding, Obstacle, Receipt};
use super::policy::Policy;

/// The codes under 400 that an earlier copy of the same request may have caused.
pub(super) const SUSPECTS: [ErrorCode; 2] = [ErrorCode::AlreadyUsed, ErrorCode::LimitReached];

/// The creation of one portal, and what the ledger has of others.
pub(super) struct Create<'a> {
    pub(super) wanted: &'a CreateOperation,
    pub(super) receipts: &'a [Receipt],
    pub(super) policy: &'a Policy,
}

/// The names of `wanted` that come after `name`, which it got to, and were not tried yet.
pub(super) fn names_left(
    wanted: &CreateOperation,
    name: &PortalName,
    taken: &[PortalName],
) -> Vec<PortalName> {
    let at = wanted.names().position(|wanted| wanted.is_same_as(name.as_str()));
    let is_tried = |wanted: &PortalName| {
        let mut tried = std::iter::once(name).chain(taken);
        tried.any(|tried| tried.is_same_as(wanted.as_str()))
    };
    // The one that it got to counts as tried.
    let left = wanted.names().skip(at.unwrap_or_default());
    left.filter(|wanted| !is_tried(wanted)).cloned().collect()
}

impl<'a> Create<'a> {
    /// Compares what is there now with the portals `before` the first attempt, if those were seen.
    pub(super) fn compare(
        &self,
        before: Option<&Baseline>,
        now: &[Portal],
        attempted: bool,
    ) -> Finding {
        let policy = self.policy;
        // Before the first attempt any of the names fulfills the wish, the earliest first. Afterwards
        // only what was sent does.
        let tried = if attempted { 1 } else { usize::MAX };
        let names = || self.wanted.names().take(tried);
        let listed =
            names().find_map(|name| now.iter().find(|portal| name.is_same_as(&portal.name)));
        // Rule 7: with no baseline, every portal that was ever renamed may be the one.
        let is_new = |portal: &Portal| before.is_none_or(|before| !before.contains(portal));
        let renamed = now.iter().find(|portal| {
            is_new(portal)
                && may_be_renamed(portal)
                && self.of_other_entries(portal).next().is_none()
        });
        let renamed = renamed.filter(|_| attempted);
        let unlisted = || self.receipts.iter().filter(|receipt| is_unlisted(receipt, now, policy));
        if let Some(portal) = listed {
            let origin = self.origin(before, now, portal, attempted);
            // Somebody gave an older portal the name, and perhaps the one in doubt another.
            return match renamed.filter(|_| origin == Origin::Preexisting) {
                Some(renamed) => may_be(renamed),
                None => Finding::There { portal: portal.clone(), origin },
            };
        }
        if let Some(renamed) = renamed {
            return may_be(renamed);
        }
        // A receipt of the sent name may be that of an attempt whose doubt this list resolves.
        let of_name = |name: &PortalName| {
            let mut unlisted = unlisted().filter(|_| !attempted);
            unlisted.find(|receipt| name.is_same_as(&receipt.name))
        };
        if let Some(receipt) = names().find_map(of_name) {
            let portal = Portal::new(receipt.name.as_str());
            return Finding::There { portal, origin: created_earlier(receipt) };
        }
        // A copy of the attempt that was refused may have made it, and the key has its portal. Who renamed
        // it since found it there.
        let of_refused = |portal: &&Portal| {
            self.refused().any(|receipt| may_have_made(receipt, portal))
                && !self.of_other_entries(portal).any(|receipt| receipt.is_new(portal))
        };
        if let Some(portal) = now.iter().find(of_refused) {
            return Finding::Blocked(Obstacle::OtherPortal(portal.clone()));
        }
        let of_receipt = || unlisted().map(|receipt| Portal::new(receipt.name.as_str())).next();
        match now.first().cloned().or_else(of_receipt) {
            Some(portal) if !policy.allow_another => {
                Finding::Blocked(Obstacle::OtherPortal(portal))
            }
            _ => Finding::Absent,
        }
    }

    /// Rule 6: how the `portal` of a wanted name, which the list `now` shows, came to be there.
    fn origin(
        &self,
        before: Option<&Baseline>,
        now: &[Portal],
        portal: &Portal,
        attempted: bool,
    ) -> Origin {
        let has_id = |receipt: &&Receipt| receipt.id.is_some() && receipt.id == portal.zaid;
        let with_id = || self.made().find(has_id);
        // After an attempt of the same name it can't be told apart from that.
        let made_it = || self.made().find(|it| !attempted && made_only(it, portal, now));
        if let Some(receipt) = with_id().or_else(made_it) {
            return created_earlier(receipt);
        }
        let may_be_earlier = || self.made().any(|receipt| may_have_made(receipt, portal));
        // The first attempt under the key was before this flow.
        let is_refused = |it: &Receipt| is_same_name(&it.name, &portal.name) && it.is_new(portal);
        match before {
            _ if !attempted && self.refused().any(is_refused) => Origin::Appeared,
            Some(before) if before.contains(portal) => Origin::Preexisting,
            // What was renamed to the name was hardly created with it.
            Some(_) if is_renamed(portal) => Origin::Undetermined,
            Some(_) if may_be_renamed(portal) && may_be_earlier() => Origin::Undetermined,
            Some(_) => Origin::Appeared,
            None if attempted || may_be_earlier() => Origin::Undetermined,
            None => Origin::Preexisting,
        }
    }

    /// The other entries of the ledger of which the portal is: by its id; or by its name, as long as no list
    /// can have shown the id.
    fn of_other_entries(&self, portal: &Portal) -> impl Iterator<Item = &'a Receipt> {
        self.receipts.iter().filter(|receipt| match (&receipt.id, &receipt.evidence) {
            (Some(id), Evidence::Made { .. } | Evidence::Refused) => {
                portal.zaid.as_ref() == Some(id)
            }
            // Who renamed it is not who made it.
            (None, _) | (_, Evidence::Renamed { .. }) => {
                receipt.is_younger_than(self.policy.list_lag)
                    && is_same_name(&receipt.name, &portal.name)
            }
        })
    }

    /// The portals that other operations of the ledger made for certain.
    fn made(&self) -> impl Iterator<Item = &'a Receipt> {
        self.receipts.iter().filter(|it| matches!(it.evidence, Evidence::Made { .. }))
    }

    /// Those that a copy of an attempt under the same key may have made.
    fn refused(&self) -> impl Iterator<Item = &'a Receipt> {
        self.receipts.iter().filter(|it| it.evidence == Evidence::Refused && it.baseline.is_some())
    }
}

fn created_earlier(receipt: &Receipt) -> Origin {
    Origin::CreatedEarlier { entry: receipt.entry.clone(), is_own: receipt.has_same_key }
}

fn may_be(portal: &Portal) -> Finding {
    Finding::Ambiguous(Unverified::MayBeRenamed(portal.name.clone()))
}

/// Whether the portal of a receipt exists although the list `now` does not show it yet.
fn is_unlisted(receipt: &Receipt, now: &[Portal], policy: &Policy) -> bool {
    // A list that shows it as it was before a rename lags behind that.
    let is_as_before = |portal: &Portal| {
        let before = receipt.baseline.as_ref().and_then(|before| before.named(&portal.name));
        before.is_some_and(|known| known.id.is_some() && known.id == portal.zaid)
    };
    let shows = |portal: &Portal| may_have_made(receipt, portal) && !is_as_before(portal);
    receipt.is_younger_than(policy.list_lag) && !now.iter().any(shows)
}

/// Whether `portal` may be that of a receipt. A success has no id, and what it made is not in its
/// baseline, and has its name unless somebody renamed it since.
fn may_have_made(receipt: &Receipt, portal: &Portal) -> bool {
    let has_name = || is_same_name(&receipt.name, &portal.name) || may_be_renamed(portal);
    match &receipt.id {
        Some(id) => portal.zaid.as_ref() == Some(id),
        None => has_name() && receipt.is_new(portal),
    }
}

/// Whether `portal` is that of a receipt without an id, and nothing else in the list `now` may be. Names
/// may have been swapped, so one that was renamed proves nothing.
fn made_only(receipt: &Receipt, portal: &Portal, now: &[Portal]) -> bool {
    let mut others = now.iter().filter(|other| *other != portal);
    receipt.id.is_none()
        && !may_be_renamed(portal)
        && may_have_made(receipt, portal)
        && !others.any(|other| may_have_made(receipt, other))
}

/// Whether somebody may have renamed the portal since it was created.
fn may_be_renamed(portal: &Portal) -> bool {
    is_renamed(portal) || portal.created_time.is_none() || portal.modified_time.is_none()
}

/// The same, as far as it shows.
fn is_renamed(portal: &Portal) -> bool {
    match (&portal.created_time, &portal.modified_time) {
        (Some(created), Some(modified)) => created != modified,
        _ => false,
    }
}
