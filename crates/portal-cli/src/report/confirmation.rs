//! What an irreversible act does, shown before it is confirmed.

use portal_model::{Operation, OrgIdentity, Portal, PortalName};

use crate::report::wrap::aligned;

/// How many portals are named.
const NAMED: usize = 5;

/// Where a create or a rename is done, as far as it is known.
pub(crate) struct Facts<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) org: &'a OrgIdentity,
    pub(crate) profile: Option<&'a str>,
    /// The org's portals, if they can be listed.
    pub(crate) portals: Option<&'a [Portal]>,
    /// Whether an earlier run left it in doubt.
    pub(crate) is_in_doubt: bool,
}

impl Facts<'_> {
    /// What to type to confirm it: `the name`, and which.
    pub(crate) fn to_type(&self) -> (&'static str, &str) {
        match self.operation {
            Operation::Rename(rename) => ("the new name", rename.new.as_str()),
            Operation::Create(create) => ("the name", create.name.as_str()),
        }
    }

    pub(crate) fn text(&self) -> String {
        let (act, mut lines) = match self.operation {
            Operation::Rename(rename) => {
                let old = &rename.old;
                let act = if rename.new.is_same_as(old) {
                    "This renames a portal in Zoho CRM. Only the case of letters changes."
                        .to_owned()
                } else {
                    format!(
                        "This renames a portal in Zoho CRM. Links to {old} stop working, its users \
                         are not notified, and any organization can take the name {old}."
                    )
                };
                (act, vec![("from", old.clone()), ("to", rename.new.to_string())])
            }
            Operation::Create(create) => {
                let act = "This creates a portal in Zoho CRM. It can never be deleted.".to_owned();
                let mut lines = vec![("name", create.name.to_string())];
                let fallbacks: Vec<&str> =
                    create.fallbacks.iter().map(PortalName::as_str).collect();
                if !fallbacks.is_empty() {
                    lines.push(("fallback", fallbacks.join(", ")));
                }
                (act, lines)
            }
        };
        let unknown = || "unknown (the token cannot read it)".to_owned();
        lines.push(("org", self.org.org().map_or_else(unknown, ToString::to_string)));
        lines.push(("host", self.org.host()));
        lines.extend(self.profile.map(|profile| ("profile", profile.to_owned())));
        let unlisted = || "unknown (they could not be listed)".to_owned();
        lines.push(("portals", self.portals.map_or_else(unlisted, list)));
        if self.is_in_doubt {
            let text = "in doubt from an earlier run; its outcome is determined first".to_owned();
            lines.push(("state", text));
        }
        let lines = lines.into_iter().map(|(label, text)| [label.to_owned(), text]).collect();
        format!("{act}\n{}", textwrap::indent(&aligned(lines).join("\n"), "  "))
    }
}

fn list(portals: &[Portal]) -> String {
    let names: Vec<&str> = portals.iter().map(|portal| portal.name.as_str()).collect();
    match names.split_at_checked(NAMED) {
        Some((first, rest @ [_, ..])) => {
            format!("{} and {} more", first.join(", "), rest.len())
        }
        _ if names.is_empty() => "none yet".to_owned(),
        _ => names.join(", "),
    }
}
