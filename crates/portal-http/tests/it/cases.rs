//! The table of answers, in code: who asks, what for, and what comes.

mod bodies;

use portal_model::ApiVersion;
use portal_store::Seed;
use serde_json::{Value, json};

use self::bodies::body_cases;

/// The client of every credential of [`seed`]; the secret too.
pub(crate) const CLIENT: &str = "1000.CASES";

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// With the access token that this refresh token of [`seed`] entitles to.
    Bearer(&'static str),
    /// With this `Authorization` header.
    Header(&'static str),
    /// Without any.
    Nobody,
}

/// One row: a request and its answer.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) who: Who,
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
    pub(crate) status: u16,
    /// `None` for an answer without a body.
    pub(crate) json: Option<Value>,
}

/// The orgs of the table. The portals that it takes for granted are in [`portals`].
pub(crate) fn seed() -> Seed {
    include_str!("cases/orgs.toml").parse().unwrap()
}

/// Whose portals are there before the first row, by refresh token.
pub(crate) fn portals() -> [(&'static str, &'static str); 4] {
    [
        ("acme.all", "AcmePortal"),
        ("acme.all", "AcmeSecond"),
        ("rival.all", "RivalPortal"),
        ("limited.all", "LimitedPortal"),
    ]
}

fn refused(code: &str, message: &str, details: Value) -> Value {
    json!({"code": code, "details": details, "message": message, "status": "error"})
}

fn wrapped(item: Value) -> Value {
    json!({"portals": [item]})
}

fn invalid(details: Value) -> Value {
    refused("INVALID_DATA", "invalid data", details)
}

/// The rows, for one version. Each stands alone: none depends on another one.
pub(crate) fn cases(version: ApiVersion) -> Vec<Case> {
    [create_cases(version), rename_cases(version), read_cases(version), call_cases(version)]
        .into_iter()
        .flatten()
        .collect()
}

fn portals_path(version: ApiVersion) -> String {
    format!("/crm/{version}/settings/portals")
}

fn success(name: &str, message: &str) -> Value {
    let details = json!({"name": name});
    wrapped(json!({"code": "SUCCESS", "details": details, "message": message, "status": "success"}))
}

fn naming(name: &str) -> Vec<u8> {
    json!({"portals": [{"name": name}]}).to_string().into_bytes()
}

fn create_cases(version: ApiVersion) -> Vec<Case> {
    let case = |name, refresh_token, body, status, json| Case {
        name,
        who: Who::Bearer(refresh_token),
        method: "POST",
        target: portals_path(version),
        body,
        status,
        json: Some(json),
    };
    let message = match version {
        ApiVersion::V8 => "Portal created successfully",
        _ => "Portal created successfully with given name.",
    };
    let created = |name, refresh_token, portal: &str| {
        case(name, refresh_token, naming(portal), 200, success(portal, message))
    };
    let limited = |name, portal| {
        let limit = refused("LIMIT_REACHED", "portal limit reached", json!({"limit": 1}));
        case(name, "limited.all", naming(portal), 400, limit)
    };
    let mut cases: Vec<Case> = body_cases()
        .into_iter()
        .map(|(name, body, status, json)| case(name, "acme.all", body, status, json))
        .collect();
    cases.extend([
        created("create", "acme.all", "CreatedWithAll"),
        created("create with the scope CREATE", "acme.create", "CreatedWithCreate"),
        created("create with a leading digit", "acme.all", "1stPortal"),
        created("create a name of 6", "acme.all", "abcde6"),
        created("create a name of 30", "acme.all", "a23456789b123456789c1234567890"),
        limited("create beyond the limit", "AnyOther"),
        limited("the limit comes before a taken name", "RivalPortal"),
    ]);
    cases.extend(authorization_cases(
        "POST",
        &portals_path(version),
        &naming("NeverMade"),
        &["acme.read", "acme.update"],
    ));
    cases.extend(permission_cases("POST", &portals_path(version), "NeverMade"));
    cases
}

