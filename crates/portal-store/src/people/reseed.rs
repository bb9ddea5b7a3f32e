//! How a seed is compared with what is stored, and how it replaces it.

use std::collections::{HashMap, HashSet};

use portal_model::Timestamp;

use super::{By, Existing, GrantKind, GrantRow, People, SEED};
use crate::audit::AuditAction;
use crate::org::{Org, User};
use crate::seed::{Seed, SeedCredential, SeedDifferences, SeedOrg, SeedUser};
use crate::token::Hashed;

impl People {
    /// Adds what is in `seed` and missing, unless an entry differs.
    pub(crate) fn apply_seed_unless_different(
        &mut self,
        seed: &Seed,
        now: Timestamp,
    ) -> Result<(), SeedDifferences> {
        let differences = self.differences(seed);
        if differences.is_empty() {
            self.apply_seed(seed, now);
            return Ok(());
        }
        Err(SeedDifferences(differences))
    }

    /// Updates orgs, users and credentials to match the seed, and ends credentials that are not in
    /// it. Portals, revocations and used codes stay.
    pub(crate) fn replace_seed(&mut self, seed: &Seed, now: Timestamp) {
        let seeded = Seeded::of(seed);
        let is_superfluous = |grant: &&GrantRow| match grant.kind {
            GrantKind::Code => !seeded.grants.contains(&grant.hash),
            GrantKind::RefreshToken => self.superfluity(&seeded, grant).is_some(),
        };
        let superfluous = self.grants.values().filter(is_superfluous);
        let superfluous: HashSet<_> = superfluous.map(|grant| grant.hash).collect();
        self.end_all(By::seed(now), |grant| superfluous.contains(&grant.hash));
        self.take_over(seed, Existing::Replace, now);
        self.record(By::seed(now).entry(AuditAction::SeedReplaced, None, SEED, None));
    }

    /// The differences from `seed`. Entries that are missing here don't count, nor do codes of an
    /// earlier seed, which expire on their own.
    fn differences(&self, seed: &Seed) -> Vec<String> {
        let mut found = Vec::new();
        for org in &seed.orgs {
            self.compare_org(org, &mut found);
            for user in &org.users {
                self.compare_user(org, user, &mut found);
                for credential in &user.credentials {
                    self.compare_credential(org, user, credential, &mut found);
                }
            }
        }
        let seeded = Seeded::of(seed);
        let tokens = self.sorted(|grant| grant.kind == GrantKind::RefreshToken);
        found.extend(tokens.into_iter().filter_map(|token| self.superfluity(&seeded, token)));
        // Report each once: a client may have many credentials, and an org many users.
        let mut listed = HashSet::new();
        found.retain(|it| listed.insert(it.clone()));
        found
    }

    fn compare_org(&self, org: &SeedOrg, found: &mut Vec<String>) {
        let Some(stored) = self.org_named(&org.name) else { return };
        let name = &org.name;
        if stored.removed_at.is_some() {
            found.push(format!("org {name:?} was removed"));
        }
        if stored.org.environment != org.environment {
            found.push(format!("org {name:?} has a different environment"));
        }
        if stored.org.portal_limit != org.portal_limit {
            found.push(format!("org {name:?} has a different portal limit"));
        }
    }

    fn compare_user(&self, org: &SeedOrg, user: &SeedUser, found: &mut Vec<String>) {
        let Some(of_org) = self.org_named(&org.name) else { return };
        let Some(stored) = self.user_with(of_org.org.id, &user.email) else { return };
        let user_of = format!("user {} of org {:?}", user.email, org.name);
        // The removal of the org already implies the removal of its users.
        if stored.removed_at.is_some() && of_org.removed_at.is_none() {
            found.push(format!("{user_of} was removed"));
        }
        if stored.user.name != user.name {
            found.push(format!("{user_of} has a different name"));
        }
        if stored.user.permissions != user.permissions {
            found.push(format!("{user_of} has different permissions"));
        }
    }

    fn compare_credential(
        &self,
        org: &SeedOrg,
        user: &SeedUser,
        credential: &SeedCredential,
        found: &mut Vec<String>,
    ) {
        let client_id = &credential.client_id;
        let secret = Hashed::of(credential.client_secret.expose());
        if self.client_secret(client_id).is_some_and(|it| !it.matches(secret)) {
            found.push(format!("client {client_id} has a different secret"));
        }
        let Some(stored) = self.grants.get(&Hashed::of(credential.grant.secret().expose())) else {
            return;
        };
        let is_same_user = |(stored_org, stored_user): (&Org, &User)| {
            stored_org.name == org.name && stored_user.email == user.email
        };
        if stored.client_id != *client_id
            || !self.holder(stored).is_some_and(is_same_user)
            || stored.scopes != credential.scopes
        {
            found.push(format!(
                "a credential of client {client_id} for user {} of org {:?} has a different \
                 client, user or scopes",
                user.email, org.name,
            ));
        }
    }

    /// Why a refresh token that is valid must not be, if the registry matched the seed.
    fn superfluity(&self, seed: &Seeded<'_>, token: &GrantRow) -> Option<String> {
        let (Org { name, .. }, User { email, .. }) = self.holder(token)?;
        let users = seed.users.get(name.as_str());
        if token.ended_at.is_some() {
            None
        } else if users.is_none() {
            Some(format!("org {name:?} is not in the seed"))
        } else if !users.is_some_and(|emails| emails.contains(email.as_str())) {
            Some(format!("user {email} of org {name:?} is not in the seed"))
        } else if token.is_seeded && !seed.grants.contains(&token.hash) {
            // Tokens from a code or an administrator are in no seed and must survive.
            Some(format!(
                "a refresh token of client {} for user {email} of org {name:?} is not in the seed",
                token.client_id,
            ))
        } else {
            None
        }
    }
}

/// What a seed contains.
struct Seeded<'a> {
    /// The e-mail addresses of users, by org.
    users: HashMap<&'a str, HashSet<&'a str>>,
    grants: HashSet<Hashed>,
}

impl<'a> Seeded<'a> {
    fn of(seed: &'a Seed) -> Self {
        let mut seeded = Self { users: HashMap::new(), grants: HashSet::new() };
        for org in &seed.orgs {
            let emails = org.users.iter().map(|user| user.email.as_str());
            seeded.users.entry(&org.name).or_default().extend(emails);
            let credentials = org.users.iter().flat_map(|user| &user.credentials);
            seeded.grants.extend(credentials.map(|it| Hashed::of(it.grant.secret().expose())));
        }
        seeded
    }
}
