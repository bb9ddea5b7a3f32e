//! [`People`]: the orgs, users, credentials and portals of a registry, and every rule about changing
//! them, but for a create in a database, which is one statement.
//!
//! No rule is in an engine. A durable engine reads the rows, lets one rule decide, and writes the
//! [`Change`]s that the rule recorded, in one transaction. The in-memory engine keeps a value of
//! this type.

use std::collections::{BTreeMap, HashMap};

use portal_model::name::name_key;
use portal_model::{Portal, Scope, Secret, Timestamp};

use crate::audit::{AuditAction, AuditEntry};
use crate::org::{Org, OrgId, PortalLimit, User, UserId, first_number};
use crate::seed::{Seed, SeedCredential, SeedGrant, SeedOrg, SeedUser};
use crate::token::Hashed;

mod administer;
mod portals;
mod reseed;
mod tokens;

/// Rows, and the changes made to them.
#[derive(Default)]
pub(crate) struct People {
    orgs: BTreeMap<OrgId, OrgRow>,
    users: BTreeMap<UserId, UserRow>,
    /// The hashes of the secrets, by client id.
    clients: HashMap<String, Hashed>,
    grants: HashMap<Hashed, GrantRow>,
    /// By refresh token, in the order of issue.
    access_tokens: HashMap<Hashed, Vec<AccessTokenRow>>,
    /// The refresh token of each access token.
    refresh_tokens: HashMap<Hashed, Hashed>,
    /// In the order of their creation.
    portals: BTreeMap<i64, PortalRow>,
    /// By the keys of their names.
    portals_by_name: HashMap<String, i64>,
    portals_by_org: HashMap<OrgId, Vec<i64>>,
    orgs_by_name: HashMap<String, OrgId>,
    users_by_email: HashMap<(OrgId, String), UserId>,
    changes: Vec<Change>,
}

/// What a rule changed; an engine writes it.
pub(crate) enum Change {
    /// The row was added, or replaces the one with the same key.
    Row(Row),
    /// The limit of an org changed, so its portals have to take or free the slot.
    PortalLimit(OrgId, PortalLimit),
    /// The access token matters no more.
    Forget(Hashed),
    /// A portal has a new name, which its entry in the audit log has.
    Rename { portal: i64, by: UserId, entry: AuditEntry },
    /// The change for the audit log.
    Audit(AuditEntry),
}

#[derive(Clone)]
pub(crate) enum Row {
    Org(OrgRow),
    User(UserRow),
    Client { id: String, secret: Hashed },
    Grant(GrantRow),
    AccessToken(AccessTokenRow),
    Portal(PortalRow),
}

/// A removed org keeps its number and its portals.
#[derive(Clone, PartialEq)]
pub(crate) struct OrgRow {
    pub(crate) org: Org,
    pub(crate) removed_at: Option<i64>,
}

#[derive(Clone, PartialEq)]
pub(crate) struct UserRow {
    pub(crate) org: OrgId,
    pub(crate) user: User,
    pub(crate) removed_at: Option<i64>,
}

/// A refresh token or code: the client that can use it, and the user and scopes of its access
/// tokens.
#[derive(Clone, PartialEq)]
pub(crate) struct GrantRow {
    pub(crate) hash: Hashed,
    pub(crate) kind: GrantKind,
    pub(crate) client_id: String,
    pub(crate) user: UserId,
    pub(crate) scopes: Vec<Scope>,
    /// Whether a seed has it. Others are in no seed and survive a seed that replaces.
    pub(crate) is_seeded: bool,
    pub(crate) created_at: i64,
    /// When it was revoked or used up, and its access tokens with it. It never revives.
    pub(crate) ended_at: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum GrantKind {
    Code,
    RefreshToken,
}

#[derive(Clone, PartialEq)]
pub(crate) struct AccessTokenRow {
    pub(crate) hash: Hashed,
    pub(crate) refresh_token: Hashed,
    pub(crate) issued_at: i64,
    /// `None` if it was ended before its time.
    pub(crate) expires_at: Option<i64>,
}

#[derive(Clone, PartialEq)]
pub(crate) struct PortalRow {
    /// Its `zaid`.
    pub(crate) id: i64,
    pub(crate) org: OrgId,
    pub(crate) portal: Portal,
}

impl Row {
    fn client(id: &str, secret: &Secret) -> Self {
        Self::Client { id: id.to_owned(), secret: Hashed::of(secret.expose()) }
    }
}

/// Who changes something, and when.
#[derive(Clone, Copy)]
struct By<'a> {
    actor: &'a str,
    now: Timestamp,
}

/// The actor of a seed's changes.
const SEED: &str = "seed";

