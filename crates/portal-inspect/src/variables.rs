//! The variables by which an environment leads to an org.

/// The variables by which an environment selects an org.
pub const ORG_VARIABLES: [&str; 9] = [
    "PORTAL_PROFILE",
    "PORTAL_DATA_CENTER",
    "PORTAL_API_DOMAIN",
    "PORTAL_ACCOUNTS_URL",
    "PORTAL_ORG_ID",
    "PORTAL_CLIENT_ID",
    "PORTAL_CLIENT_SECRET",
    "PORTAL_REFRESH_TOKEN",
    "PORTAL_ACCESS_TOKEN",
];

/// The variables to unset in an environment that leads to an org of a local server: those that it does not set
/// itself, and that would lead elsewhere.
///
/// ```
/// let others = portal_inspect::leading_elsewhere(["PORTAL_API_DOMAIN", "PORTAL_SERVER"]);
/// assert!(others.contains(&"PORTAL_ORG_ID") && !others.contains(&"PORTAL_SERVER"));
/// ```
pub fn leading_elsewhere<'a>(set: impl IntoIterator<Item = &'a str>) -> Vec<&'static str> {
    let set: Vec<&str> = set.into_iter().collect();
    let of_server = ["PORTAL_ADMIN_URL", "PORTAL_SERVER"];
    ORG_VARIABLES.into_iter().chain(of_server).filter(|name| !set.contains(name)).collect()
}
