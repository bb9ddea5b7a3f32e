//! The `PORTAL_` variables, and the org that they select together with flags.

use portal_http::client::{BaseUrl, CacheKey, Credential};
use portal_model::datacenter::ApiDomain;
use portal_model::{DataCenter, Environment, Secret};

use crate::org::place::Place;
use crate::org::target::Target;
use crate::org::target_args::TargetArgs;
use crate::report::failure::Failure;

/// The variables of the environment. An empty variable counts as unset.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables {
    pub(super) profile: Option<String>,
    data_center: Option<String>,
    api_domain: Option<String>,
    accounts_url: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    refresh_token: Option<Secret>,
    access_token: Option<Secret>,
}

impl Variables {
    pub(super) fn from_env() -> Self {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name| lookup(name).filter(|value| !value.is_empty());
        Self {
            profile: get("PORTAL_PROFILE"),
            data_center: get("PORTAL_DATA_CENTER"),
            api_domain: get("PORTAL_API_DOMAIN"),
            accounts_url: get("PORTAL_ACCOUNTS_URL"),
            client_id: get("PORTAL_CLIENT_ID"),
            client_secret: get("PORTAL_CLIENT_SECRET").map(Secret::new),
            refresh_token: get("PORTAL_REFRESH_TOKEN").map(Secret::new),
            access_token: get("PORTAL_ACCESS_TOKEN").map(Secret::new),
        }
    }

    /// Whether any variable selects an org or a credential.
    pub(super) fn lead_somewhere(&self) -> bool {
        let texts = [&self.data_center, &self.api_domain, &self.accounts_url, &self.client_id];
        let secrets = [&self.client_secret, &self.refresh_token, &self.access_token];
        texts.iter().any(|text| text.is_some()) || secrets.iter().any(|secret| secret.is_some())
    }

    /// Resolves flags and variables; flags take precedence. A refresh token takes precedence over
    /// an access token, which expires after an hour.
    pub(super) fn target(self, flags: &TargetArgs) -> Result<Target, Failure> {
        let mut missing = Vec::new();
        // A data center given as a flag replaces both host variables.
        let variable = |value: Option<String>| value.filter(|_| flags.data_center.is_none());
        let hosts = [&flags.api_domain, &flags.accounts_url, &self.api_domain, &self.accounts_url];
        let data_center = match (flags.data_center, &self.data_center) {
            (Some(data_center), _) => Some(data_center),
            // A data center variable never completes a named host, which may be that of another org.
            (None, Some(code)) if hosts.iter().all(|host| host.is_none()) => {
                let parsed = code.parse::<DataCenter>();
                Some(parsed.map_err(|error| {
                    Failure::usage(format!("invalid PORTAL_DATA_CENTER: {error}"))
                })?)
            }
            (None, _) => None,
        };
        let api = flags.api_domain.clone().or(variable(self.api_domain));
        let accounts = flags
            .accounts_url
            .clone()
            .or(variable(self.accounts_url))
            .or(data_center.map(|data_center| data_center.accounts_url().to_owned()));
        let client_id = flags.client_id.clone().or(self.client_id);
        let place = Place::Explicit {
            api: api.clone().or(data_center.map(|here| here.api_url(Environment::Production))),
            accounts: accounts.clone(),
            client_id: client_id.clone(),
            credential: self.refresh_token.as_ref().and_then(|refresh_token| {
                let accounts: BaseUrl = accounts.as_ref()?.parse().ok()?;
                // The secret may be renewed later, so it is no part of the identity.
                let secret = Secret::new(String::new());
                let key = CacheKey::new(&accounts, client_id.as_ref()?, &secret, refresh_token);
                Some(key.as_str().chars().take(16).collect())
            }),
        };
        let api = match (api, data_center) {
            (Some(url), _) => ApiDomain::Given(url),
            (None, Some(data_center)) => {
                ApiDomain::DataCenter(data_center, Environment::Production)
            }
            (None, None) => ApiDomain::Unset,
        };
        let mut need = |what: &'static str, is_there: bool| {
            if !is_there {
                missing.push(what);
            }
        };
        let credential = match (self.refresh_token, self.access_token) {
            (Some(refresh_token), _) => {
                need(ACCOUNTS, accounts.is_some());
                need(CLIENT_ID, client_id.is_some());
                need(CLIENT_SECRET, self.client_secret.is_some());
                client_id.zip(self.client_secret).map(|(client_id, client_secret)| {
                    Credential::refresh_token(client_id, client_secret, refresh_token)
                })
            }
            (None, Some(access_token)) => {
                need(API, api != ApiDomain::Unset);
                Some(Credential::access_token(access_token))
            }
            (None, None) => {
                need(ACCOUNTS, accounts.is_some());
                need(CLIENT_ID, client_id.is_some());
                need(CLIENT_SECRET, self.client_secret.is_some());
                need(REFRESH_TOKEN, false);
                None
            }
        };
        match credential {
            Some(credential) if missing.is_empty() => Ok(Target {
                place,
                api,
                accounts,
                credential,
                version: flags.api_version,
                ca_file: flags.ca_file.clone(),
            }),
            _ => Err(Failure::usage(format!(
                "no org selected; missing are\n  {}",
                missing.join("\n  ")
            ))
            .hint("pass `--profile NAME` (`portal login` creates one), or `--local` to rehearse")),
        }
    }
}

