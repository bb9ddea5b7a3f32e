//! What is asked on a terminal before something that cannot be undone.

use portal_testkit::needs;

use crate::live::Live;
use crate::orgs::{Org, write_profiles};
use crate::support::{Home, Ran, Served, golden};
use crate::terminal::Terminal;

const NAME: &str = "PortalsAPItest100";
const TYPE: &str = "to cancel: ";

fn acme() -> Org {
    let scopes = &["ZohoCRM.settings.clientportal.ALL", "ZohoCRM.org.READ"];
    Org { scopes, portal_limit: false, ..Org::new("Acme") }
}

fn list(live: &Live, org: &Org) -> String {
    Ran::from(live.command(org, &["list"]).output().unwrap()).stdout
}

/// Org ids differ from run to run.
fn comparable(screen: &str) -> String {
    let is_id = |c: char| c.is_ascii_digit();
    let words = screen.split('(').map(|part| {
        let rest = part.trim_start_matches(is_id);
        if rest.len() < part.len() { format!("ID{rest}") } else { part.to_owned() }
    });
    words.collect::<Vec<_>>().join("(")
}

#[needs(setsid)]
#[test]
fn create_on_live_host_wants_name_typed() {
    let acme = acme();
    let live = Live::start(std::slice::from_ref(&acme));
    for columns in [80, 40] {
        let mut terminal = Terminal::start(&live.command(&acme, &["create", NAME]), columns);
        let question = terminal.expect(TYPE);
        golden(&format!("prompt-create-{columns}"), &comparable(&question));
        terminal.line("");
        let (status, rest) = terminal.wait();
        assert_eq!(status, 130);
        assert!(rest.ends_with("Cancelled. Nothing was sent.\n"), "{rest}");
        assert_eq!(list(&live, &acme), "");
    }
    let mut terminal = Terminal::start(&live.command(&acme, &["create", NAME]), 80);
    terminal.expect(TYPE);
    terminal.line("yes");
    assert!(terminal.expect(TYPE).contains("That is not `PortalsAPItest100`."));
    terminal.line(NAME);
    let (status, rest) = terminal.wait();
    assert_eq!(status, 0, "{rest}");
    let next = "Next: invite its users in Zoho CRM, under Setup > Channels > Portals\n";
    assert!(rest.ends_with(&format!("PortalsAPItest100 was created\n{next}")), "{rest}");
    assert!(list(&live, &acme).starts_with(NAME));
}

#[needs(setsid)]
#[test]
fn ctrl_c_at_prompt_cancels() {
    let acme = acme();
    let live = Live::start(std::slice::from_ref(&acme));
    let json = ["create", NAME, "--output", "json"];
    let mut terminal = Terminal::start(&live.command(&acme, &json), 80);
    terminal.expect(TYPE);
    terminal.interrupt();
    let (status, rest) = terminal.wait();
    assert_eq!(status, 130, "{rest}");
    assert!(
        rest.contains("\"outcome\":\"not_created\",\"error\":{\"kind\":\"cancelled\""),
        "{rest}"
    );
    assert_eq!(list(&live, &acme), "");
}

#[needs(setsid)]
#[test]
fn rename_on_live_host_wants_new_name_typed() {
    let acme = acme();
    let live = Live::start(std::slice::from_ref(&acme));
    // A rename waits until no copy of the create can be about any more.
    let times = ["--processing-time", "0s", "--list-lag", "0s"];
    let create = [&["create", NAME, "--yes"], &times[..]].concat();
    assert_eq!(Ran::of(&mut live.command(&acme, &create)).status, 0);
    let rename = [&["rename", NAME, "AcmeCustomers"], &times[..]].concat();
    let mut terminal = Terminal::start(&live.command(&acme, &rename), 80);
    golden("prompt-rename", &comparable(&terminal.expect(TYPE)));
    terminal.line("no");
    terminal.expect(TYPE);
    terminal.line("");
    let (status, rest) = terminal.wait();
    assert_eq!(status, 130);
    assert!(rest.ends_with("Cancelled. Nothing was sent.\n"), "{rest}");
    assert!(list(&live, &acme).starts_with(NAME));

    let mut terminal = Terminal::start(&live.command(&acme, &rename), 80);
    terminal.expect(TYPE);
    terminal.line("AcmeCustomers");
    assert_eq!(terminal.wait().0, 0);
    assert!(list(&live, &acme).starts_with("AcmeCustomers"));
}

#[test]
fn live_host_without_terminal_requires_yes() {
    let acme = acme();
    let live = Live::start(std::slice::from_ref(&acme));
    for command in [&["create", NAME][..], &["rename", NAME, "AcmeCustomers"]] {
        let ran = Ran::from(live.command(&acme, command).output().unwrap());
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.contains("pass `--yes` to confirm"), "{}", ran.stderr);
    }
    assert_eq!(live.server.requests("/crm/v7/settings/portals"), 0);
}

