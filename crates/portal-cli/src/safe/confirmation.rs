//! What an irreversible act does, shown before it is confirmed.

use portal_model::error::with_sources;
use portal_model::{CreateOperation, ListPortals, Portal, PortalName};

use crate::org::destination::Org;
use crate::org::identity::Identity;
use crate::org::place::Place;

/// How many portals are named.
const NAMED: usize = 5;

/// Where something is done, as far as it is known.
pub(crate) struct Facts<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) place: &'a Place,
    /// The org's portals, or why they could not be listed.
    pub(crate) portals: Result<Vec<Portal>, String>,
}

/// Shown before a create.
pub(crate) fn of_create(wish: &CreateOperation, facts: &Facts<'_>) -> String {
    let names: Vec<&str> = wish.fallbacks.iter().map(PortalName::as_str).collect();
    let mut lines = vec![("name", wish.name.to_string())];
    if !names.is_empty() {
        lines.push(("fallback", names.join(", ")));
    }
    lines.extend(facts.lines());
    format!("This creates a portal in Zoho CRM. It can never be deleted.\n{}", table(&lines))
}

/// Shown before a rename.
pub(crate) fn of_rename(old: &str, new: &PortalName, facts: &Facts<'_>) -> String {
    let mut lines = vec![("from", old.to_owned()), ("to", new.to_string())];
    lines.extend(facts.lines());
    format!(
        "This renames a portal in Zoho CRM. Links to {old} stop working, its users are not \
         notified, and any organization can take the name {old}.\n{}",
        table(&lines)
    )
}

impl<'a> Facts<'a> {
    /// Lists the org's portals. If that fails the act itself decides whether it can go on.
    pub(crate) async fn find(org: &'a Org, identity: &'a Identity) -> Self {
        let portals = org.client.call(&ListPortals).await.map_err(|error| with_sources(&error));
        Self { identity, place: &org.place, portals }
    }

    fn lines(&self) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let org = self
            .identity
            .org()
            .map_or_else(|| "unknown (the token cannot read it)".to_owned(), ToString::to_string);
        let profile = self.place.profile().map(|profile| ("profile", profile.to_owned()));
        let portals = match &self.portals {
            Ok(portals) => list(portals),
            Err(why) => format!("unknown ({why})"),
        };
        [("org", org), ("host", self.identity.host())]
            .into_iter()
            .chain(profile)
            .chain([("portals", portals)])
    }
}

fn list(portals: &[Portal]) -> String {
    let names: Vec<&str> = portals.iter().map(|portal| portal.name.as_str()).collect();
    match names.as_slice() {
        [] => "none yet".to_owned(),
        names if names.len() <= NAMED => names.join(", "),
        names => {
            let (first, rest) = names.split_at(NAMED);
            format!("{} and {} more", first.join(", "), rest.len())
        }
    }
}

fn table(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
    let lines = lines.iter().map(|(label, text)| format!("  {label:width$}  {text}\n"));
    lines.collect::<String>().trim_end().to_owned()
}
