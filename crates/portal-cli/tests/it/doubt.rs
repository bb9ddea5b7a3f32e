//! Creates whose response is lost or whose process ends, and `portal recover`.

use std::fs;
use std::time::{Duration, Instant};

#[cfg(unix)]
use portal_testkit::Signal;
use serde_json::json;

use crate::gateway::Gateway;
use crate::orgs::{self, Org, Orgs};
use crate::support::{Home, Ran, Running, Served, kill_once, wait_until};

const NAME: &str = "PortalsAPItest100";
const JSON: [&str; 2] = ["--output", "json"];

fn portals(server: &Served, home: &Home) -> usize {
    server.run(home, &["list"]).stdout.lines().count()
}

#[test]
fn lost_response_is_verified() {
    let home = Home::new();
    let server =
        Served::start(&home, &["--fault", "POST committed:drop", "--fault", "GET request:500:1/2"]);
    let ran = server.run(&home, &["--output", "json", "create", NAME]);
    assert_eq!((ran.status, &ran.json()[0]["origin"]), (0, &json!("appeared")), "{ran:?}");
}

#[test]
fn long_wait_for_proof_is_shown() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST request:drop"]);
    let mut command = server.command(&home, &["create", NAME]);
    let ran = Ran::of(command.env("PORTAL_PROCESSING_TIME", "2s"));
    assert_eq!(ran.status, 6, "{ran:?}");
    assert!(ran.stderr.contains("; verifying (certain in "), "{ran:?}");
    assert_eq!(home.unfinished().len(), 0);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux shows that the holder is gone")]
fn recover_finds_late_effect_of_killed_create() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let gateway = Gateway::start(&server);
    kill_once(gateway.command(&server, &home, &["create", NAME]), || gateway.creates() == 1);
    assert_eq!(home.unfinished()[0]["state"], "in_doubt");
    // The backend takes its time: the first list of the recovery does not show the portal yet.
    gateway.open_after_lists(2);
    let mut command = gateway.command(&server, &home, &["--output", "json", "recover", NAME]);
    let ran = Ran::from(command.env("PORTAL_PROCESSING_TIME", "60s").output().unwrap());
    assert_eq!((ran.status, &ran.json()[0]["origin"]), (0, &json!("appeared")), "{ran:?}");
    assert_eq!(home.unfinished().len(), 0);
    let ran = server.run(&home, &["recover"]);
    assert_eq!(
        (ran.status, ran.stderr.as_str()),
        (0, "no create or rename is unfinished\n"),
        "{ran:?}"
    );
}

#[test]
fn recover_proves_absence_after_processing_time() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST request:delay=60s:1/2"]);
    assert_eq!(server.run(&home, &["create", "AcmeOther"]).status, 0);
    let create = ["create", "--allow-another", "--timeout", "1s", NAME];
    kill_once(server.command(&home, &create), || home.attempts() == 2);
    let started = Instant::now();
    let mut command = server.command(&home, &["--output", "json", "recover", NAME]);
    let ran = Ran::from(command.env("PORTAL_PROCESSING_TIME", "2s").output().unwrap());
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (6, &json!("not_created")), "{ran:?}");
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(ran.json()[0]["verified_after"], 2, "{ran:?}");
    assert_eq!(home.unfinished().len(), 0);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux shows that the holder is gone")]
fn second_name_waits_for_first_in_doubt() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST committed:delay=60s"]);
    kill_once(server.command(&home, &["create", "FirstName"]), || portals(&server, &home) == 1);
    // What a list shows may be the doing of the first.
    let ran = server.run(&home, &[&JSON[..], &["create", "FirstName", "--dry-run"]].concat());
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (5, &json!("unknown")), "{ran:?}");
    let ran = server.run(&home, &[&JSON[..], &["create", "SecondName"]].concat());
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (4, &json!("org_has_portal")), "{ran:?}");
    assert_eq!(portals(&server, &home), 1);
    // Its own outcome is still told to whoever asks for it.
    let ran = server.run(&home, &[&JSON[..], &["create", "FirstName"]].concat());
    assert_eq!((ran.status, &ran.json()[0]["origin"]), (0, &json!("appeared")), "{ran:?}");
}

