//! Parsing seed files: TOML, with errors by line and column.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::str::FromStr;

use portal_model::{Environment, Scope};
use serde::Deserialize;
use toml::{Spanned, Value};

use super::{Seed, SeedCredential, SeedGrant, SeedOrg, SeedUser};
use crate::org::{Permission, PortalLimit, environment};

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
        Reader::default()
            .seed(file)
            .map_err(|SpannedError { place, message }| SeedError::at(text, place, message))
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
    name: Spanned<String>,
    environment: Option<Spanned<String>>,
    portal_limit: Option<Spanned<Value>>,
    #[serde(default)]
    user: Vec<UserTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserTable {
    name: String,
    email: Spanned<String>,
    #[serde(default)]
    permissions: Vec<Spanned<String>>,
    #[serde(default)]
    credential: Vec<Spanned<CredentialTable>>,
}

/// Secrets are parsed as any value, because serde's error for a wrong type would quote them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialTable {
    client_id: Spanned<String>,
    client_secret: Spanned<Value>,
    refresh_token: Option<Spanned<Value>>,
    grant_code: Option<Spanned<Value>>,
    scopes: Spanned<Vec<Spanned<String>>>,
}

/// An error and its position.
struct SpannedError {
    place: Range<usize>,
    message: String,
}

fn wrong<T, U>(value: &Spanned<T>, message: impl Into<String>) -> Result<U, SpannedError> {
    Err(SpannedError { place: value.span(), message: message.into() })
}

/// The values seen so far that must be unique in the file.
#[derive(Default)]
struct Reader {
    orgs: HashSet<String>,
    client_secrets: HashMap<String, String>,
    grants: HashSet<String>,
}

impl Reader {
    fn seed(mut self, file: File) -> Result<Seed, SpannedError> {
        let orgs = file.org.into_iter().map(|org| self.org(org));
        Ok(Seed { orgs: orgs.collect::<Result<_, _>>()? })
    }

    fn org(&mut self, org: OrgTable) -> Result<SeedOrg, SpannedError> {
        let name = non_empty(&org.name, "the org's name")?;
        if !self.orgs.insert(name.clone()) {
            let message = format!("expected a unique org name, found {name:?} again");
            return wrong(&org.name, message);
        }
        let mut emails = HashSet::new();
        let mut users = Vec::new();
        for user in org.user {
            let email = non_empty(&user.email, "the user's e-mail address")?;
            if !emails.insert(email.clone()) {
                let message =
                    format!("expected a unique e-mail address in the org, found {email:?} again");
                return wrong(&user.email, message);
            }
            let credentials = user.credential.iter().map(|credential| self.credential(credential));
            users.push(SeedUser {
                name: user.name,
                email,
                permissions: user.permissions.iter().map(permission).collect::<Result<_, _>>()?,
                credentials: credentials.collect::<Result<_, _>>()?,
            });
        }
        Ok(SeedOrg {
            name,
            environment: org
                .environment
                .as_ref()
                .map(known_environment)
                .transpose()?
                .unwrap_or_default(),
            portal_limit: org.portal_limit.as_ref().map(limit).transpose()?.unwrap_or_default(),
            users,
        })
    }

    fn credential(
        &mut self,
        table: &Spanned<CredentialTable>,
    ) -> Result<SeedCredential, SpannedError> {
        let credential = table.as_ref();
        let client_id = non_empty(&credential.client_id, "client_id")?;
        let client_secret = secret(&credential.client_secret, "client_secret")?;
        let known = self.client_secrets.entry(client_id.clone()).or_insert(client_secret.clone());
        if *known != client_secret {
            let message = format!(
                "expected the same client_secret as for {client_id:?} above, found a different one"
            );
            return wrong(&credential.client_secret, message);
        }
        let (given, grant) = match (&credential.refresh_token, &credential.grant_code) {
            (Some(given), None) => {
                (given, SeedGrant::RefreshToken(secret(given, "refresh_token")?.into()))
            }
            (None, Some(given)) => (given, SeedGrant::Code(secret(given, "grant_code")?.into())),
            (None, None) => {
                return wrong(table, "expected a refresh_token or a grant_code, found neither");
            }
            (Some(_), Some(given)) => {
                let message = "expected a refresh_token or a grant_code, found both; give each a \
                               credential of its own";
                return wrong(given, message);
            }
        };
        if !self.grants.insert(grant.secret().expose().to_owned()) {
            let message = "expected a unique refresh_token or grant_code, found one from above";
            return wrong(given, message);
        }
        let scopes = scopes(&credential.scopes)?;
        Ok(SeedCredential { client_id, client_secret: client_secret.into(), grant, scopes })
    }
}

fn non_empty(text: &Spanned<String>, what: &str) -> Result<String, SpannedError> {
    if text.as_ref().is_empty() {
        return wrong(text, format!("expected {what}, found an empty string"));
    }
    Ok(text.as_ref().clone())
}

fn secret(value: &Spanned<Value>, what: &str) -> Result<String, SpannedError> {
    match value.as_ref() {
        Value::String(text) if !text.is_empty() => Ok(text.clone()),
        Value::String(_) => wrong(value, format!("expected {what}, found an empty string")),
        other => {
            let found = other.type_str();
            let expected = format!("expected {what} as a quoted string");
            wrong(value, format!("{expected}, found a value of type {found}"))
        }
    }
}

fn permission(text: &Spanned<String>) -> Result<Permission, SpannedError> {
    let [first, second] = Permission::ALL.map(Permission::seed_name);
    match Permission::ALL.into_iter().find(|it| it.seed_name() == text.as_ref()) {
        Some(permission) => Ok(permission),
        None => wrong(text, format!("expected {first:?} or {second:?}, found {:?}", text.as_ref())),
    }
}

fn known_environment(text: &Spanned<String>) -> Result<Environment, SpannedError> {
    let expected = "expected \"production\", \"sandbox\" or \"developer\"";
    environment(text.as_ref())
        .map_or_else(|| wrong(text, format!("{expected}, found {:?}", text.as_ref())), Ok)
}

fn limit(value: &Spanned<Value>) -> Result<PortalLimit, SpannedError> {
    let found = match value.as_ref() {
        Value::Integer(1) => return Ok(PortalLimit::One),
        Value::Integer(number) => number.to_string(),
        other => format!("a value of type {}", other.type_str()),
    };
    wrong(value, format!("expected 1 (omit portal_limit for unlimited), found {found}"))
}

fn scopes(scopes: &Spanned<Vec<Spanned<String>>>) -> Result<Vec<Scope>, SpannedError> {
    const EXAMPLE: &str = "such as \"ZohoCRM.settings.clientportal.ALL\"";
    if scopes.as_ref().is_empty() {
        return wrong(scopes, format!("expected at least one scope, {EXAMPLE}"));
    }
    let scope = |text: &Spanned<String>| {
        let is_separator = |character: char| character == ',' || character.is_whitespace();
        let found = text.as_ref();
        if found.is_empty() || found.contains(is_separator) {
            return wrong(text, format!("expected one scope, {EXAMPLE}, found {found:?}"));
        }
        Ok(Scope::new(found))
    };
    scopes.as_ref().iter().map(scope).collect()
}

#[cfg(test)]
mod tests;
