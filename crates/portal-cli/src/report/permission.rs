//! Permissions for managing portals, in the words of administrators.

use portal_model::server::rejections;
use portal_model::{ApiError, Scope};

/// What to do about a scope that the token lacks.
pub(crate) const EVERY_SCOPE: &str = "create a code with every scope, and log in again";

/// What to do about a token that cannot read its org.
pub(crate) fn with_org() -> String {
    format!(
        "log in again with a code that also has the scope {}, or pass `--org-id`: orgs that can't be told \
         apart wait for each other",
        Scope::ORG_READ
    )
}

/// What a token that cannot list portals costs.
pub(crate) fn cannot_verify() -> String {
    format!(
        "the token lacks the scope {}: it creates portals only with `--allow-another`, and one whose \
         response is lost cannot be verified",
        Scope::PORTAL_READ
    )
}

/// The meaning of a `NO_PERMISSION`: which permission is missing, and a note ready to send to the
/// administrator. `purpose` ends the sentence "I need … to".
pub(crate) fn missing(error: &ApiError, purpose: &str) -> (String, String) {
    let names: Vec<_> = error.details.permissions().iter().map(|name| described(name)).collect();
    let all = names.join(" and ");
    let (missing, wanted) = match names.len() {
        0 => (
            "the service does not say which permission is missing".to_owned(),
            "the permissions \"Manage Portal\" and \"Manage Portal Users\"".to_owned(),
        ),
        1 => (format!("the permission {all} is missing"), format!("the permission {all}")),
        _ => (format!("the permissions {all} are missing"), format!("the permissions {all}")),
    };
    let letter = format!(
        "Please add {wanted} to the profile of my user in Zoho CRM. I need it to {purpose} \
         through the API."
    );
    (missing, format!("send this to an administrator of the org:\n    {letter}"))
}

/// The note if both permissions are missing, or it is not known which.
pub(crate) fn note() -> String {
    let both = ["Crm_Implied_Manage_ClientPortal", "Crm_Implied_Manage_ClientPortal_Users"];
    missing(&rejections::no_permission(both), "create portals").1
}

/// A permission by the name that administrators see, and the service's own.
fn described(api_name: &str) -> String {
    let label = match api_name {
        "Crm_Implied_Manage_ClientPortal" => "Manage Portal",
        "Crm_Implied_Manage_ClientPortal_Users" => "Manage Portal Users",
        other => return other.to_owned(),
    };
    format!("\"{label}\" ({api_name})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_have_names_administrators_see() {
        let missing = |permissions: &[&str]| {
            let permissions = permissions.iter().copied();
            missing(&rejections::no_permission(permissions), "create a portal").0
        };
        let (first, second) =
            ("Crm_Implied_Manage_ClientPortal", "Crm_Implied_Manage_ClientPortal_Users");
        assert!(missing(&[first]).starts_with("the permission \"Manage Portal\" (Crm"));
        assert!(missing(&[second]).contains("\"Manage Portal Users\""));
        let both = missing(&[first, second]);
        assert!(both.contains("\"Manage Portal\" (") && both.ends_with("are missing"), "{both}");
        assert!(missing(&[]).contains("does not say"));
    }
}
