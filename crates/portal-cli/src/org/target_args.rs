//! [`TargetArgs`]: the flags that select an org.

use std::path::PathBuf;

use portal_model::{ApiVersion, DataCenter};

use crate::org::candidates;
use crate::org::place::Place;

/// Which org. One source's secret never goes to another's host: `--local` and `--profile` ignore
/// the hosts and credentials of the environment.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Org")]
#[expect(clippy::doc_markdown, reason = "it is the help")]
pub(crate) struct TargetArgs {
    /// Rehearse on a server in this process
    #[arg(long, conflicts_with_all = ["profile", "data_center", "api_domain", "accounts_url", "client_id"])]
    pub(crate) local: bool,
    /// Profile of `portal login` [env: PORTAL_PROFILE]
    #[arg(long, value_name = "NAME", add = candidates::profiles(), conflicts_with_all = ["data_center", "api_domain", "accounts_url", "client_id"])]
    pub(crate) profile: Option<String>,
    /// Where the org is: us, eu, in, au, jp, cn, ca, sa [env: PORTAL_DATA_CENTER]
    #[arg(long, value_name = "CODE", add = candidates::data_centers())]
    pub(crate) data_center: Option<DataCenter>,
    /// Base URL of the API [env: PORTAL_API_DOMAIN]
    #[arg(long, value_name = "URL")]
    pub(crate) api_domain: Option<String>,
    /// Its accounts server [env: PORTAL_ACCOUNTS_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) accounts_url: Option<String>,
    /// Client id [env: PORTAL_CLIENT_ID]
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// v4 to v8
    #[arg(long, value_name = "VERSION", default_value_t, add = candidates::api_versions())]
    pub(crate) api_version: ApiVersion,
    /// PEM file of root certificates to trust too
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