#[test]
fn second_name_is_withheld_while_first_in_doubt() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let gateway = Gateway::start(&server);
    kill_once(gateway.command(&server, &home, &["create", "FirstName"]), || gateway.creates() == 1);
    gateway.break_lists();
    let short = ["--timeout", "300ms", "--deadline", "7s"];
    let create = [&JSON[..], &["create", "SecondName"], &short].concat();
    let ran = gateway.run(&server, &home, &create);
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (6, &json!("not_created")), "{ran:?}");
    assert_eq!((gateway.creates(), home.unfinished().len()), (1, 1));
}

#[test]
fn two_names_at_once_are_one_portal() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let names = ["FirstName", "SecondName", "ThirdName"];
    let create =
        |name| Running::start(server.command(&home, &[&JSON[..], &["create", name]].concat()));
    let processes: Vec<_> = names.into_iter().map(create).collect();
    let mut exits: Vec<i32> = processes.into_iter().map(|process| process.wait().status).collect();
    exits.sort_unstable();
    assert_eq!((exits, portals(&server, &home)), (vec![0, 4, 4], 1));
}

#[test]
fn own_portal_missing_from_list_is_present() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let gateway = Gateway::start(&server);
    gateway.open();
    gateway.keep_first_list();
    let create = |name| {
        let mut command = gateway.command(&server, &home, &[&JSON[..], &["create", name]].concat());
        let ran = Ran::from(command.env("PORTAL_LIST_LAG", "60s").output().unwrap());
        (ran.status, ran.json().remove(0)["outcome"].take())
    };
    assert_eq!(create(NAME), (0, json!("created")));
    assert_eq!(create(NAME), (4, json!("present")));
    assert_eq!(create("AcmeOther"), (4, json!("org_has_portal")));
    assert_eq!(gateway.creates(), 1);
}

#[test]
fn recovery_in_other_org_is_refused() {
    let orgs = Orgs::start(
        vec![Org::new("acme"), Org::new("beta")],
        &["--fault", "POST committed:delay=60s"],
    );
    let home = &orgs.home;
    let run = |token: &str, arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.env("PORTAL_API_DOMAIN", orgs.served.url()).env("PORTAL_ACCESS_TOKEN", token);
        command
    };
    let (acme, beta) = (orgs.access_token("acme"), orgs.access_token("beta"));
    kill_once(run(&acme, &["create", NAME]), || {
        home.run(&["list", "--profile", "acme"]).stdout.contains(NAME)
    });
    let recover = [&JSON[..], &["recover", NAME]].concat();
    let ran = Ran::from(run(&beta, &recover).output().unwrap());
    assert_eq!((ran.status, home.unfinished().len()), (5, 1), "{ran:?}");
    assert!(ran.stderr.contains("was begun in"), "{ran:?}");

    let fresh = orgs.access_token("acme");
    let same = [&recover[..], &["--same-org"]].concat();
    let ran = Ran::from(run(&fresh, &same).output().unwrap());
    assert_eq!((ran.status, &ran.json()[0]["origin"]), (0, &json!("appeared")), "{ran:?}");
}

#[test]
fn recovery_with_new_token_of_unknown_org_takes_the_users_word() {
    let orgs = Orgs::start(vec![Org::new("acme")], &["--fault", "POST committed:delay=60s"]);
    let gateway = Gateway::start(&orgs.served);
    gateway.open();
    gateway.hide_org();
    let run = |token: &str, arguments: &[&str]| {
        let mut command = orgs.home.command(arguments);
        command.env("PORTAL_API_DOMAIN", gateway.url()).env("PORTAL_ACCESS_TOKEN", token);
        command
    };
    kill_once(run(&orgs.access_token("acme"), &["create", NAME]), || {
        orgs.home.run(&["list", "--profile", "acme"]).stdout.contains(NAME)
    });
    let fresh = orgs.access_token("acme");
    let recover = [&JSON[..], &["recover", NAME]].concat();
    let ran = Ran::from(run(&fresh, &recover).output().unwrap());
    assert!(ran.status == 5 && ran.stderr.contains("`--same-org`"), "{ran:?}");
    let same = [&recover[..], &["--same-org"]].concat();
    let ran = Ran::from(run(&fresh, &same).output().unwrap());
    assert_eq!((ran.status, &ran.json()[0]["origin"]), (0, &json!("appeared")), "{ran:?}");
}

