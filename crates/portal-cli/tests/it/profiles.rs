//! `portal profiles`.

use serde_json::json;

use crate::support::Home;

#[test]
fn without_a_profile_it_says_how_to_make_one() {
    let ran = Home::new().run(&["profiles"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""));
    assert!(ran.stderr.contains("portal login"), "{}", ran.stderr);
}

#[test]
fn profiles_are_listed_by_name_with_where_their_orgs_are() {
    let home = Home::new();
    let folder = home.path().join(".config/portal");
    std::fs::create_dir_all(&folder).unwrap();
    let config = "[profile.zeta]\ndata_center = \"eu\"\nclient_id = \"1000.Z\"\n\
                  [profile.acme]\napi_domain = \"http://127.0.0.1:8780\"\n\
                  accounts_url = \"http://127.0.0.1:8781\"\nclient_id = \"1000.A\"\n";
    std::fs::write(folder.join("config.toml"), config).unwrap();
    let ran = home.run(&["profiles"]);
    assert_eq!(
        (ran.status, ran.stdout.as_str()),
        (
            0,
            "acme  http://127.0.0.1:8780  1000.A\n\
             zeta  eu                     1000.Z\n"
        )
    );
    assert_eq!(
        home.run(&["profiles", "--output", "json"]).json(),
        [
            json!({
                "profile": "acme", "api_domain": "http://127.0.0.1:8780",
                "accounts_url": "http://127.0.0.1:8781", "client_id": "1000.A",
            }),
            json!({
                "profile": "zeta", "data_center": "eu", "api_domain": "https://www.zohoapis.eu",
                "accounts_url": "https://accounts.zoho.eu", "client_id": "1000.Z",
            }),
        ]
    );
}

#[test]
fn a_wrong_config_is_said_with_its_line() {
    let home = Home::new();
    let folder = home.path().join(".config/portal");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), "[profile.acme]\nclient = \"1\"\n").unwrap();
    let ran = home.run(&["profiles"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("config.toml, line 2: unknown field"), "{}", ran.stderr);
}
