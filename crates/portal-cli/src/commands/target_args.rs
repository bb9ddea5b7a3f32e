//! [`TargetArgs`]: the flags that select an org, together with the `PORTAL_` variables.

use std::collections::BTreeMap;
use std::path::PathBuf;

use portal_http::client::{BaseUrl, Credential};
use portal_inspect::ORG_VARIABLES;
use portal_model::datacenter::ApiDomain;
use portal_model::{ApiVersion, DataCenter, Environment, Secret};

use crate::commands::candidates;
use crate::org::local;
use crate::org::profile::Profiles;
use crate::org::running::Running;
use crate::org::target::{Hosts, Target, stated_org};
use crate::report::failure::Failure;
use crate::report::place::{Place, flag_with};
use crate::sys::{directories, environment};

/// Which org. One source's secret never goes to another's host: `--local` and `--profile` ignore
/// the hosts and credentials of the environment.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = ORG_HEADING)]
#[expect(clippy::doc_markdown, reason = "it is the help")]
pub(crate) struct TargetArgs {
    /// Rehearse on a server in this process
    #[arg(long, conflicts_with_all = ["profile", "data_center", "api_domain", "accounts_url", "client_id"])]
    pub(crate) local: bool,
    /// Use the org of this profile of `portal login` [env: PORTAL_PROFILE]
    #[arg(long, value_name = "NAME", add = candidates::profiles(), conflicts_with_all = ["data_center", "api_domain", "accounts_url", "client_id"])]
    pub(crate) profile: Option<String>,
    /// Data center of the org: us, eu, in, au, jp, cn, ca or sa [env: PORTAL_DATA_CENTER]
    #[arg(long, help_heading = CONNECTION, value_name = "CODE", add = candidates::data_centers())]
    pub(crate) data_center: Option<DataCenter>,
    /// Base URL of the API [env: PORTAL_API_DOMAIN]
    #[arg(long, help_heading = CONNECTION, value_name = "URL")]
    pub(crate) api_domain: Option<String>,
    /// Base URL of the accounts server [env: PORTAL_ACCOUNTS_URL]
    #[arg(long, help_heading = CONNECTION, value_name = "URL")]
    pub(crate) accounts_url: Option<String>,
    /// Client id of the credentials [env: PORTAL_CLIENT_ID]
    #[arg(long, help_heading = CONNECTION, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Version of the API: v4 to v8
    #[arg(long, help_heading = CONNECTION, value_name = "VERSION", default_value_t, add = candidates::api_versions())]
    pub(crate) api_version: ApiVersion,
    #[arg(long, help_heading = CONNECTION, value_name = "FILE", help = CA_FILE)]
    pub(crate) ca_file: Option<PathBuf>,
}

/// The heading of which org.
pub(crate) const ORG_HEADING: &str = "Org";

/// The heading of how a server is reached.
pub(super) const CONNECTION: &str = "Connection";

/// The help of `--ca-file`.
pub(super) const CA_FILE: &str =
    "Trust the root certificates in this PEM file too [env: PORTAL_CA_FILE]";

impl TargetArgs {
    /// Resolves the arguments; sends nothing.
    pub(crate) async fn target(&self) -> Result<Target, Failure> {
        if self.local {
            return Ok(local::start(self.api_version).await?);
        }
        let has_flags = self.api_domain.is_some()
            || self.accounts_url.is_some()
            || self.client_id.is_some()
            || self.data_center.is_some();
        // A profile that a flag names leaves no other variable to read.
        let variables = match self.profile {
            Some(_) => Variables::default(),
            None => Variables::read()?,
        };
        let named = self.profile.clone();
        let named = named.or_else(|| variables.get("PORTAL_PROFILE").filter(|_| !has_flags));
        let may_be_default = !has_flags && variables.0.is_empty();
        let directory = match named {
            Some(_) => Some(directories::config()?),
            // Without a home directory there is no default either.
            None => directories::config().ok().filter(|_| may_be_default),
        };
        if let Some(directory) = directory {
            let profiles = Profiles::load(&directory)?;
            if let Some(name) = named.as_deref().or(profiles.default_name()) {
                let profile = profiles.get(name)?;
                let target = profile.target(name, self.ca_file.clone());
                return Ok(Target { version: self.api_version, ..target });
            }
        }
        // Without an org at all this reports what is missing.
        variables.target(self)
    }

    /// Whether a flag selects the org.
    pub(crate) fn is_explicit(&self) -> bool {
        self.local || self.profile.is_some()
    }

    /// Returns the arguments that select `place` again.
    pub(crate) fn again(&self, place: &Place) -> Self {
        let (api_version, ca_file) = (self.api_version, self.ca_file.clone());
        let common = Self { api_version, ca_file, ..Self::default() };
        match place {
            Place::Local => Self { local: true, ..common },
            Place::Profile(name) => Self { profile: Some(name.clone()), ..common },
            Place::Explicit(_) => Self { local: false, profile: None, ..self.clone() },
        }
    }