#[test]
fn recover_reports_effect_beyond_limits() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let gateway = Gateway::start(&server);
    let short = ["--timeout", "300ms", "--deadline", "7s"];
    let ran = gateway.run(&server, &home, &[&["create", NAME], &short[..]].concat());
    assert_eq!(ran.status, 6, "{ran:?}");
    gateway.open();
    wait_until(|| portals(&server, &home) == 1);
    let recover = [&JSON[..], &["recover"]].concat();
    let ran = gateway.run(&server, &home, &recover);
    let object = ran.json().remove(0);
    assert_eq!((ran.status, &object["outcome"]), (0, &json!("appeared_late")), "{ran:?}");
    assert_eq!((&object["name"], &object["portal"]["name"]), (&json!(NAME), &json!(NAME)));
}

#[test]
fn unreadable_ledger_may_hold_anything() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let gateway = Gateway::start(&server);
    kill_once(gateway.command(&server, &home, &["create", NAME]), || gateway.creates() == 1);
    let whole = fs::read(home.ledger()).unwrap();
    let torn = whole[..whole.len() / 2].to_vec();
    // It opens, and fails when its rows are read.
    let rows = [whole[..4096].to_vec(), vec![0xff; whole.len() - 4096]].concat();
    for damaged in [b"nonsense, and not a database at all".to_vec(), torn, rows] {
        fs::write(home.ledger(), damaged).unwrap();
        for command in
            [&["create", NAME][..], &["create", "AcmeOther"], &["rename", "AcmeOld", NAME]]
        {
            let ran = gateway.run(&server, &home, &[&JSON[..], command].concat());
            let object = ran.json().remove(0);
            assert_eq!((ran.status, &object["outcome"]), (5, &json!("unknown")), "{ran:?}");
            assert_eq!(object["error"]["kind"], "unreadable_ledger", "{ran:?}");
            assert!(ran.stderr.contains(home.ledger().to_str().unwrap()), "{ran:?}");
        }
        assert_eq!(gateway.run(&server, &home, &["recover"]).status, 5);
        assert_eq!(home.run(&["history"]).status, 5);
    }
    assert_eq!(gateway.creates(), 1);
    fs::write(home.ledger(), whole).unwrap();
    gateway.open();
    let ran = gateway.run(&server, &home, &[&JSON[..], &["recover"]].concat());
    assert_eq!((ran.status, &ran.json()[0]["origin"]), (0, &json!("appeared")), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn create_of_frozen_process_is_taken_over_once() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST request:delay=60s:@1"]);
    let create = [&JSON[..], &["create", NAME]].concat();
    let impatient = [&create[..], &["--timeout", "1s"]].concat();
    let frozen = Running::start(server.command(&home, &impatient));
    wait_until(|| home.attempts() == 1);
    frozen.signal(Signal::STOP);
    assert_eq!(home.unfinished()[0]["state"], "under_way");
    // Its lease ends, and with it its right to send.
    let second = server.run(&home, &create);
    assert_eq!((second.status, &second.json()[0]["outcome"]), (0, &json!("created")), "{second:?}");
    frozen.signal(Signal::CONT);
    let first = frozen.wait();
    assert_eq!(first.json()[0]["outcome"], "present", "{first:?}");
    assert_eq!(portals(&server, &home), 1);
}

/// A recovery has nothing of its own: what it determined is the outcome of who began it.
#[cfg(unix)]
#[test]
fn frozen_create_is_told_what_recovery_determined() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST committed:delay=60s:@1"]);
    let create = [&JSON[..], &["create", NAME, "--timeout", "1s"]].concat();
    let frozen = Running::start(server.command(&home, &create));
    wait_until(|| portals(&server, &home) == 1);
    frozen.signal(Signal::STOP);
    let recovered = server.run(&home, &[&JSON[..], &["recover", NAME]].concat());
    assert_eq!(recovered.json()[0]["origin"], "appeared", "{recovered:?}");
    frozen.signal(Signal::CONT);
    let ran = frozen.wait();
    let origin = &ran.json()[0]["origin"];
    assert_eq!((ran.status, origin), (0, &json!("appeared")), "{ran:?}");
    // The same wish once more is another one.
    let again = server.run(&home, &[&JSON[..], &["create", NAME]].concat());
    assert_eq!(again.status, 4, "{again:?}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux shows that the holder is gone")]
