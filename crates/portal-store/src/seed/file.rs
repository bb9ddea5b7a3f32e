//! Parsing seed files: TOML, with errors by line and column.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use portal_model::{Environment, Scope, Secret};
use serde::Deserialize;
use toml::{Spanned, Value};

use super::{Seed, SeedCredential, SeedGrant, SeedOrg, SeedUser};
use crate::org::{Permission, PortalLimit};

/// The first error in a seed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedError {
    /// Line, 1-based.
    pub line: usize,
    /// Column, 1-based, in Unicode scalar values.
    pub column: usize,
    /// What was expected and what was found. Never contains a secret.
    pub message: String,
}

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for SeedError {}

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

impl SpannedError {
    fn new<T>(place: &Spanned<T>, message: impl Into<String>) -> Self {
        Self { place: place.span(), message: message.into() }
    }
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
            return Err(SpannedError::new(
                &org.name,
                format!("expected a unique org name, found {name:?} again"),
            ));
        }
        let mut emails = HashSet::new();
        let mut users = Vec::new();
        for user in org.user {
            let email = non_empty(&user.email, "the user's e-mail address")?;
            if !emails.insert(email.clone()) {
                return Err(SpannedError::new(
                    &user.email,
                    format!("expected a unique e-mail address in the org, found {email:?} again"),
                ));
            }
            let credentials =
                user.credential.into_iter().map(|credential| self.credential(credential));
            users.push(SeedUser {
                name: user.name,
                email,
                permissions: user.permissions.iter().map(permission).collect::<Result<_, _>>()?,
                credentials: credentials.collect::<Result<_, _>>()?,
            });
        }
        Ok(SeedOrg {
            name,
            environment: org.environment.as_ref().map(environment).transpose()?.unwrap_or_default(),
            portal_limit: portal_limit(org.portal_limit.as_ref())?,
            users,
        })
    }

    fn credential(
        &mut self,
        table: Spanned<CredentialTable>,
    ) -> Result<SeedCredential, SpannedError> {
        let place = table.span();
        let credential = table.into_inner();
        let client_id = non_empty(&credential.client_id, "client_id")?;
        let client_secret = secret(&credential.client_secret, "client_secret")?;
        let known = self.client_secrets.entry(client_id.clone()).or_insert(client_secret.clone());
        if *known != client_secret {
            return Err(SpannedError::new(
                &credential.client_secret,
                format!(
                    "expected the same client_secret as for {client_id:?} above, found a different one"
                ),
            ));
        }
        let (grant, text, place) = match (&credential.refresh_token, &credential.grant_code) {
            (Some(given), None) => {
                let text = secret(given, "refresh_token")?;
                (SeedGrant::RefreshToken(text.clone().into()), text, given.span())
            }
            (None, Some(given)) => {
                let text = secret(given, "grant_code")?;
                (SeedGrant::Code(text.clone().into()), text, given.span())
            }
            (None, None) => {
                let message = "expected a refresh_token or a grant_code, found neither".to_owned();
                return Err(SpannedError { place, message });
            }
            (Some(_), Some(given)) => {
                return Err(SpannedError::new(
                    given,
                    "expected a refresh_token or a grant_code, found both; give each a credential \
                     of its own",
                ));
            }
        };
        if !self.grants.insert(text) {
            let message = "expected a unique refresh_token or grant_code, found one from above";
            return Err(SpannedError { place, message: message.to_owned() });
        }
        Ok(SeedCredential {
            client_id,
            client_secret: Secret::new(client_secret),
            grant,
            scopes: scopes(&credential.scopes)?,
        })
    }
}

fn non_empty(text: &Spanned<String>, what: &str) -> Result<String, SpannedError> {
    if text.as_ref().is_empty() {
        return Err(SpannedError::new(text, format!("expected {what}, found an empty string")));
    }
    Ok(text.as_ref().clone())
}

fn secret(value: &Spanned<Value>, what: &str) -> Result<String, SpannedError> {
    match value.as_ref() {
        Value::String(text) if !text.is_empty() => Ok(text.clone()),
        Value::String(_) => {
            Err(SpannedError::new(value, format!("expected {what}, found an empty string")))
        }
        other => Err(SpannedError::new(
            value,
            format!(
                "expected {what} as a quoted string, found a value of type {}",
                other.type_str()
            ),
        )),
    }
}

fn permission(text: &Spanned<String>) -> Result<Permission, SpannedError> {
    let [first, second] = Permission::ALL.map(Permission::seed_name);
    Permission::ALL.into_iter().find(|it| it.seed_name() == text.as_ref()).ok_or_else(|| {
        SpannedError::new(
            text,
            format!("expected {first:?} or {second:?}, found {:?}", text.as_ref()),
        )
    })
}

fn environment(text: &Spanned<String>) -> Result<Environment, SpannedError> {
    match text.as_ref().as_str() {
        "production" => Ok(Environment::Production),
        "sandbox" => Ok(Environment::Sandbox),
        "developer" => Ok(Environment::Developer),
        other => Err(SpannedError::new(
            text,
            format!("expected \"production\", \"sandbox\" or \"developer\", found {other:?}"),
        )),
    }
}

fn portal_limit(limit: Option<&Spanned<Value>>) -> Result<PortalLimit, SpannedError> {
    match limit.map(|limit| (limit, limit.as_ref())) {
        None => Ok(PortalLimit::Unlimited),
        Some((_, Value::Integer(1))) => Ok(PortalLimit::One),
        Some((limit, found)) => Err(SpannedError::new(
            limit,
            format!("expected 1 (omit portal_limit for unlimited), found {}", describe(found)),
        )),
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        other => format!("a value of type {}", other.type_str()),
    }
}

fn scopes(scopes: &Spanned<Vec<Spanned<String>>>) -> Result<Vec<Scope>, SpannedError> {
    const EXAMPLE: &str = "such as \"ZohoCRM.settings.clientportal.ALL\"";
    if scopes.as_ref().is_empty() {
        return Err(SpannedError::new(scopes, format!("expected at least one scope, {EXAMPLE}")));
    }
    let scope = |text: &Spanned<String>| {
        let is_separator = |character: char| character == ',' || character.is_whitespace();
        if text.as_ref().is_empty() || text.as_ref().contains(is_separator) {
            return Err(SpannedError::new(
                text,
                format!("expected one scope, {EXAMPLE}, found {:?}", text.as_ref()),
            ));
        }
        Ok(Scope::new(text.as_ref()))
    };
    scopes.as_ref().iter().map(scope).collect()
}

#[cfg(test)]
mod tests;