impl By<'_> {
    fn seed(now: Timestamp) -> Self {
        Self { actor: SEED, now }
    }

    fn at(&self) -> i64 {
        self.now.unix_seconds()
    }

    fn entry(
        &self,
        action: AuditAction,
        org: Option<&str>,
        subject: &str,
        detail: Option<String>,
    ) -> AuditEntry {
        AuditEntry {
            at: self.now,
            actor: self.actor.to_owned(),
            action,
            org: org.map(ToOwned::to_owned),
            subject: subject.to_owned(),
            detail,
        }
    }
}

/// What a seed does with an entry that differs from it.
#[derive(Clone, Copy, PartialEq)]
enum Existing {
    Keep,
    Replace,
}

impl People {
    /// Adds what is in `seed` and missing.
    pub(crate) fn apply_seed(&mut self, seed: &Seed, now: Timestamp) {
        self.take_over(seed, Existing::Keep, now);
        if !self.changes.is_empty() {
            self.record(By::seed(now).entry(AuditAction::SeedApplied, None, SEED, None));
        }
    }

    fn take_over(&mut self, seed: &Seed, existing: Existing, now: Timestamp) {
        for org in &seed.orgs {
            let id = self.take_over_org(org, existing);
            for user in &org.users {
                let id = self.take_over_user(id, user, existing);
                for credential in &user.credentials {
                    self.take_over_credential(id, credential, existing, now);
                }
            }
        }
    }

    fn take_over_org(&mut self, org: &SeedOrg, existing: Existing) -> OrgId {
        let stored = self.org_named(&org.name).map(|row| row.org.id);
        let id = stored.unwrap_or_else(|| self.next_org());
        if stored.is_none() || existing == Existing::Replace {
            let (name, environment) = (org.name.clone(), org.environment);
            let org = Org { id, name, environment, portal_limit: org.portal_limit };
            self.put(Row::Org(OrgRow { org, removed_at: None }));
        }
        id
    }

    fn take_over_user(&mut self, org: OrgId, user: &SeedUser, existing: Existing) -> UserId {
        let stored = self.user_with(org, &user.email).map(|row| row.user.id);
        let id = stored.unwrap_or_else(|| self.next_user());
        if stored.is_none() || existing == Existing::Replace {
            let (name, email) = (user.name.clone(), user.email.clone());
            let user = User { id, name, email, permissions: user.permissions.clone() };
            self.put(Row::User(UserRow { org, user, removed_at: None }));
        }
        id
    }

    fn take_over_credential(
        &mut self,
        user: UserId,
        credential: &SeedCredential,
        existing: Existing,
        now: Timestamp,
    ) {
        let SeedCredential { client_id, client_secret, grant, .. } = credential;
        if existing == Existing::Replace || !self.clients.contains_key(client_id) {
            self.put(Row::client(client_id, client_secret));
        }
        let seeded = GrantRow::new(user, credential, now);
        self.put(Row::Grant(
            match self.grants.get(&Hashed::of(grant.secret().expose())).cloned() {
                None => seeded,
                Some(stored) if existing == Existing::Keep => {
                    GrantRow { is_seeded: true, ..stored }
                }
                Some(GrantRow { created_at, ended_at, .. }) => {
                    GrantRow { created_at, ended_at, ..seeded }
                }
            },
        ));
    }

    /// Numbers are never reused.
    fn next_org(&self) -> OrgId {
        let last = self.orgs.last_key_value();
        OrgId(last.map_or_else(first_number, |(last, _)| last.0 + 1))
    }

    fn next_user(&self) -> UserId {
        let last = self.users.last_key_value();
        UserId(last.map_or_else(first_number, |(last, _)| last.0 + 1))
    }

    /// Adds a row, or replaces the one with the same key if it differs.
    fn put(&mut self, row: Row) {
        let (is_stored, new_limit) = match &row {
            Row::Org(row) => {
                let (stored, Org { id, portal_limit, .. }) = (self.orgs.get(&row.org.id), &row.org);
                let is_new = stored.is_some_and(|it| it.org.portal_limit != *portal_limit);
                (stored == Some(row), is_new.then_some(Change::PortalLimit(*id, *portal_limit)))
            }
            Row::User(row) => (self.users.get(&row.user.id) == Some(row), None),
            Row::Client { id, secret } => (self.clients.get(id) == Some(secret), None),
            Row::Grant(row) => (self.grants.get(&row.hash) == Some(row), None),
            Row::AccessToken(row) => (self.access_token(row.hash) == Some(row), None),
            Row::Portal(row) => (self.portals.get(&row.id) == Some(row), None),
        };
        if !is_stored {
            self.changes.push(Change::Row(row.clone()));
            self.changes.extend(new_limit);
            self.load(row);
        }
    }

