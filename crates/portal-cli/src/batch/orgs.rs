//! The orgs of a plan: which each is, and which portals it has.

use std::collections::BTreeSet;
use std::collections::hash_map::{Entry, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use portal_http::client::{ClientError, HttpTransport, SafeClient};
use portal_ledger::Ledger;
use portal_model::flow::Policy;
use portal_model::server::rejections;
use portal_model::{ApiVersion, CanCreate, ListPortals, OrgIdentity, ProbeCreate};
use tracing::Instrument as _;

use super::plan::{Plan, Seen};
use super::rows::Row;
use crate::org::profile::Profiles;
use crate::org::target::Target;
use crate::report::cause::{self, TRIES};
use crate::report::failure::Failure;
use crate::report::permission;

/// Orgs that are looked at at once.
const AT_ONCE: usize = 16;

/// The org of a profile.
#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) target: Target,
    pub(crate) safe: SafeClient,
    /// Which org it is, once it was [looked at](look) and if that could be determined.
    pub(crate) identity: Option<OrgIdentity>,
    /// The rows of the profile for which something may be sent, in the order of the file.
    pub(crate) rows: Vec<usize>,
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
    /// The orgs of what is left, in the order of the file.
    ///
    /// # Errors
    /// A profile can't be used.
    pub(crate) fn orgs(&self, plan: &Plan, profiles: &Profiles) -> Result<Vec<Org>, Failure> {
        let (mut orgs, mut transports) = (HashMap::new(), HashMap::new());
        for (index, row) in plan.left() {
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
        Ok(Org { target, safe, identity: None, rows: Vec::new() })
    }
}

/// States that all orgs of the plan are different ones, also those whose ids are not known. What a profile
/// led to earlier may be the org to which it leads now.
pub(crate) fn state_distinct(plan: &Plan, orgs: &mut [Org]) {
    let now = orgs.iter().filter_map(|org| org.identity.as_ref());
    let all = now.chain(plan.earlier.iter().map(|(_, org)| org));
    let all: BTreeSet<_> = all.map(|org| org.fingerprint().to_owned()).collect();
    let all = Arc::new(all);
    let mut earlier = HashMap::<_, Vec<_>>::new();
    for (profile, org) in &plan.earlier {
        earlier.entry(profile.as_str()).or_default().push(org.fingerprint());
    }
    for org in orgs {
        let own = org.target.place.profile().and_then(|profile| earlier.get(profile));
        let distinct = own.map_or_else(
            || Arc::clone(&all),
            |own| Arc::new(all.iter().filter(|it| !own.contains(&it.as_str())).cloned().collect()),
        );
        org.safe = org.safe.clone().with_distinct_orgs(distinct);
    }
}

/// Looks at the orgs, and completes the plan: identifies each, lists its portals, and, with `probes`, sends
/// it a create without a name. With `same_org`, new credentials of a profile lead to the same org.
pub(crate) async fn look(
    plan: &mut Plan,
    orgs: &mut [Org],
    allow_another: bool,
    same_org: bool,
    probes: bool,
) {
    let looks = stream::iter(orgs.iter()).map(|org| {
        let profile = org.target.place.profile();
        see(&org.safe, probes).instrument(tracing::debug_span!("batch", profile))
    });
    let seen: Vec<Seen> = looks.buffered(AT_ONCE).collect().await;
    for (org, seen) in orgs.iter_mut().zip(seen) {
        for &index in &org.rows {
            plan.complete(index, &seen, allow_another, same_org);
        }
        org.rows.retain(|index| plan.rows.get(*index).is_some_and(Row::is_left));
        org.identity = seen.identity;
    }
}

async fn see(safe: &SafeClient, probes: bool) -> Seen {
    let mut seen = Seen::default();
    seen.unchecked = find_out(safe, probes, &mut seen).await.err();
    seen
}

/// Fills in what there is to see, and fails with why something could not be found out.
async fn find_out(safe: &SafeClient, probes: bool, seen: &mut Seen) -> Result<(), Failure> {
    let client = safe.client();
    let identity = safe.identify().await;
    seen.identity = Some(identity.map_err(|error| cause::unidentified(&error))?);
    let listed = match client.call_retrying(&ListPortals, TRIES).await {
        Ok(portals) => {
            seen.portals = portals;
            Ok(())
        }
        Err(ClientError::Api(error)) if error.is_scope_mismatch() => {
            Err(Failure::forbidden("the token cannot list the org's portals"))
        }
        // Whether a create is rejected too is worth more.
        Err(ClientError::Api(error)) if error.is_forbidden() => {
            Err(Failure::forbidden(permission::missing(&error, "").0))
        }
        Err(error) => return Err(cause::failure(&error, "list the org's portals")),
    };
    if probes {
        seen.rejection = match client.call_retrying(&ProbeCreate, TRIES).await {
            Ok(CanCreate::Yes) => None,
            Ok(CanCreate::MissingPermission(error) | CanCreate::NotHere(error)) => Some(error),
            Ok(CanCreate::MissingScope) => Some(rejections::scope_mismatch()),
            Err(error) => return listed.and(Err(cause::undetermined(&error))),
        };
    }
    listed
}
