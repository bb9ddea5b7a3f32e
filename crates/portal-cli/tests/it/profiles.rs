//! `portal profiles`.

use serde_json::json;

use crate::support::Home;

#[test]
fn no_profile_hints_at_login() {
    let ran = Home::new().run(&["profiles"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""));
    assert!(ran.stderr.contains("portal login"), "{}", ran.stderr);
}

#[test]
fn profiles_are_listed_with_hosts_and_org() {
    let home = Home::new();
    let folder = home.path().join(".config/portal");
    std::fs::create_dir_all(&folder).unwrap();
    let config = "[profile.zeta]\ndata_center = \"eu\"\nclient_id = \"1000.Z\"\n\
                  [profile.acme]\napi_domain = \"http://127.0.0.1:8780\"\n\
                  accounts_url = \"http://127.0.0.1:8781\"\nclient_id = \"1000.A\"\n\
                  org_id = \"7000\"\norg_name = \"Acme Inc.\"\n";
    std::fs::write(folder.join("config.toml"), config).unwrap();
    let ran = home.run(&["profiles"]);
    assert_eq!(
        (ran.status, ran.stdout.as_str()),
        (
            0,
            "acme  http://127.0.0.1:8780  1000.A  Acme Inc. (7000)\n\
             zeta  eu                     1000.Z\n"
        )
    );
    assert_eq!(
        home.run(&["profiles", "--output", "json"]).json(),
        [
            json!({
                "profile": "acme", "api_domain": "http://127.0.0.1:8780",
                "accounts_url": "http://127.0.0.1:8781", "client_id": "1000.A",
                "org": {"id": "7000", "name": "Acme Inc."},
            }),
            json!({
                "profile": "zeta", "data_center": "eu", "api_domain": "https://www.zohoapis.eu",
                "accounts_url": "https://accounts.zoho.eu", "client_id": "1000.Z",
            }),
        ]
    );
}

#[test]
fn invalid_config_is_reported_with_line() {
    let home = Home::new();
    let folder = home.path().join(".config/portal");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), "[profile.acme]\nclient = \"1\"\n").unwrap();
    let ran = home.run(&["profiles"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("config.toml, line 2: unknown field"), "{}", ran.stderr);
}