fn open_history_sends_nothing() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST request:delay=60s"]);
    kill_once(server.command(&home, &["create", NAME]), || home.attempts() == 1);
    let calls = server.requests("/crm/v7/settings/portals");
    let listed = home.unfinished().remove(0);
    assert_eq!((&listed["name"], &listed["effect"]), (&json!(NAME), &json!("create")));
    let ran = home.run(&["history", "--open"]);
    assert!(ran.stdout.contains("its process ended before the outcome was recorded"), "{ran:?}");
    assert_eq!((ran.status, server.requests("/crm/v7/settings/portals")), (0, calls));
}

#[test]
fn unwritable_state_directory_sends_nothing() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    fs::write(home.path().join("file"), "").unwrap();
    // From another directory a relative path would lead to another log.
    for unusable in [home.path().join("file"), "relative".into()] {
        let mut command = server.command(&home, &["create", NAME]);
        let ran = Ran::from(command.env("PORTAL_STATE_DIR", &unusable).output().unwrap());
        assert!([1, 2, 6].contains(&ran.status), "{ran:?}");
        assert!(ran.stderr.contains("PORTAL_STATE_DIR"), "{ran:?}");
    }
    assert_eq!(server.requests("/crm/v7/settings/portals"), 0);
    let directory = home.path().join("elsewhere");
    let mut command = server.command(&home, &["create", NAME]);
    let ran = Ran::from(command.env("PORTAL_STATE_DIR", &directory).output().unwrap());
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!((home.ledger().exists(), directory.join("ledger.sqlite").exists()), (false, true));
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux shows that the holder is gone")]
fn killed_fallback_is_found_by_same_command() {
    let orgs = Orgs::start(vec![Org::new("acme"), Org::new("beta")], &[]);
    let home = &orgs.home;
    assert_eq!(home.run(&["create", "FirstName", "--profile", "beta"]).status, 0);
    let gateway = Gateway::start(&orgs.served);
    gateway.pass(1);
    orgs::write_profiles(home, gateway.url(), &orgs.seeded);
    let create = ["create", "FirstName", "--fallback", "SecondName", "--profile", "acme"];
    let create = [&JSON[..], &create].concat();
    kill_once(home.command(&create), || gateway.creates() == 2);
    gateway.open_after_lists(1);
    let ran = home.run(&create);
    let json = &ran.json()[0];
    assert_eq!((ran.status, &json["origin"]), (0, &json!("appeared")), "{ran:?}");
    assert_eq!(json["name"], "SecondName", "{ran:?}");
    assert_eq!(home.run(&["list", "--profile", "acme"]).stdout.lines().count(), 1);
}

#[test]
fn killed_fallback_is_not_sent_when_not_asked_for() {
    let orgs = Orgs::start(vec![Org::new("acme"), Org::new("beta")], &[]);
    let home = &orgs.home;
    assert_eq!(home.run(&["create", "FirstName", "--profile", "beta"]).status, 0);
    let gateway = Gateway::start(&orgs.served);
    gateway.pass(1);
    gateway.lead(&orgs);
    let first = ["--output", "json", "create", "FirstName", "--profile", "acme"];
    kill_once(home.command(&[&first[..], &["--fallback", "SecondName"]].concat()), || {
        gateway.creates() == 2
    });
    gateway.pass(3);
    let ran = home.run(&first);
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (5, &json!("unknown")), "{ran:?}");
    assert!(ran.stderr.contains("which is not among the names now"), "{ran:?}");
    assert_eq!(gateway.creates(), 2);
    assert_eq!(home.run(&["list", "--profile", "acme"]).stdout, "");
}

#[cfg(unix)]
#[test]
fn ctrl_c_in_doubt_exits_5_and_names_recover() {
    // The last is what a closed terminal sends.
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let home = Home::new();
        let server = Served::start(&home, &[]);
        let gateway = Gateway::start(&server);
        let create = Running::start(gateway.command(&server, &home, &["create", NAME]));
        wait_until(|| gateway.creates() == 1);
        create.signal(signal);
        let ran = create.wait();
        assert_eq!(ran.status, 5, "{ran:?}");
        assert!(ran.stderr.contains("`portal recover PortalsAPItest100`"), "{ran:?}");
        assert_eq!(home.unfinished()[0]["state"], "in_doubt");
    }
}

#[cfg(unix)]
#[test]
fn second_ctrl_c_in_doubt_exits_5() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST request:delay=60s"]);
    let create = Running::start(server.command(&home, &["create", NAME]));
    wait_until(|| home.attempts() == 1);
    // Both are delivered at once when it goes on.
    for which in [Signal::STOP, Signal::INT, Signal::TERM, Signal::CONT] {
        create.signal(which);
    }
    let ran = create.wait();
    assert_eq!(ran.status, 5, "{ran:?}");
    assert_eq!(home.unfinished().len(), 1);
}

