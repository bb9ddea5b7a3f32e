//! The table of documented responses: caller, request and response of each case.

mod bodies;

use portal_model::ApiVersion;
use portal_store::Seed;
use serde_json::{Value, json};

use self::bodies::body_cases;

/// The client of every credential of [`seed`]; the secret too.
pub(crate) const CLIENT: &str = "1000.CASES";

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// With an access token issued for this refresh token of [`seed`].
    Token(&'static str),
    /// With this `Authorization` header.
    Header(&'static str),
    /// Without an `Authorization` header.
    Anonymous,
}

/// One case: a request and its response.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) caller: Caller,
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
    pub(crate) status: u16,
    /// `None` for a response without a body.
    pub(crate) json: Option<Value>,
}

/// The orgs of the table. Their portals before the first case are in [`portals`].
pub(crate) fn seed() -> Seed {
    include_str!("cases/orgs.toml").parse().unwrap()
}

/// The portals before the first case, each with the refresh token that creates it.
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

/// The cases of one version. They are independent of one another.
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
        caller: Caller::Token(refresh_token),
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
    let case = |name, caller, old: &str, body, status, json| Case {
        name,
        caller,
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
        case(name, Caller::Token(refresh_token), old, naming(new), 200, success(new, message))
    };
    let acme = Caller::Token("acme.all");
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
    let saml = |name, body: Value| {
        let details = json!({
            "api_name": "saml_configuration", "json_path": "$.portals[0].saml_configuration",
        });
        let message = "saml configuration is not supported by this server";
        let json = wrapped(refused("NOT_ALLOWED", message, details));
        case(name, acme, "AcmePortal", body.to_string().into_bytes(), 400, json)
    };
    cases.extend([
        saml("saml is refused", json!({"portals": [{"saml_configuration": {"active": true}}]})),
        saml("saml is not switched off", json!({"portals": [{"saml_configuration": null}]})),
        saml(
            "saml beside a name is refused",
            json!({"portals": [{"name": "NeverMade", "saml_configuration": {}}]}),
        ),
    ]);
    cases
}

fn read_cases(version: ApiVersion) -> Vec<Case> {
    let none = |name, caller, suffix: &str| Case {
        name,
        caller,
        method: "GET",
        target: format!("{}{suffix}", portals_path(version)),
        body: Vec::new(),
        status: 204,
        json: None,
    };
    let mut cases = vec![
        none("a list of none", Caller::Token("fresh.all"), ""),
        none("a list of none in a developer org", Caller::Token("developer.all"), ""),
        none("a portal that is not there", Caller::Token("acme.read"), "/NotThere"),
        none("a portal of another org", Caller::Token("acme.all"), "/RivalPortal"),
    ];
    let list = portals_path(version);
    let one = format!("{list}/AcmePortal");
    cases.extend(authorization_cases("GET", &list, &[], &["acme.create", "acme.update"]));
    cases.extend(authorization_cases("GET", &one, &[], &["acme.create", "acme.users"]));
    for (name, target, caller) in [
        ("a list without a permission", &list, "acme.no-permission"),
        ("a list with the other permission", &list, "acme.users-only"),
        ("a get without a permission", &one, "acme.no-permission"),
    ] {
        cases.push(Case {
            status: 403,
            json: Some(refused(
                "NO_PERMISSION",
                "Permission is invalid.",
                json!({"permissions": ["Crm_Implied_Manage_ClientPortal"]}),
            )),
            ..none(name, Caller::Token(caller), target.strip_prefix(&list).unwrap_or_default())
        });
    }
    cases
}

/// Token, scope and environment, which the server checks before the body.
fn authorization_cases(
    method: &'static str,
    target: &str,
    body: &[u8],
    without_scope: &[&'static str],
) -> Vec<Case> {
    let case = |name, caller, status, json| Case {
        name,
        caller,
        method,
        target: target.to_owned(),
        body: body.to_owned(),
        status,
        json: Some(json),
    };
    let anonymous = || refused("AUTHENTICATION_FAILURE", "Authentication failed", json!({}));
    let unknown = refused("INVALID_TOKEN", "invalid oauth token", json!({}));
    let scope =
        || refused("OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL", json!({}));
    let sandbox = refused(
        "API_NOT_SUPPORTED",
        "api not supported in sandbox",
        json!({"unsupported_environment": "sandbox"}),
    );
    let mut cases = vec![
        case("no token", Caller::Anonymous, 401, anonymous()),
        case("another scheme", Caller::Header("Basic MTAwMC5hLmI="), 401, anonymous()),
        case("a scheme without a token", Caller::Header("Zoho-oauthtoken"), 401, anonymous()),
        case("an unknown token", Caller::Header("Zoho-oauthtoken 1000.a.b"), 401, unknown.clone()),
        case("an unknown bearer token", Caller::Header("Bearer 1000.a.b"), 401, unknown),
        case("a sandbox org", Caller::Token("sandbox.all"), 400, sandbox.clone()),
        case(
            "the environment comes before a permission",
            Caller::Token("sandbox.no-permission"),
            400,
            sandbox,
        ),
        case(
            "the scope comes before the environment",
            Caller::Token("sandbox.users"),
            401,
            scope(),
        ),
    ];
    cases.extend(
        without_scope.iter().map(|token| case("another scope", Caller::Token(token), 401, scope())),
    );
    cases
}

/// Permissions, which the server checks before the body too.
fn permission_cases(method: &'static str, target: &str, name: &str) -> Vec<Case> {
    const PORTALS: &str = "Crm_Implied_Manage_ClientPortal";
    const USERS: &str = "Crm_Implied_Manage_ClientPortal_Users";
    let case = |name, refresh_token, body: Vec<u8>, missing: &[&str]| Case {
        name,
        caller: Caller::Token(refresh_token),
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

/// Path, version and method, which the server checks before the token.
fn call_cases(version: ApiVersion) -> Vec<Case> {
    let case = |name, method, target: String, status, json| Case {
        name,
        caller: Caller::Anonymous,
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
