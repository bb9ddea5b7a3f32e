//! Portals: creating one in memory, and renaming one in any engine.

use portal_model::name::name_key;
use portal_model::{Portal, PortalName, Timestamp, UserRef};

use super::{By, Change, People, PortalRow, Row};
use crate::audit::AuditAction;
use crate::error::RegistryError;
use crate::org::{Org, OrgId, PortalLimit, User, UserId, first_zaid};
use crate::registry::{CreateConflict, RenameConflict};

impl People {
    pub(crate) fn create_portal(
        &mut self,
        user: UserId,
        name: &PortalName,
        now: Timestamp,
    ) -> Result<Result<(), CreateConflict>, RegistryError> {
        let (owner, actor) = self.acting(user)?;
        let org = owner.id;
        if owner.portal_limit == PortalLimit::One && self.portals_by_org.contains_key(&org) {
            return Ok(Err(CreateConflict::LimitReached));
        }
        if self.portals_by_name.contains_key(&name_key(name.as_str())) {
            return Ok(Err(CreateConflict::NameTaken));
        }
        let id = self.portals.last_key_value().map_or_else(first_zaid, |(last, _)| last + 1);
        let mut portal = Portal::new(name.as_str());
        portal.zaid = Some(id.to_string());
        portal.active = Some(true);
        portal.created_time = Some(whole_seconds(now));
        portal.modified_time = portal.created_time;
        portal.created_by = Some(reference(actor));
        portal.modified_by.clone_from(&portal.created_by);
        self.load(Row::Portal(PortalRow { id, org, portal }));
        Ok(Ok(()))
    }

    /// A database may find the new name taken when it writes: the rule is repeated then.
    pub(crate) fn rename_portal(
        &mut self,
        user: UserId,
        old: &str,
        new: &PortalName,
        now: Timestamp,
    ) -> Result<Result<Portal, RenameConflict>, RegistryError> {
        let (owner, actor) = self.acting(user)?;
        let org = owner.id;
        let row = self.portals_by_name.get(&name_key(old)).and_then(|id| self.portals.get(id));
        let Some(row) = row.filter(|row| row.org == org) else {
            return Ok(Err(RenameConflict::NotFound));
        };
        let holder = self.portals_by_name.get(&name_key(new.as_str()));
        if holder.is_some_and(|holder| *holder != row.id) {
            return Ok(Err(RenameConflict::NameTaken));
        }
        let mut portal = row.portal.clone();
        new.as_str().clone_into(&mut portal.name);
        portal.modified_time = Some(whole_seconds(now));
        portal.modified_by = Some(reference(actor));
        let (by, old) = (By { actor: &actor.email, now }, row.portal.name.clone());
        let action = AuditAction::PortalRenamed;
        let entry = by.entry(action, Some(&owner.name), new.as_str(), Some(old));
        let change = Change::Rename { portal: row.id, by: user, entry };
        self.load(Row::Portal(PortalRow { portal: portal.clone(), ..row.clone() }));
        self.changes.push(change);
        Ok(Ok(portal))
    }

    pub(crate) fn portals(&self, org: OrgId) -> impl Iterator<Item = &Portal> {
        let ids = self.portals_by_org.get(&org).into_iter().flatten();
        ids.filter_map(|id| self.portals.get(id)).map(|row| &row.portal)
    }

    pub(crate) fn portal(&self, org: OrgId, name: &str) -> Option<&Portal> {
        let row = self.portals.get(self.portals_by_name.get(&name_key(name))?)?;
        (row.org == org).then_some(&row.portal)
    }

    /// A user, who must exist, after the user's org.
    fn acting(&self, user: UserId) -> Result<(&Org, &User), RegistryError> {
        let acting = self.users.get(&user).and_then(|row| Some((self.org(row.org)?, &row.user)));
        acting.ok_or_else(|| RegistryError::NotApplied(format!("there is no user {user}")))
    }
}

fn reference(user: &User) -> UserRef {
    UserRef::new(&user.name, user.id.to_string())
}

/// Truncates a time to what every engine stores: whole seconds, in UTC.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_unix_seconds(time.unix_seconds()).unwrap_or(time)
}
