//! Where a seed and what an engine keeps disagree.

use std::collections::{HashMap, HashSet};

use portal_model::Scope;

use super::{Seed, SeedCredential, SeedDifference, SeedDifferences, SeedGrant, SeedOrg, SeedUser};
use crate::org::Permission;
use crate::token::Hashed;

/// What an engine keeps, in the values of its columns.
#[derive(Default)]
pub(crate) struct Kept {
    /// By name.
    pub(crate) orgs: HashMap<String, KeptOrg>,
    /// By org and e-mail address.
    pub(crate) users: HashMap<(String, String), KeptUser>,
    /// The hashes of the secrets, by client id.
    pub(crate) clients: HashMap<String, Hashed>,
    /// In the order of orgs, users and clients.
    pub(crate) refresh_tokens: Vec<KeptToken>,
    pub(crate) codes: HashMap<Hashed, KeptGrant>,
}

pub(crate) struct KeptOrg {
    pub(crate) environment: String,
    pub(crate) portal_limit: Option<i64>,
    pub(crate) is_removed: bool,
}

pub(crate) struct KeptUser {
    pub(crate) name: String,
    /// In the order of [`Permission::ALL`].
    pub(crate) permissions: [bool; 2],
    pub(crate) is_removed: bool,
}

pub(crate) struct KeptToken {
    pub(crate) hash: Hashed,
    pub(crate) grant: KeptGrant,
    pub(crate) is_seeded: bool,
    pub(crate) is_revoked: bool,
}

/// Of a refresh token or code.
pub(crate) struct KeptGrant {
    pub(crate) client_id: String,
    pub(crate) org: String,
    pub(crate) email: String,
    pub(crate) scopes: String,
    pub(crate) is_used: bool,
}

/// What is kept and a seed does not have, and would have to go.
#[derive(Default)]
pub(crate) struct Superfluous {
    pub(crate) refresh_tokens: Vec<Hashed>,
    pub(crate) codes: Vec<Hashed>,
}

impl Kept {
    /// What differs from `seed`. That something is missing here is no difference, nor is a code of
    /// an earlier seed, which ends by itself.
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
        // A client may have many credentials, and an org many users.
        let mut listed = HashSet::new();
        differences.retain(|it| listed.insert(it.clone()));
        SeedDifferences::new(differences)
    }

    /// What has to be revoked for `seed` to replace what is kept.
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
        // A removed org has no users left.
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
        kept: Option<&KeptGrant>,
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

    /// The refresh tokens that work and should not.
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
            let KeptGrant { org, email, client_id, .. } = &token.grant;
            let (org, email) = (|| org.clone(), || email.clone());
            let difference = match users.get(token.grant.org.as_str()) {
                None => SeedDifference::OrgNotInSeed { org: org() },
                Some(emails) if !emails.contains(token.grant.email.as_str()) => {
                    SeedDifference::UserNotInSeed { org: org(), email: email() }
                }
                // What came from a code or an administrator is in no seed.
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

/// As the engines keep them.
pub(crate) fn scopes_text(credential: &SeedCredential) -> String {
    credential.scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(",")
}