    /// Takes in a stored row.
    pub(crate) fn load(&mut self, row: Row) {
        match row {
            Row::Org(row) => {
                self.orgs_by_name.insert(row.org.name.clone(), row.org.id);
                self.orgs.insert(row.org.id, row);
            }
            Row::User(row) => {
                self.users_by_email.insert((row.org, row.user.email.clone()), row.user.id);
                self.users.insert(row.user.id, row);
            }
            Row::Client { id, secret } => {
                self.clients.insert(id, secret);
            }
            Row::Grant(row) => {
                if row.ended_at.is_some() {
                    for ended in self.access_tokens.remove(&row.hash).unwrap_or_default() {
                        self.refresh_tokens.remove(&ended.hash);
                    }
                }
                self.grants.insert(row.hash, row);
            }
            Row::AccessToken(row) => {
                self.refresh_tokens.insert(row.hash, row.refresh_token);
                let issued = self.access_tokens.entry(row.refresh_token).or_default();
                match issued.iter_mut().find(|it| it.hash == row.hash) {
                    Some(stored) => *stored = row,
                    None => issued.push(row),
                }
            }
            Row::Portal(row) => {
                match self.portals.get(&row.id) {
                    Some(stored) => _ = self.portals_by_name.remove(&name_key(&stored.portal.name)),
                    None => self.portals_by_org.entry(row.org).or_default().push(row.id),
                }
                self.portals_by_name.insert(name_key(&row.portal.name), row.id);
                self.portals.insert(row.id, row);
            }
        }
    }

    fn record(&mut self, entry: AuditEntry) {
        self.changes.push(Change::Audit(entry));
    }

    /// Takes the changes made so far, in their order: a row comes after those it refers to.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Also those that are removed.
    pub(crate) fn orgs(&self) -> impl Iterator<Item = &Org> {
        self.orgs.values().map(|row| &row.org)
    }

    /// The users of an org who are not removed, by number.
    pub(crate) fn present_users(&self, org: OrgId) -> impl Iterator<Item = &User> {
        let users = self.users.values().filter(move |row| row.org == org);
        users.filter(|row| row.removed_at.is_none()).map(|row| &row.user)
    }

    fn org(&self, id: OrgId) -> Option<&Org> {
        self.orgs.get(&id).map(|row| &row.org)
    }

    pub(crate) fn client_secret(&self, id: &str) -> Option<Hashed> {
        self.clients.get(id).copied()
    }

    fn org_named(&self, name: &str) -> Option<&OrgRow> {
        self.orgs.get(self.orgs_by_name.get(name)?)
    }

    fn user_with(&self, org: OrgId, email: &str) -> Option<&UserRow> {
        self.users.get(self.users_by_email.get(&(org, email.to_owned()))?)
    }

    /// The org and the user of a grant.
    fn holder(&self, grant: &GrantRow) -> Option<(&Org, &User)> {
        let user = self.users.get(&grant.user)?;
        Some((self.org(user.org)?, &user.user))
    }

    /// Records a change of a refresh token or code.
    fn record_grant(&mut self, by: By<'_>, action: AuditAction, grant: &GrantRow) {
        let what = match grant.kind {
            GrantKind::Code => "code",
            GrantKind::RefreshToken => &grant.hash.fingerprint(),
        };
        let org = self.holder(grant).map(|(org, _)| org.name.as_str());
        let subject = format!("{} {what}", grant.client_id);
        self.record(by.entry(action, org, &subject, Some(grant.scopes_text())));
    }

    /// Codes before refresh tokens; each by org, user and client.
    fn sorted(&self, condition: impl Fn(&GrantRow) -> bool) -> Vec<&GrantRow> {
        let mut grants: Vec<_> = self.grants.values().filter(|grant| condition(grant)).collect();
        grants.sort_by_cached_key(|grant| {
            let org = self.users.get(&grant.user).map(|row| row.org);
            (grant.kind, org, grant.user, grant.client_id.clone(), grant.hash)
        });
        grants
    }
}

impl GrantRow {
    fn new(user: UserId, credential: &SeedCredential, now: Timestamp) -> Self {
        Self {
            hash: Hashed::of(credential.grant.secret().expose()),
            kind: match credential.grant {
                SeedGrant::Code(_) => GrantKind::Code,
                SeedGrant::RefreshToken(_) => GrantKind::RefreshToken,
            },
            client_id: credential.client_id.clone(),
            user,
            scopes: credential.scopes.clone(),
            is_seeded: true,
            created_at: now.unix_seconds(),
            ended_at: None,
        }
    }

    /// The scopes as the engines and the audit log store them.
    pub(crate) fn scopes_text(&self) -> String {
        self.scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(",")
    }
}