fn rename_cases(version: ApiVersion) -> Vec<Case> {
    let target = |name: &str| format!("{}/{name}", portals_path(version));
    let case = |name, who, old: &str, body, status, json| Case {
        name,
        who,
        method: "PUT",
        target: target(old),
        body,
        status,
        json: Some(json),
    };
    let message = match version {
        ApiVersion::V8 => "Portal updated successfully",
        _ => "Portal renamed successfully with given name.",
    };
    let renamed = |name, refresh_token, old, new| {
        case(name, Who::Bearer(refresh_token), old, naming(new), 200, success(new, message))
    };
    let acme = Who::Bearer("acme.all");
    let unknown = |name, old, new| {
        let message = "No portal exists with the given portal name.";
        case(name, acme, old, naming(new), 400, refused("INVALID_DATA", message, json!({})))
    };
    let no_object = refused("INVALID_DATA", "body", json!({"expected_data_type": "jsonobject"}));
    let mut cases: Vec<Case> = body_cases()
        .into_iter()
        .map(|(name, body, status, json)| case(name, acme, "AcmePortal", body, status, json))
        .collect();
    cases.extend([
        renamed("rename to the own name", "acme.all", "AcmePortal", "AcmePortal"),
        renamed("rename to the own name in other letters", "acme.all", "AcmeSecond", "ACMEsecond"),
        renamed("rename with the scope UPDATE", "acme.update", "acmeportal", "AcmePortal"),
        renamed("rename in a limited org", "limited.all", "LimitedPortal", "LimitedPortal"),
        unknown("rename an unknown portal", "NotThere", "NewName1"),
        unknown("rename another org's portal", "RivalPortal", "NewName1"),
        unknown("an old name that is no name", "a%20b%2Fc", "NewName1"),
        unknown("an unknown old name comes before a taken new one", "NotThere", "RivalPortal"),
        case("a body comes before an old name", acme, "NotThere", Vec::new(), 400, no_object),
    ]);
    cases.extend(authorization_cases(
        "PUT",
        &target("AcmePortal"),
        &naming("NeverMade"),
        &["acme.read", "acme.create"],
    ));
    cases.extend(permission_cases("PUT", &target("AcmePortal"), "NeverMade"));
    cases
}

fn read_cases(version: ApiVersion) -> Vec<Case> {
    let none = |name, who, suffix: &str| Case {
        name,
        who,
        method: "GET",
        target: format!("{}{suffix}", portals_path(version)),
        body: Vec::new(),
        status: 204,
        json: None,
    };
    let mut cases = vec![
        none("a list of none", Who::Bearer("fresh.all"), ""),
        none("a list of none in a developer org", Who::Bearer("developer.all"), ""),
        none("a portal that is not there", Who::Bearer("acme.read"), "/NotThere"),
        none("a portal of another org", Who::Bearer("acme.all"), "/RivalPortal"),
    ];
    let list = portals_path(version);
    let one = format!("{list}/AcmePortal");
    cases.extend(authorization_cases("GET", &list, &[], &["acme.create", "acme.update"]));
    cases.extend(authorization_cases("GET", &one, &[], &["acme.create", "acme.users"]));
    cases
}

