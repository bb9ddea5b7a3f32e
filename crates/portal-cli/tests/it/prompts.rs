//! What is asked on a terminal before something that cannot be undone.

use crate::live::Live;
use crate::orgs::Org;
use crate::support::{Home, Ran, golden};
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
    assert!(rest.ends_with("PortalsAPItest100 was created\n"), "{rest}");
    assert!(list(&live, &acme).starts_with(NAME));
}

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

#[test]
fn rename_on_live_host_wants_new_name_typed() {
    let acme = acme();
    let live = Live::start(std::slice::from_ref(&acme));
    let create = live.command(&acme, &["create", NAME, "--yes"]).output().unwrap();
    assert_eq!(Ran::from(create).status, 0);
    let rename = ["rename", NAME, "AcmeCustomers", "--processing-time", "0s"];
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
    assert_eq!(live.server.calls("/crm/v7/settings/portals"), 0);
}

#[test]
fn loopback_asks_nothing() {
    let home = Home::new();
    let mut terminal = Terminal::start(&home.command(&["create", "--local", NAME]), 80);
    terminal.expect("was created");
    assert_eq!(terminal.wait().0, 0);
}
