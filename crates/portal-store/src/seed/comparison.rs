//! Finds the differences between a seed and the stored entries.

use std::collections::{HashMap, HashSet};

use portal_model::Scope;

use super::{Seed, SeedCredential, SeedDifference, SeedDifferences, SeedGrant, SeedOrg, SeedUser};
use crate::org::Permission;
use crate::token::Hashed;

/// What an engine stores, as column values.
#[derive(Default)]
pub(crate) struct Stored {
    /// By name.
    pub(crate) orgs: HashMap<String, StoredOrg>,
    /// By org and e-mail address.
    pub(crate) users: HashMap<(String, String), StoredUser>,
    /// The hashes of the secrets, by client id.
    pub(crate) clients: HashMap<String, Hashed>,
    /// Ordered by org, user and client.
    pub(crate) refresh_tokens: Vec<StoredToken>,
    pub(crate) codes: HashMap<Hashed, StoredGrant>,
}

pub(crate) struct StoredOrg {
    pub(crate) environment: String,
    pub(crate) portal_limit: Option<i64>,
    pub(crate) is_removed: bool,
}

pub(crate) struct StoredUser {
    pub(crate) name: String,
    /// In the order of [`Permission::ALL`].
    pub(crate) permissions: [bool; 2],
    pub(crate) is_removed: bool,
}

pub(crate) struct StoredToken {
    pub(crate) hash: Hashed,
    pub(crate) grant: StoredGrant,
    pub(crate) is_seeded: bool,
    pub(crate) is_revoked: bool,
}

/// A stored refresh token or code.
pub(crate) struct StoredGrant {
    pub(crate) client_id: String,
    pub(crate) org: String,
    pub(crate) email: String,
    pub(crate) scopes: String,
    pub(crate) is_used: bool,
}

/// Stored entries that are missing from a seed and have to be revoked to match it.
#[derive(Default)]
pub(crate) struct Superfluous {
    pub(crate) refresh_tokens: Vec<Hashed>,
    pub(crate) codes: Vec<Hashed>,
}

impl Stored {
    /// Returns the differences from `seed`. Entries missing from the registry don't count, nor do
    /// codes of an earlier seed, which expire on their own.
    pub(crate) fn differences(&self, seed: &Seed) -> Option<SeedDifferences> {
        let tokens: HashMap<_, _> =
            self.refresh_tokens.iter().map(|token| (token.hash, &token.grant)).collect();
        let mut differences = Vec::new();
        for org in &seed.orgs {
            self.compare_org(org, &mut differences);
            for user in &org.users {
                self.compare_user(org, user, &mut differences);
                for credential in &user.credentials {
                    let kept = match &credential.grant {
                        SeedGrant::RefreshToken(token) => {
                            tokens.get(&Hashed::of(token.expose())).copied()
                        }
                        SeedGrant::Code(code) => self.codes.get(&Hashed::of(code.expose())),
                    };
                    self.compare_credential(org, user, credential, kept, &mut differences);
                }
            }
        }
        differences.extend(self.superfluous_tokens(seed).map(|(_, difference)| difference));
        // Report each once: a client may have many credentials, and an org many users.
        let mut listed = HashSet::new();
        differences.retain(|it| listed.insert(it.clone()));
        SeedDifferences::new(differences)
    }

    /// Returns what has to be revoked for the registry to match `seed`.
    pub(crate) fn superfluous(&self, seed: &Seed) -> Superfluous {
        let codes = grants(seed).filter_map(|grant| match grant {
            SeedGrant::Code(code) => Some(Hashed::of(code.expose())),
            SeedGrant::RefreshToken(_) => None,
        });
        let codes: HashSet<_> = codes.collect();
        let unused =
            self.codes.iter().filter(|(hash, code)| !code.is_used && !codes.contains(hash));
        Superfluous {
            refresh_tokens: self.superfluous_tokens(seed).map(|(hash, _)| hash).collect(),
            codes: unused.map(|(hash, _)| *hash).collect(),
        }
    }