/// A home whose profiles lead to the live hosts.
fn batch(orgs: &[Org]) -> Live {
    let live = Live::start(orgs);
    write_profiles(&live.home, "https://www.zohoapis.eu", orgs);
    let config = live.home.path().join(".config/portal/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let urls = "accounts_url = \"https://www.zohoapis.eu\"";
    let text = text.replace(urls, "accounts_url = \"https://accounts.zoho.eu\"");
    std::fs::write(&config, text).unwrap();
    let rows = orgs.iter().map(|org| format!("{0},{0}Portal\n", org.name));
    let csv = std::iter::once("profile,name\n".to_owned()).chain(rows).collect::<String>();
    std::fs::write(live.home.path().join("portals.csv"), csv).unwrap();
    live
}

#[needs(setsid)]
#[test]
fn declined_batch_shows_plan_and_keeps_nothing() {
    let mut orgs = ["acme", "beta", "gamma", "delta"].map(Org::new);
    orgs[2].permissions = &["manage_portal"];
    let live = batch(&orgs);
    let create = ["create", "DeltaOther", "--profile", "delta", "--yes"];
    assert_eq!(Ran::from(live.anonymous(&create).output().unwrap()).status, 0);
    let batch = ["batch", "portals.csv"];
    for columns in [40, 80, 200] {
        let mut terminal = Terminal::start(&live.anonymous(&batch), columns);
        let shown = terminal.expect(TYPE);
        let shown = shown.replace(live.home.path().to_str().unwrap(), "/home/jo");
        golden(&format!("prompt-batch-{columns}"), &shown);
        terminal.line("no");
        terminal.expect(TYPE);
        terminal.line("");
        let (status, rest) = terminal.wait();
        assert_eq!(status, 130);
        assert!(rest.ends_with("Cancelled. Nothing was sent.\n"), "{rest}");
    }
    let mut dry = live.anonymous(&["batch", "portals.csv", "--dry-run", "--output", "json"]);
    let planned: Vec<_> = Ran::from(dry.output().unwrap())
        .json()
        .iter()
        .map(|row| row["outcome"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(planned, ["dry_run", "dry_run", "rejected", "org_has_portal"]);

    let report = ["batch", "portals.csv", "--report", "report.csv"];
    let mut terminal = Terminal::start(&live.anonymous(&report), 80);
    terminal.expect(TYPE);
    terminal.line("create 2");
    let (status, rest) = terminal.wait();
    assert_eq!(status, 1, "{rest}");
    assert!(rest.contains("2 created, 1 in orgs with another portal, 1 rejected\n"), "{rest}");
    let report = std::fs::read_to_string(live.home.path().join("report.csv")).unwrap();
    assert!(report.contains("\nacme,acmePortal,,created,acmePortal,,\n"), "{report}");
}

#[test]
fn limit_and_max_failures_leave_rows_not_begun() {
    let mut orgs = Org::many(4);
    for org in &mut orgs {
        org.permissions = &["manage_portal"];
    }
    let live = batch(&orgs);
    let run = |arguments: &[&str]| {
        let arguments = [&["batch", "portals.csv", "--yes"], arguments].concat();
        Ran::from(live.anonymous(&arguments).output().unwrap())
    };
    let first = run(&["--limit", "1"]);
    assert!(first.stdout.contains("1 rejected, 3 not begun\n"), "{first:?}");
    let second = run(&["--max-failures", "1", "--jobs", "1"]);
    assert!(second.stderr.contains("as many rows failed as `--max-failures` allows"), "{second:?}");
    assert!(second.stdout.contains("1 rejected, 3 not begun\n"), "{second:?}");
}

#[needs(setsid)]
#[test]
fn loopback_asks_nothing() {
    let home = Home::new();
    let mut terminal = Terminal::start(&home.command(&["create", "--local", NAME]), 80);
    terminal.expect("was created");
    assert_eq!(terminal.wait().0, 0);
}

#[needs(setsid)]
#[test]
fn login_on_terminal_asks_for_missing_values() {
    let acme = acme();
    let live = Live::start(std::slice::from_ref(&acme));
    let mut terminal = Terminal::start(&live.anonymous(&["login"]), 80);
    terminal.expect("Profile name [default]: ");
    terminal.line("my org");
    assert!(terminal.expect("Profile name [default]: ").contains("can't be the name"));
    terminal.line("acme");
    terminal.expect("Data center (us, eu, in, au, jp, cn, ca or sa), or URL of a server: ");
    terminal.line("EU");
    terminal.expect("Client id (from https://api-console.zoho.eu, \"Self Client\"): ");
    terminal.line(&acme.client_id());
    let steps = terminal.expect("The client secret (not echoed): ");
    let scopes = "ZohoCRM.settings.clientportal.CREATE,ZohoCRM.settings.clientportal.READ,\
                  ZohoCRM.settings.clientportal.UPDATE,ZohoCRM.org.READ,ZohoCRM.users.READ";
    assert!(steps.contains(scopes), "{steps}");
    terminal.secret(&acme.client_secret());
    terminal.expect("The code (not echoed): ");
    terminal.secret(&acme.code());
    let (status, rest) = terminal.wait();
    assert_eq!(status, 0, "{rest}");
    assert!(!rest.contains("hush") && rest.contains("stored for Admin of org Acme ("), "{rest}");
    assert!(rest.ends_with("Next: portal create NAME --profile acme --dry-run\n"), "{rest}");
    let create = ["create", NAME, "--profile", "acme", "--yes"];
    assert!(live.anonymous(&create).output().unwrap().status.success());
}

#[needs(setsid)]
#[test]
fn login_takes_url_of_own_server_for_data_center() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let mut terminal = Terminal::start(&home.command(&["login", "--profile", "local"]), 80);
    terminal.expect("or URL of a server: ");
    terminal.line("ftp://127.0.0.1");
    terminal.expect("or URL of a server: ");
    terminal.line(server.url());
    let (status, rest) = terminal.wait();
    assert_eq!(status, 0, "{rest}");
    assert!(rest.contains("profile local stored for "), "{rest}");
    assert!(!rest.contains("onsole") && rest.ends_with("--profile local --dry-run\n"), "{rest}");
}

#[needs(setsid)]
#[test]
fn login_over_profile_of_another_org_asks() {
    let [acme, beta] = [acme(), Org { name: "Beta".to_owned(), ..acme() }];
    let live = Live::start(&[acme.clone(), beta.clone()]);
    let login = |org: &Org, reply: Option<&str>| {
        let arguments = ["login", "--profile", "main", "--data-center", "eu", "--client-id"];
        let id = org.client_id();
        let command = live.anonymous(&[&arguments[..], &[&id, "--refresh-token"]].concat());
        let mut terminal = Terminal::start(&command, 80);
        terminal.expect("The client secret (not echoed): ");
        terminal.secret(&org.client_secret());
        terminal.expect("The refresh token (not echoed): ");
        terminal.secret(&org.refresh_token());
        if let Some(reply) = reply {
            let question = terminal.expect("[y/N]");
            assert!(question.contains("The profile main is for org Acme ("), "{question}");
            assert!(question.contains("Beta ("), "{question}");
            terminal.line(reply);
        }
        terminal.wait().0
    };
    assert_eq!(login(&acme, None), 0);
    assert_eq!(login(&beta, Some("")), 130);
    let profiles = || Ran::from(live.home.command(&["profiles"]).output().unwrap()).stdout;
    assert!(profiles().contains("Acme ("));
    assert_eq!(login(&beta, Some("y")), 0);
    assert!(profiles().contains("Beta ("));
}

/// No question whose reply changes nothing, and no warning of what will not happen.
#[needs(setsid)]
#[test]
fn nothing_is_asked_if_no_reply_changes_outcome() {
    let acme = acme();
    let live = Live::start(std::slice::from_ref(&acme));
    let times = ["--processing-time", "0s", "--list-lag", "0s"];
    let run = |arguments: &[&str]| {
        let arguments = [arguments, &times].concat();
        let (status, screen) = Terminal::start(&live.command(&acme, &arguments), 80).wait();
        assert!(!screen.contains(TYPE) && !screen.contains("links to"), "{arguments:?}: {screen}");
        (status, screen)
    };
    let create = [&["create", NAME, "--yes"], &times[..]].concat();
    assert_eq!(Ran::of(&mut live.command(&acme, &create)).status, 0);
    let lower = NAME.to_lowercase();
    for (arguments, status, expected) in [
        (&["create", NAME][..], 4, "already exists"),
        (&["create", NAME, "--ensure"], 0, "already exists"),
        (&["create", &lower, "--allow-another"], 4, "already exists"),
        (&["create", "AcmeOther"], 4, "the org has the portal PortalsAPItest100"),
        (&["create", "AcmeOther", "--fallback", NAME], 4, "already exists"),
        (&["create", "Acme Other"], 2, "is a space"),
        (&["rename", "AcmeMissing", "AcmeOther"], 1, "no portal named AcmeMissing"),
        (&["rename", NAME, NAME], 0, "already has that name"),
        (&["rename", NAME, "a-b"], 2, "is '-'"),
    ] {
        let (found, screen) = run(arguments);
        assert_eq!(found, status, "{arguments:?}: {screen}");
        assert!(screen.contains(expected), "{arguments:?}: {screen}");
    }
    let admin = live.server.listening["admin"].as_str().unwrap();
    let fault = r#"{"faults":["GET request:500"]}"#;
    assert_eq!(crate::raw::send(admin, "POST /api/faults", &[], fault).status, 200);
    for arguments in [&["create", "AcmeOther"][..], &["rename", NAME, "AcmeOther"]] {
        let (status, screen) = run(arguments);
        assert_eq!(status, 6, "{arguments:?}: {screen}");
    }
}