const API: &str = "the API: --data-center, --api-domain or PORTAL_API_DOMAIN";
const ACCOUNTS: &str = "the accounts server: --data-center, --accounts-url or PORTAL_ACCOUNTS_URL";
const CLIENT_ID: &str = "the client id: --client-id or PORTAL_CLIENT_ID";
const CLIENT_SECRET: &str = "the client secret: PORTAL_CLIENT_SECRET";
const REFRESH_TOKEN: &str =
    "the refresh token: PORTAL_REFRESH_TOKEN (or, alone, PORTAL_ACCESS_TOKEN)";

#[cfg(test)]
mod tests {
    use super::*;

    fn target(flags: &TargetArgs, variables: &[(&str, &str)]) -> Result<Target, Failure> {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Variables::from_lookup(lookup).target(flags)
    }

    const CREDENTIALS: [(&str, &str); 3] = [
        ("PORTAL_CLIENT_ID", "1000.ID"),
        ("PORTAL_CLIENT_SECRET", "hush"),
        ("PORTAL_REFRESH_TOKEN", "1000.a.b"),
    ];

    #[test]
    fn everything_that_is_missing_is_said_at_once() {
        let none = target(&TargetArgs::default(), &[("PORTAL_CLIENT_SECRET", "")]).unwrap_err();
        let message = none.report.message;
        for part in [ACCOUNTS, CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN] {
            assert!(message.contains(part), "{message}");
        }
        let token = [("PORTAL_ACCESS_TOKEN", "1000.c.d")];
        let message = target(&TargetArgs::default(), &token).unwrap_err().report.message;
        assert!(message.contains(API) && !message.contains(ACCOUNTS), "{message}");
    }

    #[test]
    fn data_center_flag_overrides_url_variables() {
        let flags = TargetArgs { data_center: Some(DataCenter::Eu), ..TargetArgs::default() };
        let mut variables = CREDENTIALS.to_vec();
        variables.push(("PORTAL_API_DOMAIN", "https://www.zohoapis.com"));
        variables.push(("PORTAL_ACCOUNTS_URL", "https://accounts.zoho.com"));
        let target = target(&flags, &variables).unwrap();
        assert_eq!(target.api.url().unwrap(), "https://www.zohoapis.eu");
        assert_eq!(target.accounts.unwrap(), "https://accounts.zoho.eu");
    }

    #[test]
    fn data_center_of_environment_counts_only_alone() {
        let with = |more: &[(&'static str, &'static str)]| {
            target(&TargetArgs::default(), &[&CREDENTIALS[..], more].concat())
        };
        let eu = ("PORTAL_DATA_CENTER", "eu");
        let alone = with(&[eu]).unwrap();
        assert_eq!(alone.api.url().unwrap(), "https://www.zohoapis.eu");
        assert_eq!(alone.accounts.unwrap(), "https://accounts.zoho.eu");
        let message = with(&[eu, ("PORTAL_API_DOMAIN", "http://127.0.0.1:1")]).unwrap_err();
        assert!(message.report.message.contains(ACCOUNTS), "{message:?}");
        let message = with(&[("PORTAL_DATA_CENTER", "mars")]).unwrap_err().report.message;
        assert!(message.starts_with("invalid PORTAL_DATA_CENTER: "), "{message}");
    }

    #[test]
    fn places_of_two_refresh_tokens_differ() {
        let flags = TargetArgs { data_center: Some(DataCenter::Eu), ..TargetArgs::default() };
        let place = |refresh_token| {
            let mut variables = CREDENTIALS.to_vec();
            variables[2].1 = refresh_token;
            target(&flags, &variables).unwrap().place
        };
        assert_eq!(place("1000.a.b"), place("1000.a.b"));
        assert_ne!(place("1000.a.b"), place("1000.c.d"));
        assert!(!serde_json::to_string(&place("1000.a.b")).unwrap().contains("1000.a.b"));
    }

    #[test]
    fn flag_overrides_variable_and_hides_secret() {
        let flags = TargetArgs {
            api_domain: Some("https://flag.example".to_owned()),
            accounts_url: Some("https://accounts.example".to_owned()),
            ..TargetArgs::default()
        };
        let mut variables = CREDENTIALS.to_vec();
        variables.push(("PORTAL_API_DOMAIN", "https://variable.example"));
        let target = target(&flags, &variables).unwrap();
        assert_eq!(target.api, ApiDomain::Given("https://flag.example".to_owned()));
        assert!(!format!("{target:?}").contains("hush"));
    }
}