    fn compare_org(&self, org: &SeedOrg, differences: &mut Vec<SeedDifference>) {
        let name = || org.name.clone();
        let Some(kept) = self.orgs.get(&org.name) else { return };
        if kept.is_removed {
            differences.push(SeedDifference::OrgRemoved { org: name() });
        }
        if kept.environment != super::environment_text(org.environment) {
            differences.push(SeedDifference::Environment { org: name() });
        }
        if kept.portal_limit != super::portal_limit_number(org.portal_limit) {
            differences.push(SeedDifference::PortalLimit { org: name() });
        }
    }

    fn compare_user(&self, org: &SeedOrg, user: &SeedUser, differences: &mut Vec<SeedDifference>) {
        let (name, email) = (|| org.name.clone(), || user.email.clone());
        let Some(kept) = self.users.get(&(name(), email())) else { return };
        // The removal of the org already implies the removal of its users.
        if kept.is_removed && self.orgs.get(&org.name).is_some_and(|org| !org.is_removed) {
            differences.push(SeedDifference::UserRemoved { org: name(), email: email() });
        }
        if kept.name != user.name {
            differences.push(SeedDifference::UserName { org: name(), email: email() });
        }
        if kept.permissions != Permission::ALL.map(|it| user.permissions.contains(&it)) {
            differences.push(SeedDifference::Permissions { org: name(), email: email() });
        }
    }

    fn compare_credential(
        &self,
        org: &SeedOrg,
        user: &SeedUser,
        credential: &SeedCredential,
        kept: Option<&StoredGrant>,
        differences: &mut Vec<SeedDifference>,
    ) {
        let client_id = || credential.client_id.clone();
        let secret = Hashed::of(credential.client_secret.expose());
        if self.clients.get(&credential.client_id).is_some_and(|kept| !kept.matches(secret)) {
            differences.push(SeedDifference::ClientSecret { client_id: client_id() });
        }
        let is_kept_otherwise = kept.is_some_and(|kept| {
            kept.client_id != credential.client_id
                || kept.org != org.name
                || kept.email != user.email
                || kept.scopes != scopes_text(credential)
        });
        if is_kept_otherwise {
            differences.push(SeedDifference::Credential {
                org: org.name.clone(),
                email: user.email.clone(),
                client_id: client_id(),
            });
        }
    }

    /// Valid refresh tokens that are not in the seed.
    fn superfluous_tokens(&self, seed: &Seed) -> impl Iterator<Item = (Hashed, SeedDifference)> {
        let mut users: HashMap<&str, HashSet<&str>> = HashMap::new();
        for org in &seed.orgs {
            let emails = org.users.iter().map(|user| user.email.as_str());
            users.entry(&org.name).or_default().extend(emails);
        }
        let tokens = grants(seed).filter_map(|grant| match grant {
            SeedGrant::RefreshToken(token) => Some(Hashed::of(token.expose())),
            SeedGrant::Code(_) => None,
        });
        let tokens: HashSet<_> = tokens.collect();
        self.refresh_tokens.iter().filter(|token| !token.is_revoked).filter_map(move |token| {
            let StoredGrant { org, email, client_id, .. } = &token.grant;
            let (org, email) = (|| org.clone(), || email.clone());
            let difference = match users.get(token.grant.org.as_str()) {
                None => SeedDifference::OrgNotInSeed { org: org() },
                Some(emails) if !emails.contains(token.grant.email.as_str()) => {
                    SeedDifference::UserNotInSeed { org: org(), email: email() }
                }
                // Tokens from a code or an administrator are in no seed and must survive.
                Some(_) if token.is_seeded && !tokens.contains(&token.hash) => {
                    SeedDifference::RefreshTokenNotInSeed {
                        org: org(),
                        email: email(),
                        client_id: client_id.clone(),
                    }
                }
                Some(_) => return None,
            };
            Some((token.hash, difference))
        })
    }
}

fn grants(seed: &Seed) -> impl Iterator<Item = &SeedGrant> {
    let users = seed.orgs.iter().flat_map(|org| &org.users);
    users.flat_map(|user| &user.credentials).map(|credential| &credential.grant)
}

/// The scopes as the engines store them.
pub(crate) fn scopes_text(credential: &SeedCredential) -> String {
    credential.scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(",")
}
