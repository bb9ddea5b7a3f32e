//! [`TargetArgs`]: the flags that select an org.

use std::path::PathBuf;

use portal_model::{ApiVersion, DataCenter};

use crate::org::place::Place;

/// Which org. One source's secret never goes to another's host: `--local` and `--profile` ignore
/// the hosts and credentials of the environment.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Org")]
pub(crate) struct TargetArgs {
    /// Rehearse on a server in this process, with data in your data directory
    #[arg(long, conflicts_with_all = ["profile", "data_center", "api_domain", "accounts_url", "client_id"])]
    pub(crate) local: bool,
    /// The org of a profile that `portal login` stored
    #[arg(long, value_name = "NAME", conflicts_with_all = ["data_center", "api_domain", "accounts_url", "client_id"])]
    pub(crate) profile: Option<String>,
    /// Data center of the org: us, eu, in, au, jp, cn, ca or sa
    #[arg(long, value_name = "CODE")]
    pub(crate) data_center: Option<DataCenter>,
    /// Base URL of the API, instead of --data-center
    #[arg(long, value_name = "URL")]
    pub(crate) api_domain: Option<String>,
    /// Base URL of the accounts server, instead of --data-center
    #[arg(long, value_name = "URL")]
    pub(crate) accounts_url: Option<String>,
    /// Client id of the credentials
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Version of the API, v4 to v8
    #[arg(long, value_name = "VERSION", default_value_t)]
    pub(crate) api_version: ApiVersion,
    /// PEM file with additional root certificates to trust
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

impl TargetArgs {
    /// Returns the arguments that select the same org, each preceded by a space, for suggested
    /// commands.
    pub(crate) fn arguments(&self, place: &Place) -> String {
        let explicit = [
            ("--data-center", self.data_center.map(|code| code.to_string())),
            ("--api-domain", self.api_domain.clone()),
            ("--accounts-url", self.accounts_url.clone()),
            ("--client-id", self.client_id.clone()),
        ];
        let explicit = explicit.into_iter().filter_map(|(flag, value)| Some((flag, value?)));
        explicit.fold(place.arguments(), |text, (flag, value)| format!("{text} {flag} {value}"))
    }
}

/// Help text about environment variables, mainly for secrets.
pub(crate) const SECRETS: &str = "\
Without --local and --profile the environment is read: PORTAL_PROFILE, or PORTAL_API_DOMAIN, \
PORTAL_ACCOUNTS_URL, PORTAL_CLIENT_ID and the secrets, which are never flags: PORTAL_CLIENT_SECRET and \
PORTAL_REFRESH_TOKEN, or PORTAL_ACCESS_TOKEN. Where nothing is set, the profile of `portal profiles \
use` counts.";