#[cfg(unix)]
#[test]
fn ctrl_c_before_takeover_keeps_earlier_doubt() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST request:delay=60s"]);
    kill_once(server.command(&home, &["create", NAME]), || home.attempts() == 1);
    // Another create keeps the org busy.
    let other = server.command(&home, &["create", "AcmeOther", "--allow-another"]);
    let other = Running::start(other);
    wait_until(|| home.attempts() == 2);
    let mut create =
        Running::start(server.command(&home, &[&JSON[..], &["create", NAME]].concat()));
    create.wait_for_line("waiting for earlier creates");
    create.signal(Signal::INT);
    let ran = create.wait();
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (5, &json!("unknown")), "{ran:?}");
    other.kill();
}

#[cfg(unix)]
#[test]
fn ctrl_c_while_same_create_runs_exits_5() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST request:delay=60s"]);
    let create = [&JSON[..], &["create", NAME]].concat();
    let running = Running::start(server.command(&home, &create));
    wait_until(|| home.attempts() == 1);
    let mut second = Running::start(server.command(&home, &create));
    second.wait_for_line("waiting for earlier creates");
    second.signal(Signal::INT);
    let ran = second.wait();
    assert_eq!((ran.status, &ran.json()[0]["outcome"]), (5, &json!("unknown")), "{ran:?}");
    assert_eq!(ran.json()[0]["error"]["kind"], "in_progress", "{ran:?}");
    running.kill();
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_recovery_of_everything() {
    const PATH: &str = "/crm/v7/settings/portals";
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "POST request:delay=60s"]);
    for (index, name) in ["AcmeFirst", "AcmeSecond"].into_iter().enumerate() {
        let create = server.command(&home, &["create", "--allow-another", name]);
        kill_once(create, || home.attempts() as usize > index);
    }
    let before = server.requests(PATH);
    let mut recover = server.command(&home, &[&JSON[..], &["recover"]].concat());
    recover.env("PORTAL_PROCESSING_TIME", "60s");
    let recover = Running::start(recover);
    // It has listed, and waits to verify the first one.
    wait_until(|| server.requests(PATH) > before);
    recover.signal(Signal::INT);
    let ran = recover.wait();
    assert_eq!((ran.status, ran.json().len()), (5, 1), "{ran:?}");
    assert_eq!(home.unfinished().len(), 2);
}

#[cfg(unix)]
#[test]
fn ctrl_c_before_sending_keeps_earlier_doubt() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let gateway = Gateway::start(&server);
    kill_once(gateway.command(&server, &home, &["create", NAME]), || gateway.creates() == 1);
    gateway.hang_org();
    let create = Running::start(gateway.command(&server, &home, &["create", NAME]));
    wait_until(|| gateway.asked_for_org());
    create.signal(Signal::INT);
    let ran = create.wait();
    assert_eq!(ran.status, 5, "{ran:?}");
    assert_eq!(home.unfinished().len(), 1);
}

#[cfg(unix)]
#[test]
fn ctrl_c_with_nothing_in_doubt_exits_with_130() {
    let home = Home::new();
    let server = Served::start(&home, &["--fault", "GET request:delay=60s"]);
    let create = Running::start(server.command(&home, &["create", NAME]));
    // With its token cached it is about to list.
    wait_until(|| home.tokens().exists());
    create.signal(Signal::INT);
    let ran = create.wait();
    assert_eq!(ran.status, 130, "{ran:?}");
    assert_eq!(home.entries().len(), 0);
}

#[test]
fn ledger_that_lost_its_content_is_told() {
    let home = Home::new();
    let file = home.ledger();
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let emptied = fs::File::create(&file).unwrap();
    emptied.set_modified(std::time::SystemTime::now() - Duration::from_secs(60)).unwrap();
    let warning =
        "warning: the ledger is empty and counts as new; if it was not, restore a copy of it: ";
    let ran = home.run(&["create", "PortalsAPItest100", "--local"]);
    assert!(ran.status == 0 && ran.stderr.starts_with(warning), "{ran:?}");
    let again = home.run(&["create", "PortalsAPItest100", "--local"]);
    assert!(again.status == 4 && !again.stderr.contains("warning: "), "{again:?}");
}
