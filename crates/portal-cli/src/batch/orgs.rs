//! The orgs of a plan: which each is, and which portals it has.

use std::collections::{BTreeSet, HashMap, hash_map};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use portal_http::client::{Client, ClientError, HttpTransport, IdentifyError, SafeClient};
use portal_ledger::Ledger;
use portal_model::error::with_sources;
use portal_model::flow::Policy;
use portal_model::server::rejections;
use portal_model::{ApiError, ApiVersion, CanCreate, ListPortals, OrgIdentity, Portal};
use tracing::Instrument as _;

use super::plan::{Plan, State};
use crate::org::create_probe::{probe, undetermined};
use crate::org::profile::Profiles;
use crate::org::retry::retry;
use crate::org::target::Target;
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
        let mut orgs: Vec<Org> = Vec::new();
        let mut places = HashMap::new();
        let mut transports = HashMap::new();
        for (index, row) in plan.left() {
            let place = *places.entry(&row.profile).or_insert(orgs.len());
            if place == orgs.len() {
                let target = profiles
                    .get(&row.profile)?
                    .target(&row.profile, self.ca_file.map(ToOwned::to_owned));
                orgs.push(self.org(target, &mut transports)?);
            }
            if let Some(org) = orgs.get_mut(place) {
                org.rows.push(index);
            }
        }
        Ok(orgs)
    }

    /// Those with the same certificates share connections.
    fn org(
        &self,
        target: Target,
        transports: &mut HashMap<(Option<PathBuf>, bool), HttpTransport>,
    ) -> anyhow::Result<Org> {
        let target = Target { version: self.version, ..target };
        let key = (target.ca_file.clone(), target.is_this_machine());
        let transport = match transports.entry(key) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(vacant) => vacant.insert(target.transport()?),
        };
        let client = target.client_over(transport.clone(), target.policy(self.policy.clone()))?;
        let safe = target.safe(client, self.ledger, self.file.clone());
        Ok(Org { target, safe, identity: None, rows: Vec::new() })
    }
}

/// States that all orgs of the plan are different ones, also those whose ids are not known.
pub(crate) fn state_distinct(plan: &Plan, orgs: &mut [Org]) {
    let identities = orgs.iter().filter_map(|org| org.identity.as_ref());
    let all = identities.chain(&plan.earlier);
    let fingerprints: BTreeSet<_> = all.map(|org| org.fingerprint().to_owned()).collect();
    let fingerprints = Arc::new(fingerprints);
    for org in orgs {
        org.safe = org.safe.clone().with_distinct_orgs(Arc::clone(&fingerprints));
    }
}

/// What an org shows without anything being created.
struct Seen {
    identity: Option<OrgIdentity>,
    portals: Vec<Portal>,
    /// The rejection of every create.
    rejection: Option<ApiError>,
    /// Why something about it could not be found out.
    unchecked: Option<String>,
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
            if let Some(identity) = &seen.identity {
                plan.identify(index, identity, same_org);
            }
            plan.list(index, seen.identity.as_ref(), &seen.portals, allow_another);
            if let Some(error) = &seen.rejection {
                plan.reject(index, seen.identity.as_ref(), error);
            }
            if let Some(why) = &seen.unchecked {
                plan.leave_unchecked(index, why);
            }
        }
        org.rows.retain(|index| plan.states.get(*index).is_some_and(State::is_left));
        org.identity = seen.identity;
    }
}

async fn see(safe: &SafeClient, probes: bool) -> Seen {
    let client = safe.client();
    let mut seen = Seen { identity: None, portals: Vec::new(), rejection: None, unchecked: None };
    match safe.identify().await {
        Ok(identity) => seen.identity = Some(identity),
        Err(IdentifyError::Client(error)) => {
            return Seen { unchecked: Some(with_sources(&error)), ..seen };
        }
        Err(error) => return Seen { unchecked: Some(with_sources(&error)), ..seen },
    }
    match retry(async || client.call(&ListPortals).await).await {
        Ok(portals) => seen.portals = portals,
        Err(ClientError::Api(error)) if error.is_scope_mismatch() => {
            seen.unchecked = Some("the token cannot list the org's portals".to_owned());
        }
        // Whether a create is rejected too is worth more.
        Err(ClientError::Api(error)) if error.is_forbidden() => {
            seen.unchecked = Some(permission::missing(&error, "").0);
        }
        Err(error) => return Seen { unchecked: Some(with_sources(&error)), ..seen },
    }
    if probes {
        match rejection(client).await {
            Ok(rejection) => seen.rejection = rejection,
            Err(why) => seen.unchecked = seen.unchecked.or(Some(why)),
        }
    }
    seen
}

/// How the service rejects every create, if it does.
async fn rejection(client: &Client) -> Result<Option<ApiError>, String> {
    match probe(client).await {
        Ok(CanCreate::Yes) => Ok(None),
        Ok(CanCreate::MissingPermission(error) | CanCreate::NotHere(error)) => Ok(Some(error)),
        Ok(CanCreate::MissingScope) => Ok(Some(rejections::scope_mismatch())),
        Err(ClientError::Api(error)) => Err(undetermined(&error)),
        Err(error) => Err(with_sources(&error)),
    }
}
