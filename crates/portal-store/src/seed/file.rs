//! Parsing seed files: TOML, with errors by line and column.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::str::FromStr;

use portal_model::{Environment, Scope, Secret};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::{Spanned, Value};

use super::{Seed, SeedCredential, SeedGrant, SeedOrg, SeedUser};
use crate::org::{Permission, PortalLimit};

/// The first error in a seed file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct SeedError {
    /// Line, 1-based.
    pub line: usize,
    /// Column, 1-based, in Unicode scalar values.
    pub column: usize,
    /// What was expected and what was found. Never contains a secret.
    pub message: String,
}

impl FromStr for Seed {
    type Err = SeedError;

    fn from_str(text: &str) -> Result<Self, SeedError> {
        let file: File = toml::from_str(text).map_err(|error| {
            SeedError::at(text, error.span().unwrap_or_default(), error.message())
        })?;
        let mut seen = Seen::default();
        let orgs = file.org.into_iter().map(|org| seen.org(org));
        let orgs = orgs.collect::<Result<_, _>>();
        orgs.map(|orgs| Self { orgs }).map_err(|Wrong(place, why)| SeedError::at(text, place, why))
    }
}

impl SeedError {
    fn at(text: &str, place: Range<usize>, message: impl Into<String>) -> Self {
        let before = text.get(..place.start).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self {
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            message: message.into(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    org: Vec<OrgTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrgTable {
    name: Spanned<Text>,
    #[serde(default)]
    environment: Environment,
    #[serde(default, deserialize_with = "limit")]
    portal_limit: PortalLimit,
    #[serde(default)]
    user: Vec<UserTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserTable {
    name: String,
    email: Spanned<Text>,
    #[serde(default)]
    permissions: BTreeSet<Permission>,
    #[serde(default)]
    credential: Vec<Spanned<CredentialTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialTable {
    client_id: Text,
    client_secret: Spanned<Text>,
    refresh_token: Option<Spanned<Text>>,
    grant_code: Option<Spanned<Text>>,
    #[serde(deserialize_with = "scopes")]
    scopes: Vec<Scope>,
}

/// A text that is not empty. It is parsed as any value, because serde's error for a wrong type would
/// quote it, and it may be a secret.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "Value")]
struct Text(String);

impl TryFrom<Value> for Text {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) if !text.is_empty() => Ok(Self(text)),
            Value::String(_) => Err("expected a text, found an empty string".to_owned()),
            other => {
                Err(format!("expected a quoted string, found a value of type {}", other.type_str()))
            }
        }
    }
}

fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PortalLimit, D::Error> {
    let found = match Value::deserialize(deserializer)? {
        Value::Integer(1) => return Ok(PortalLimit::One),
        Value::Integer(number) => number.to_string(),
        other => format!("a value of type {}", other.type_str()),
    };
    let expected = "expected 1 (omit portal_limit for unlimited)";
    Err(D::Error::custom(format!("{expected}, found {found}")))
}

fn scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Scope>, D::Error> {
    const EXAMPLE: &str = "such as \"ZohoCRM.settings.clientportal.ALL\"";
    let scopes = Vec::<Scope>::deserialize(deserializer)?;
    let is_separator = |character: char| character == ',' || character.is_whitespace();
    let is_one = |scope: &str| !scope.is_empty() && !scope.contains(is_separator);
    match scopes.iter().find(|scope| !is_one(scope.as_str())) {
        None if scopes.is_empty() => {
            Err(D::Error::custom(format!("expected at least one scope, {EXAMPLE}")))
        }
        None => Ok(scopes),
        Some(wrong) => {
            let found = wrong.as_str();
            Err(D::Error::custom(format!("expected one scope, {EXAMPLE}, found {found:?}")))
        }
    }
}

/// An error and its position.
struct Wrong(Range<usize>, String);

fn wrong<T, U>(value: &Spanned<T>, message: impl Into<String>) -> Result<U, Wrong> {
    Err(Wrong(value.span(), message.into()))
}

/// Returns the text, unless it was seen before.
fn unique(seen: &mut HashSet<Text>, text: &Spanned<Text>, what: &str) -> Result<String, Wrong> {
    if seen.insert(text.as_ref().clone()) {
        return Ok(text.as_ref().0.clone());
    }
    wrong(text, format!("expected a unique {what}, found one from above"))
}

/// The values seen so far that must be unique in the file.
#[derive(Default)]
struct Seen {
    orgs: HashSet<Text>,
    client_secrets: HashMap<String, Text>,
    grants: HashSet<Text>,
}

impl Seen {
    fn org(&mut self, org: OrgTable) -> Result<SeedOrg, Wrong> {
        let OrgTable { name, environment, portal_limit, user } = org;
        let (name, mut emails) = (unique(&mut self.orgs, &name, "org name")?, HashSet::new());
        let users = user.into_iter().map(|UserTable { name, email, permissions, credential }| {
            let email = unique(&mut emails, &email, "e-mail address in the org")?;
            let credentials = credential.into_iter().map(|table| self.credential(table));
            let credentials = credentials.collect::<Result<_, _>>()?;
            Ok(SeedUser { name, email, permissions, credentials })
        });
        let users = users.collect::<Result<_, _>>()?;
        Ok(SeedOrg { name, environment, portal_limit, users })
    }

    fn credential(&mut self, table: Spanned<CredentialTable>) -> Result<SeedCredential, Wrong> {
        let CredentialTable { client_id: Text(client_id), client_secret: secret, .. } =
            table.as_ref();
        let known = self.client_secrets.entry(client_id.clone());
        if known.or_insert_with(|| secret.as_ref().clone()) != secret.as_ref() {
            let message = format!(
                "expected the same client_secret as for {client_id:?} above, found a different one"
            );
            return wrong(secret, message);
        }
        let (given, grant): (_, fn(Secret) -> SeedGrant) =
            match (&table.as_ref().refresh_token, &table.as_ref().grant_code) {
                (Some(token), None) => (token, SeedGrant::RefreshToken),
                (None, Some(code)) => (code, SeedGrant::Code),
                (None, None) => {
                    return wrong(
                        &table,
                        "expected a refresh_token or a grant_code, found neither",
                    );
                }
                (Some(_), Some(code)) => {
                    let message = "expected a refresh_token or a grant_code, found both; give \
                                   each a credential of its own";
                    return wrong(code, message);
                }
            };
        let grant = grant(unique(&mut self.grants, given, "refresh_token or grant_code")?.into());
        let CredentialTable { client_id, client_secret, scopes, .. } = table.into_inner();
        let client_secret = client_secret.into_inner().0.into();
        Ok(SeedCredential { client_id: client_id.0, client_secret, grant, scopes })
    }
}

#[cfg(test)]
mod tests;