    /// Returns the arguments that select the same org, each preceded by a space, for suggested
    /// commands.
    pub(crate) fn arguments(&self, place: &Place) -> String {
        let version = Some(self.api_version).filter(|version| *version != ApiVersion::default());
        let explicit = [
            ("--data-center", self.data_center.map(|code| code.to_string())),
            ("--api-domain", self.api_domain.clone()),
            ("--accounts-url", self.accounts_url.clone()),
            ("--client-id", self.client_id.clone()),
            ("--api-version", version.map(|version| version.to_string())),
            ("--ca-file", self.ca_file.as_ref().map(|path| path.to_string_lossy().into_owned())),
        ];
        let explicit = explicit.into_iter().filter_map(|(flag, value)| Some((flag, value?)));
        explicit.fold(place.arguments(), |text, (flag, value)| text + &flag_with(flag, &value))
    }
}

/// The org to which the environment leads, if it names one in full.
pub(super) fn of_environment() -> Option<Target> {
    let variables = Variables::read().ok()?;
    variables.get("PORTAL_API_DOMAIN")?;
    variables.target(&TargetArgs::default()).ok()
}

/// The variables of the environment that select an org, as far as they are set.
#[derive(Default)]
struct Variables(BTreeMap<&'static str, String>);

impl Variables {
    fn read() -> Result<Self, Failure> {
        let mut found = BTreeMap::new();
        for name in ORG_VARIABLES {
            found.extend(environment::text(name)?.map(|text| (name, text)));
        }
        Ok(Self(found))
    }

    /// Resolves flags and variables; flags take precedence.
    fn target(&self, flags: &TargetArgs) -> Result<Target, Failure> {
        let hosts = self.hosts(flags)?;
        let client_id = match &flags.client_id {
            Some(id) => Some(part("--client-id", "client id", id)?),
            None => self.part("PORTAL_CLIENT_ID", "client id")?,
        };
        let credential = self.credential(&hosts, client_id)?;
        let place = Place::Explicit(hosts.api.url());
        let (version, ca_file) = (flags.api_version, flags.ca_file.clone());
        let org = self.get("PORTAL_ORG_ID").map(|id| stated_org(&id)).transpose();
        let org = org.map_err(|error| Failure::usage(format!("invalid PORTAL_ORG_ID: {error}")))?;
        Ok(Target { place, hosts, credential, org, version, ca_file, server: None })
    }

    fn hosts(&self, flags: &TargetArgs) -> Result<Hosts, Failure> {
        // A data center given as a flag replaces both host variables.
        let variable = |name| self.get(name).filter(|_| flags.data_center.is_none());
        let url = |flag: &Option<String>, flag_name, name| match (flag, variable(name)) {
            (Some(text), _) => base_url(flag_name, text).map(Some),
            (None, text) => text.map(|text| base_url(name, &text)).transpose(),
        };
        let api = url(&flags.api_domain, "--api-domain", "PORTAL_API_DOMAIN")?;
        let accounts = url(&flags.accounts_url, "--accounts-url", "PORTAL_ACCOUNTS_URL")?;
        // A data center variable never completes a named host, which may be that of another org.
        let code = variable("PORTAL_DATA_CENTER").filter(|_| api.is_none() && accounts.is_none());
        let parsed = code.map(|code| code.parse::<DataCenter>()).transpose();
        let parsed = parsed
            .map_err(|error| Failure::usage(format!("invalid PORTAL_DATA_CENTER: {error}")))?;
        let data_center = flags.data_center.or(parsed);
        let accounts = accounts.or_else(|| Some(data_center?.accounts_url().to_owned()));
        let api = match (api, data_center) {
            (Some(url), _) => ApiDomain::Given(url),
            (None, Some(here)) => ApiDomain::DataCenter(here, Environment::Production),
            (None, None) => ApiDomain::Unset,
        };
        Ok(Hosts { api, accounts })
    }

    /// A refresh token takes precedence over an access token, which expires after an hour.
    fn credential(&self, hosts: &Hosts, client_id: Option<String>) -> Result<Credential, Failure> {
        let secret = |name, what| Ok::<_, Failure>(self.part(name, what)?.map(Secret::new));
        let client_secret = secret("PORTAL_CLIENT_SECRET", "client secret")?;
        let refresh_token = secret("PORTAL_REFRESH_TOKEN", "refresh token")?;
        let access_token = match refresh_token {
            Some(_) => None,
            None => secret("PORTAL_ACCESS_TOKEN", "access token")?,
        };
        if let Some(access_token) = access_token {
            return match hosts.api {
                ApiDomain::Unset => Err(missing([(API, false)])),
                _ => Ok(Credential::access_token(access_token)),
            };
        }
        let needed = [
            (ACCOUNTS, hosts.accounts.is_some()),
            (CLIENT_ID, client_id.is_some()),
            (CLIENT_SECRET, client_secret.is_some()),
            (REFRESH_TOKEN, refresh_token.is_some()),
        ];
        match (client_id, client_secret, refresh_token) {
            (Some(id), Some(secret), Some(token)) if hosts.accounts.is_some() => {
                Ok(Credential::refresh_token(id, secret, token))
            }
            _ => Err(missing(needed)),
        }
    }

    /// A variable that is a part of a credential.
    fn part(&self, name: &str, what: &'static str) -> Result<Option<String>, Failure> {
        self.get(name).map(|text| part(name, what, &text)).transpose()
    }

    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

/// A base URL from the flag or variable `name`, which an error does not repeat: it may hold a password.
pub(super) fn base_url(name: &str, text: &str) -> Result<String, Failure> {
    let url = text.parse().map(|url: BaseUrl| url.as_str().to_owned());
    url.map_err(|error| Failure::usage(format!("invalid {name}: {error}")))
}

/// A part of a credential, `what`, from the flag or variable `name`.
pub(super) fn part(name: &str, what: &'static str, text: &str) -> Result<String, Failure> {
    let part = Credential::part(what, text);
    part.map(str::to_owned).map_err(|error| Failure::usage(format!("invalid {name}: {error}")))
}

/// Names all that is not there.
fn missing<const N: usize>(needed: [(&str, bool); N]) -> Failure {
    let missing = needed.iter().filter(|(_, is_there)| !is_there).map(|(what, _)| *what);
    let missing = missing.collect::<Vec<_>>().join("\n  ");
    let failure = Failure::usage(format!("no org selected; missing are\n  {missing}"));
    match Running::find(None) {
        Ok(server) => failure.hint(format!(
            "run `eval \"$(portal serve env)\"` to use the server at {}, or pass `--profile NAME`",
            server.url
        )),
        Err(_) => failure
            .hint("pass `--profile NAME` (`portal login` creates one), or `--local` to rehearse"),
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
        variables_of(variables).target(flags)
    }

    fn variables_of(variables: &[(&str, &str)]) -> Variables {
        let known = |name: &str| ORG_VARIABLES.into_iter().find(|known| *known == name).unwrap();
        Variables(
            variables.iter().map(|(name, value)| (known(name), (*value).to_owned())).collect(),
        )
    }

    #[test]
    fn variable_with_more_than_its_value_is_named() {
        for (name, value) in [
            ("PORTAL_ACCESS_TOKEN", "Zoho-oauthtoken 1000.hush"),
            ("PORTAL_REFRESH_TOKEN", "1000.hush 1000.hush"),
            ("PORTAL_CLIENT_SECRET", "hush\u{e4}"),
        ] {
            let flags = TargetArgs { data_center: Some(DataCenter::Eu), ..TargetArgs::default() };
            let message = target(&flags, &[(name, value)]).unwrap_err().report.message;
            assert!(message.starts_with(&format!("invalid {name}: the ")), "{message}");
            assert!(!message.contains("hush"), "{message}");
        }
    }

    const CREDENTIALS: [(&str, &str); 3] = [
        ("PORTAL_CLIENT_ID", "1000.ID"),
        ("PORTAL_CLIENT_SECRET", "hush"),
        ("PORTAL_REFRESH_TOKEN", "1000.a.b"),
    ];

    #[test]
    fn everything_that_is_missing_is_said_at_once() {
        let message = target(&TargetArgs::default(), &[]).unwrap_err().report.message;
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
        assert_eq!(target.hosts.api.url().unwrap(), "https://www.zohoapis.eu");
        assert_eq!(target.hosts.accounts.unwrap(), "https://accounts.zoho.eu");
    }

    #[test]
    fn data_center_of_environment_counts_only_alone() {
        let with = |more: &[(&'static str, &'static str)]| {
            target(&TargetArgs::default(), &[&CREDENTIALS[..], more].concat())
        };
        let eu = ("PORTAL_DATA_CENTER", "eu");
        let alone = with(&[eu]).unwrap();
        assert_eq!(alone.hosts.api.url().unwrap(), "https://www.zohoapis.eu");
        assert_eq!(alone.hosts.accounts.unwrap(), "https://accounts.zoho.eu");
        let message = with(&[eu, ("PORTAL_API_DOMAIN", "http://127.0.0.1:1")]).unwrap_err();
        assert!(message.report.message.contains(ACCOUNTS), "{message:?}");
        let message = with(&[("PORTAL_DATA_CENTER", "mars")]).unwrap_err().report.message;
        assert!(message.starts_with("invalid PORTAL_DATA_CENTER: "), "{message}");
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
        assert_eq!(target.hosts.api, ApiDomain::Given("https://flag.example".to_owned()));
        assert!(!format!("{target:?}").contains("hush"));
    }

    #[test]
    fn suggested_command_keeps_flags() {
        let flags = TargetArgs {
            api_version: ApiVersion::V8,
            ca_file: Some("my ca.pem".into()),
            ..TargetArgs::default()
        };
        let again = flags.arguments(&Place::Profile("acme".to_owned()));
        assert_eq!(again, " --profile acme --api-version v8 --ca-file 'my ca.pem'");
    }
}