/// Token, scope and environment, which come before everything in a body.
fn authorization_cases(
    method: &'static str,
    target: &str,
    body: &[u8],
    without_scope: &[&'static str],
) -> Vec<Case> {
    let case = |name, who, status, json| Case {
        name,
        who,
        method,
        target: target.to_owned(),
        body: body.to_owned(),
        status,
        json: Some(json),
    };
    let nobody = || refused("AUTHENTICATION_FAILURE", "Authentication failed", json!({}));
    let unknown = refused("INVALID_TOKEN", "invalid oauth token", json!({}));
    let scope =
        || refused("OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL", json!({}));
    let sandbox = refused(
        "API_NOT_SUPPORTED",
        "api not supported in sandbox",
        json!({"unsupported_environment": "sandbox"}),
    );
    let mut cases = vec![
        case("no token", Who::Nobody, 401, nobody()),
        case("another scheme", Who::Header("Bearer 1000.a.b"), 401, nobody()),
        case("a scheme without a token", Who::Header("Zoho-oauthtoken"), 401, nobody()),
        case("an unknown token", Who::Header("Zoho-oauthtoken 1000.a.b"), 401, unknown),
        case("a sandbox org", Who::Bearer("sandbox.all"), 400, sandbox.clone()),
        case(
            "the environment comes before a permission",
            Who::Bearer("sandbox.no-permission"),
            400,
            sandbox,
        ),
        case("the scope comes before the environment", Who::Bearer("sandbox.users"), 401, scope()),
    ];
    cases.extend(
        without_scope.iter().map(|token| case("another scope", Who::Bearer(token), 401, scope())),
    );
    cases
}

/// Permissions, which come before everything in a body too.
fn permission_cases(method: &'static str, target: &str, name: &str) -> Vec<Case> {
    const PORTALS: &str = "Crm_Implied_Manage_ClientPortal";
    const USERS: &str = "Crm_Implied_Manage_ClientPortal_Users";
    let case = |name, refresh_token, body: Vec<u8>, missing: &[&str]| Case {
        name,
        who: Who::Bearer(refresh_token),
        method,
        target: target.to_owned(),
        body,
        status: 403,
        json: Some(refused(
            "NO_PERMISSION",
            "Permission is invalid.",
            json!({"permissions": missing}),
        )),
    };
    vec![
        case("neither permission", "acme.no-permission", naming(name), &[PORTALS, USERS]),
        case("only portals", "acme.portals-only", naming(name), &[USERS]),
        case("only users", "acme.users-only", naming(name), &[PORTALS]),
        case("a permission comes before the body", "acme.users-only", Vec::new(), &[PORTALS]),
    ]
}

/// Path, version and method, which come before the token.
fn call_cases(version: ApiVersion) -> Vec<Case> {
    let case = |name, method, target: String, status, json| Case {
        name,
        who: Who::Nobody,
        method,
        target,
        body: Vec::new(),
        status,
        json: Some(json),
    };
    let path = || {
        let message = "Please check if the URL trying to access is a correct one";
        refused("INVALID_URL_PATTERN", message, json!({}))
    };
    let unsupported =
        || refused("API_NOT_SUPPORTED", "api not supported", json!({"supported_version": 8}));
    let method = || {
        let message = "The http request method type is not a valid one";
        refused("INVALID_REQUEST_METHOD", message, json!({}))
    };
    let portals = portals_path(version);
    vec![
        case("an unknown path", "POST", format!("/crm/{version}/settings/portal"), 404, path()),
        case("a path below a portal", "GET", format!("{portals}/AcmePortal/users"), 404, path()),
        case(
            "a segment that is no version",
            "POST",
            "/crm/seven/settings/portals".to_owned(),
            404,
            path(),
        ),
        case("version 3", "POST", "/crm/v3/settings/portals".to_owned(), 400, unsupported()),
        case("version 9", "DELETE", "/crm/v9/settings/portals".to_owned(), 400, unsupported()),
        case(
            "version 2.1",
            "GET",
            "/crm/v2.1/settings/portals/AcmePortal".to_owned(),
            400,
            unsupported(),
        ),
        case("delete of all", "DELETE", portals.clone(), 400, method()),
        case("put of all", "PUT", portals.clone(), 400, method()),
        case("delete of one", "DELETE", format!("{portals}/AcmePortal"), 400, method()),
        case("post to one", "POST", format!("{portals}/AcmePortal"), 400, method()),
        case(
            "post to users",
            "POST",
            format!("/crm/{version}/users?type=CurrentUser"),
            400,
            method(),
        ),
        case("post to org", "POST", format!("/crm/{version}/org"), 400, method()),
    ]
}
