use portal_model::Secret;

use super::*;

const ACME: &str = r#"
[[org]]
name = "Acme"
environment = "sandbox"
portal_limit = 1

[[org.user]]
name = "Acme Admin"
email = "admin@acme.example"
permissions = ["manage_portal", "manage_portal_users"]

[[org.user.credential]]
client_id = "1000.ACME"
client_secret = "hush"
refresh_token = "1000.acme.all"
scopes = ["ZohoCRM.settings.clientportal.ALL"]

[[org.user.credential]]
client_id = "1000.ACME"
client_secret = "hush"
grant_code = "1000.acme.code"
scopes = ["ZohoCRM.settings.clientportal.CREATE", "ZohoCRM.users.READ"]

[[org.user]]
name = "Acme Clerk"
email = "clerk@acme.example"

[[org]]
name = "Globex"
"#;

#[test]
fn seed_file_lists_orgs_and_users() {
    let seed: Seed = ACME.parse().unwrap();
    let [acme, globex] = seed.orgs.as_slice() else { panic!("{seed:?}") };
    assert_eq!(acme.name, "Acme");
    assert_eq!(acme.environment, Environment::Sandbox);
    assert_eq!(acme.portal_limit, PortalLimit::One);
    let [admin, clerk] = acme.users.as_slice() else { panic!("{seed:?}") };
    assert_eq!(admin.email, "admin@acme.example");
    assert_eq!(admin.permissions, Permission::ALL.into());
    let [refresh, code] = admin.credentials.as_slice() else { panic!("{seed:?}") };
    assert_eq!(refresh.client_id, "1000.ACME");
    assert_eq!(refresh.client_secret, Secret::new("hush"));
    assert_eq!(refresh.grant, SeedGrant::RefreshToken("1000.acme.all".to_owned().into()));
    assert_eq!(refresh.scopes, [Scope::PORTAL_ALL]);
    assert_eq!(code.grant, SeedGrant::Code("1000.acme.code".to_owned().into()));
    assert_eq!(code.scopes, [Scope::PORTAL_CREATE, Scope::new("ZohoCRM.users.READ")]);
    assert_eq!((clerk.permissions.len(), clerk.credentials.len()), (0, 0));
    assert_eq!(globex.environment, Environment::Production);
    assert_eq!(globex.portal_limit, PortalLimit::Unlimited);
}

/// The error for [`ACME`] after one replacement.
fn wrong(found: &str, replacement: &str) -> String {
    assert!(ACME.contains(found), "{found}");
    ACME.replacen(found, replacement, 1).parse::<Seed>().unwrap_err().to_string()
}

#[test]
fn error_names_position_and_expected_value() {
    for (found, replacement, message) in [
        (
            "portal_limit = 1",
            "portal_limit = 2",
            "line 5, column 16: expected 1 (omit portal_limit for unlimited), found 2",
        ),
        (
            "portal_limit = 1",
            "portal_limit = \"one\"",
            "line 5, column 16: expected 1 (omit portal_limit for unlimited), found a \
             value of type string",
        ),
        (
            "\"sandbox\"",
            "\"test\"",
            "line 4, column 15: unknown variant `test`, expected one of `production`, `sandbox`, \
             `developer`",
        ),
        (
            "\"manage_portal_users\"",
            "\"manage_users\"",
            "line 10, column 33: unknown variant `manage_users`, expected `manage_portal` or \
             `manage_portal_users`",
        ),
        (
            "\"Globex\"",
            "\"Acme\"",
            "line 29, column 8: expected a unique org name, found one from above",
        ),
        (
            "clerk@acme.example",
            "admin@acme.example",
            "line 26, column 9: expected a unique e-mail address in the org, found one from above",
        ),
        (
            "refresh_token = \"1000.acme.all\"\n",
            "",
            "line 12, column 1: expected a refresh_token or a grant_code, found neither",
        ),
        (
            "grant_code",
            "refresh_token = \"1000.acme.more\"\ngrant_code",
            "line 22, column 14: expected a refresh_token or a grant_code, found both; give each a \
             credential of its own",
        ),
        (
            "1000.acme.code",
            "1000.acme.all",
            "line 21, column 14: expected a unique refresh_token or grant_code, found one from above",
        ),
        (
            "[\"ZohoCRM.settings.clientportal.ALL\"]",
            "[]",
            "line 16, column 10: expected at least one scope, such as \
             \"ZohoCRM.settings.clientportal.ALL\"",
        ),
        (
            "CREATE\", \"ZohoCRM.users",
            "CREATE,ZohoCRM.users",
            "line 22, column 10: expected one scope, such as \
             \"ZohoCRM.settings.clientportal.ALL\", found \
             \"ZohoCRM.settings.clientportal.CREATE,ZohoCRM.users.READ\"",
        ),
        ("\"1000.ACME\"", "\"\"", "line 13, column 13: expected a text, found an empty string"),
        (
            "portal_limit",
            "limit",
            "line 5, column 1: unknown field `limit`, expected one of `name`, `environment`, \
             `portal_limit`, `user`",
        ),
        (
            "[[org]]\nname = \"Globex\"",
            "[[orgs]]\nname = \"Globex\"",
            "line 28, column 3: unknown field `orgs`, expected `org`",
        ),
        ("name = \"Acme\"\n", "", "line 2, column 1: missing field `name`"),
    ] {
        assert_eq!(wrong(found, replacement), message);
    }
}

#[test]
fn client_with_two_secrets_is_refused() {
    let second = ACME.rfind("\"hush\"").unwrap();
    let mut text = ACME.to_owned();
    text.replace_range(second..second + 6, "\"psst\"");
    let error = text.parse::<Seed>().unwrap_err().to_string();
    assert_eq!(
        error,
        "line 20, column 17: expected the same client_secret as for \"1000.ACME\" above, found a different one"
    );
}

#[test]
fn error_never_contains_secret() {
    for (found, replacement) in [
        ("client_secret = \"hush\"", "client_secret = 4711"),
        ("client_secret = \"hush\"", "client_secret = [\"4711\"]"),
        ("refresh_token = \"1000.acme.all\"", "refresh_token = 4711"),
        ("client_secret = \"hush\"", "client_secret = \"4711"),
        ("client_secret = \"hush\"", "client_secret = 4711.x"),
        ("client_secret = \"hush\"", "client_secret 4711"),
        ("client_secret = \"hush\"", "client_secret = \"hush\"\nclient_secret = \"4711\""),
    ] {
        let error = wrong(found, replacement);
        assert!(error.starts_with("line 1"), "{error}");
        assert!(!error.contains("4711") && !error.contains("hush"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn column_counts_characters() {
    let error = "[[org]]\nname = \"Ä\" x".parse::<Seed>().unwrap_err();
    assert_eq!((error.line, error.column), (2, 12));
}
