//! The orgs of a plan: which each is, and which portals it has.

use std::collections::hash_map::{Entry, HashMap};
use std::path::{Path, PathBuf};

use portal_http::client::{ClientError, HttpTransport, SafeClient};
use portal_ledger::Ledger;
use portal_model::flow::Policy;
use portal_model::server::rejections;
use portal_model::{
    ApiError, ApiVersion, CanCreate, ListPortals, OrgIdentity, Portal, ProbeCreate,
};

use super::rows::Row;
use crate::org::profile::Profiles;
use crate::org::target::Target;
use crate::report::cause::{self, TRIES};
use crate::report::failure::Failure;

/// The org of a profile.
#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) target: Target,
    pub(crate) safe: SafeClient,
    /// What it shows, once it was looked at.
    pub(crate) seen: Seen,
    /// The rows of the profile for which something may be sent, in the order of the file.
    pub(crate) rows: Vec<usize>,
}

/// What an org shows without anything being created.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Which org it is.
    pub(crate) identity: Option<OrgIdentity>,
    /// Its portals, if they could be listed.
    pub(crate) portals: Option<Vec<Portal>>,
    /// The rejection of every create.
    pub(crate) rejection: Option<ApiError>,
    /// Why something about it could not be found out.
    pub(crate) unchecked: Option<Failure>,
}

impl Org {
    /// Which org it is, as far as that is known.
    pub(crate) fn identity(&self) -> OrgIdentity {
        self.seen.identity.clone().unwrap_or_else(|| self.target.identity())
    }
}

/// What the clients of all orgs share.
pub(crate) struct Clients<'a> {
    pub(crate) ledger: &'a Ledger,
    /// The file that asks for them.
    pub(crate) file: Option<String>,
    pub(crate) policy: &'a Policy,
    pub(crate) version: ApiVersion,
    pub(crate) ca_file: Option<&'a Path>,
}

impl Clients<'_> {
    /// The orgs of `rows`, in their order.
    ///
    /// # Errors
    /// A profile can't be used.
    pub(crate) fn orgs(&self, rows: &[Row], profiles: &Profiles) -> Result<Vec<Org>, Failure> {
        let (mut orgs, mut transports) = (HashMap::new(), HashMap::new());
        for (index, row) in rows.iter().enumerate() {
            let org = match orgs.entry(&row.profile) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let profile = profiles.get(&row.profile)?;
                    let ca_file = self.ca_file.map(ToOwned::to_owned);
                    let target = profile.target(&row.profile, ca_file);
                    new.insert(self.org(target, &mut transports)?)
                }
            };
            org.rows.push(index);
        }
        let mut orgs: Vec<Org> = orgs.into_values().collect();
        orgs.sort_by_key(|org| org.rows.first().copied());
        Ok(orgs)
    }

    /// Those with the same certificates share connections.
    fn org(
        &self,
        target: Target,
        transports: &mut HashMap<(Option<PathBuf>, bool), HttpTransport>,
    ) -> anyhow::Result<Org> {
        let target = Target { version: self.version, ..target };
        let key = (target.ca_file.clone(), target.hosts.is_this_machine());
        let transport = match transports.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(target.transport()?),
        };
        let client = target.client_over(transport.clone(), target.policy(self.policy.clone()))?;
        let safe = target.safe(client, self.ledger, self.file.clone());
        Ok(Org { target, safe, seen: Seen::default(), rows: Vec::new() })
    }
}

/// Looks at an org; with `probes`, also by a create without a name.
pub(super) async fn see(safe: &SafeClient, probes: bool) -> Seen {
    let mut seen = Seen::default();
    seen.unchecked = find_out(safe, probes, &mut seen).await.err();
    seen
}

/// Fills in what there is to see, and fails with why something could not be found out.
async fn find_out(safe: &SafeClient, probes: bool, seen: &mut Seen) -> Result<(), Failure> {
    let client = safe.client();
    let identity = safe.identify().await;
    seen.identity = Some(identity.map_err(|error| cause::unidentified(&error))?);
    let listed = client.call_retrying(&ListPortals, TRIES).await;
    let is_forbidden = matches!(&listed, Err(ClientError::Api(error))
        if error.is_forbidden() || error.is_scope_mismatch());
    let listed = listed
        .map(|portals| seen.portals = Some(portals))
        .map_err(|error| cause::failure(&error, "list the org's portals"));
    // Of what is forbidden, whether a create is rejected too is worth more.
    if probes && (listed.is_ok() || is_forbidden) {
        seen.rejection = match client.call_retrying(&ProbeCreate, TRIES).await {
            Ok(CanCreate::Yes) => None,
            Ok(CanCreate::MissingPermission(error) | CanCreate::NotHere(error)) => Some(error),
            Ok(CanCreate::MissingScope) => Some(rejections::scope_mismatch()),
            Err(error) => return listed.and(Err(cause::undetermined(&error))),
        };
    }
    listed
}
