//! `portal profiles`.

use serde_json::json;

use crate::orgs::{Org, Orgs};
use crate::support::{Home, Ran};
#[cfg(target_os = "linux")]
use crate::terminal::Terminal;

#[test]
fn no_profile_hints_at_login() {
    let ran = Home::new().run(&["profiles"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""));
    assert!(ran.stderr.contains("portal login"), "{}", ran.stderr);
}

#[cfg(target_os = "linux")]
#[portal_testkit::needs(setsid)]
#[test]
fn results_fit_terminal_of_any_width() {
    let orgs = Orgs::start(vec![Org::new("acme"), Org::new("beta")], &[]);
    for command in [&["profiles"][..], &["profiles", "show", "acme"], &["doctor"]] {
        let on = |columns| Terminal::start(&orgs.home.command(command), columns).wait().1;
        let (narrow, wide) = (on(40), on(200));
        assert!(narrow.split_whitespace().eq(wide.split_whitespace()), "{narrow}\n{wide}");
        for line in narrow.lines() {
            let is_one_word = line.split_whitespace().count() == 1;
            assert!(line.chars().count() <= 40 || is_one_word, "{command:?}: {line}");
        }
    }
    let command = orgs.home.command(&["profiles"]);
    assert_eq!(Terminal::start(&command, 200).wait().1.lines().count(), 2);
    let narrow = Terminal::start(&command, 40).wait().1;
    let below = narrow.lines().nth(1).unwrap();
    assert_eq!(below, "    1000.CLIENT.acme", "{narrow}");
}

#[test]
fn profiles_are_listed_with_hosts_and_org() {
    let home = Home::new();
    let directory = home.path().join(".config/portal");
    std::fs::create_dir_all(&directory).unwrap();
    let config = "[profile.zeta]\ndata_center = \"eu\"\nclient_id = \"1000.Z\"\n\
                  [profile.acme]\napi_domain = \"http://127.0.0.1:8780\"\n\
                  accounts_url = \"http://127.0.0.1:8781\"\nclient_id = \"1000.A\"\n\
                  org_id = \"7000\"\norg_name = \"Acme Inc.\"\n";
    std::fs::write(directory.join("config.toml"), config).unwrap();
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
    let directory = home.path().join(".config/portal");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("config.toml"), "[profile.acme]\nclient = \"1\"\n").unwrap();
    let ran = home.run(&["profiles"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("config.toml, line 2: unknown field"), "{}", ran.stderr);
}

#[test]
fn profile_is_shown_and_renamed() {
    let orgs = Orgs::start(vec![Org::new("acme"), Org::new("beta")], &[]);
    let shown = orgs.run(&["profiles", "show", "acme"]).stdout;
    assert!(shown.starts_with("profile      acme\n") && !shown.contains("hush"), "{shown}");
    let taken = orgs.run(&["profiles", "rename", "acme", "beta"]);
    assert!(taken.status == 2 && taken.stderr.contains("there is a profile beta already"));
    let ran = orgs.run(&["profiles", "rename", "acme", "main"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "profile acme is now called main\n"));
    assert_eq!(orgs.run(&["list", "--profile", "main"]).status, 0);
    let ran = orgs.run(&["logout", "--profile", "main", "--keep-token"]);
    let text = "The profile main is removed; its refresh token stays valid.\n";
    assert_eq!((ran.status, ran.stdout.as_str()), (0, text), "{ran:?}");
    assert_eq!(orgs.served.requests("/oauth/v2/token/revoke"), 0);
    assert_eq!(orgs.run(&["profiles", "--output", "json"]).json().len(), 1);
    let missing = orgs.run(&["profiles", "show", "main"]);
    assert!(missing.stderr.contains("there is no profile \"main\"; there is only beta"));
}

#[test]
fn default_profile_applies_without_selection() {
    let orgs = Orgs::start(vec![Org::new("acme"), Org::new("beta")], &[]);
    assert_eq!(orgs.run(&["create", "AcmePortal"]).status, 2);
    assert_eq!(orgs.run(&["profiles", "use", "acme"]).status, 0);
    assert_eq!(orgs.run(&["create", "AcmePortal"]).status, 0);
    assert!(orgs.run(&["list"]).stdout.starts_with("AcmePortal "));
    assert_eq!(orgs.run(&["list", "--profile", "beta"]).stdout, "");
    let default = |at: usize| orgs.run(&["profiles", "--output", "json"]).json()[at].clone();
    assert_eq!(default(0)["default"], json!(true));
    // Whatever else says where, even half of it, counts instead.
    let mut half = orgs.home.command(&["list"]);
    let half = Ran::from(half.env("PORTAL_CLIENT_ID", "1000.X").output().unwrap());
    assert!(half.status == 2 && half.stderr.contains("PORTAL_REFRESH_TOKEN"), "{half:?}");
    assert_eq!(orgs.run(&["profiles", "rename", "acme", "zeta"]).status, 0);
    assert_eq!(default(1)["default"], json!(true));
    assert_eq!(orgs.run(&["logout", "--profile", "zeta", "--keep-token"]).status, 0);
    assert_eq!(orgs.run(&["list"]).status, 2);
}

#[test]
fn profile_of_create_in_doubt_stays() {
    let orgs = Orgs::start(vec![Org::new("acme")], &["--fault", "POST committed:delay=60s"]);
    orgs.kill_create("acme");
    let keep = &["logout", "--profile", "acme", "--keep-token"];
    for command in [&["profiles", "rename", "acme", "beta"][..], &keep[..], &keep[..3]] {
        let ran = orgs.run(command);
        assert_eq!(ran.status, 2, "{ran:?}");
        let hint = "hint: run `portal recover AcmePortal --profile acme` first\n";
        assert!(ran.stderr.ends_with(hint), "{ran:?}");
    }
    let recover = ["recover", "AcmePortal", "--profile", "acme"];
    assert_eq!(orgs.run(&recover).status, 0);
    assert_eq!(orgs.run(&["profiles", "rename", "acme", "beta"]).status, 0);
}

#[test]
fn name_that_is_no_name_suggests_no_login_with_it() {
    let orgs = Orgs::start(vec![Org::new("acme")], &[]);
    for name in ["two words", "-x", "a'b", "$(rm)", "caf\u{e9}"] {
        let ran = orgs.run(&["list", &format!("--profile={name}")]);
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.stderr.contains("hint: run `portal profiles`"), "{ran:?}");
        let ran = orgs.run(&["profiles", "rename", "acme", "--", name]);
        assert!(ran.status == 2 && ran.stderr.contains("can't be the name"), "{ran:?}");
    }
}
