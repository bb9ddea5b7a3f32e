//! Renames.

use super::*;

fn renamed(code: &str) -> Event {
    if code == "SUCCESS" { success("AcmeNew") } else { response(400, code) }
}

#[test]
fn rename_lists_before_and_sends_once() {
    let script = rename().token().shows_portals(&[("1", "AcmeOld", false)]);
    let outcome = script.attempt(renamed("SUCCESS")).ends();
    assert!(matches!(outcome, Outcome::Renamed { old, .. } if old == "AcmeOld"));
}

#[test]
fn rename_names_portal_as_list_does() {
    let wanted = rename_of(" acmeold ", "AcmeNew");
    let flow = Flow::new(wanted, Policy::default(), ApiVersion::V7);
    let mut script = script(flow).token().shows_portals(&[("1", "ACMEOLD", false)]);
    assert!(matches!(script.flow.step(script.now), Step::Record(_)));
    script.flow.handle(script.now, Jitter::FULL, Event::Recorded).unwrap();
    let Step::Send { request, .. } = script.flow.step(script.now) else { panic!() };
    assert_eq!(request.path, "/crm/v7/settings/portals/ACMEOLD");
}

#[test]
fn needless_or_impossible_rename_sends_nothing() {
    let listed = |portals: &[(&str, &str, bool)]| rename().token().shows_portals(portals).ends();
    assert!(matches!(listed(&[("1", "AcmeNew", false)]), Outcome::NotFound { .. }));
    assert!(matches!(listed(&[]), Outcome::NotFound { .. }));
    assert!(matches!(
        listed(&[("1", "AcmeOld", false), ("2", "ACMENEW", false)]),
        Outcome::NameTaken { owner: Owner::ThisOrg, .. }
    ));
    let same = Flow::new(rename_of("acmenew", "AcmeNew"), Policy::default(), ApiVersion::V7);
    let outcome = script(same).token().shows_portals(&[("1", "AcmeNew", false)]).ends();
    assert!(matches!(outcome, Outcome::Unchanged { .. }));
}

#[test]
fn lost_rename_is_verified_by_id() {
    let attempted = || {
        rename()
            .token()
            .shows_portals(&[("1", "AcmeOld", false), ("2", "AcmeOther", false)])
            .attempt(lost())
    };
    let outcome = attempted().shows_portals(&[("1", "AcmeNew", true)]).ends();
    assert!(matches!(outcome, Outcome::Renamed { .. }));
    // Somebody renamed the other portal to the new name: this one still has the old name.
    let script = attempted().shows_portals(&[("1", "AcmeOld", false), ("2", "AcmeNew", true)]);
    assert!(script.flow.is_in_doubt());
}

#[test]
fn without_ids_old_name_has_to_be_all_that_is_gone() {
    let portals = |names: &[&str]| {
        let portal = |name: &&str| format!(r#"{{"name":"{name}"}}"#);
        let body = names.iter().map(portal).collect::<Vec<_>>().join(",");
        Event::Response(Response::new(200, format!(r#"{{"portals":[{body}]}}"#)))
    };
    for (now, is_renamed) in [
        (&["AcmeNew", "AcmeOther"][..], true),
        (&["AcmeThird", "AcmeNew"], false),
        (&["AcmeThird", "AcmeNew", "AcmeOther"], false),
    ] {
        let mut script = rename().token().handle(portals(&["AcmeOld", "AcmeOther"]));
        script = script.attempt(lost()).handle(portals(now));
        let is_over = matches!(script.flow.step(script.now), Step::Done(_));
        assert_eq!(is_over, is_renamed, "{now:?}");
    }
}

#[test]
fn rename_is_repeated_only_after_proved_absence() {
    let mut script = rename().token().shows_portals(&[("1", "AcmeOld", false)]).attempt(lost());
    loop {
        match script.flow.step(script.now) {
            Step::WaitUntil(time) => script.now = time,
            Step::List { .. } => script = script.shows_portals(&[("1", "AcmeOld", false)]),
            Step::Record(_) => break,
            step => panic!("{step:?}"),
        }
    }
    assert!(script.elapsed() >= Duration::from_secs(70), "{:?}", script.elapsed());
}

#[test]
fn case_only_rename_compares_exact_bytes() {
    let flow = Flow::new(rename_of("Acmeold", "AcmeOld"), Policy::default(), ApiVersion::V7);
    let script = script(flow).token().shows_portals(&[("1", "Acmeold", false)]).attempt(lost());
    let script = script.shows_portals(&[("1", "Acmeold", false)]);
    assert!(script.flow.is_in_doubt());
    let outcome = script.waits(1000).shows_portals(&[("1", "AcmeOld", true)]).ends();
    assert!(matches!(outcome, Outcome::Renamed { .. }));
}

#[test]
fn service_may_keep_new_name_in_other_letters() {
    let script = rename().token().shows_portals(&[("1", "AcmeOld", false)]).attempt(lost());
    let outcome = script.shows_portals(&[("1", "acmenew", true)]).ends();
    assert!(matches!(outcome, Outcome::Renamed { .. }), "{outcome:?}");
}

#[test]
fn name_that_portal_has_in_other_letters_is_not_another_orgs() {
    let flow = Flow::new(rename_of("Acmeold", "AcmeOld"), Policy::default(), ApiVersion::V7);
    let portals = [("1", "Acmeold", false)];
    let script = script(flow).token().shows_portals(&portals).attempt(renamed("ALREADY_USED"));
    let outcome = script.lists_until_step(&portals).ends();
    let Outcome::Rejected { error, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.code, ErrorCode::AlreadyUsed);
}

#[test]
fn portal_under_third_name_leaves_rename_unknown() {
    let mut script = rename().token().shows_portals(&[("1", "AcmeOld", false)]).attempt(lost());
    let outcome = loop {
        match script.flow.step(script.now) {
            Step::WaitUntil(time) => script.now = time,
            Step::List { .. } => script = script.shows_portals(&[("1", "AcmeThird", true)]),
            Step::Done(outcome) => break *outcome,
            step => panic!("{step:?}"),
        }
    };
    let Outcome::Unknown { why, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(why, Unverified::RenamedElsewhere("AcmeThird".to_owned()));
}

#[test]
fn rejection_by_copy_of_rename_is_verified() {
    for code in ["INVALID_DATA", "ALREADY_USED"] {
        let script = rename().token().shows_portals(&[("1", "AcmeOld", false)]);
        let outcome = script.attempt(renamed(code)).shows_portals(&[("1", "AcmeNew", true)]).ends();
        assert!(matches!(outcome, Outcome::Renamed { .. }), "{code}");
    }
}

#[test]
fn rename_limited_beyond_deadline_is_verified() {
    let script = rename().token().shows_portals(&[("1", "AcmeOld", false)]);
    let script = script.attempt(retry_after(429, "3600"));
    let outcome = script.shows_portals(&[("1", "AcmeNew", true)]).ends();
    assert!(matches!(outcome, Outcome::Renamed { .. }));
    let mut script = rename().token().shows_portals(&[("1", "AcmeOld", false)]);
    script = script.attempt(retry_after(429, "3600"));
    let outcome = loop {
        match script.flow.step(script.now) {
            Step::WaitUntil(time) => script.now = time,
            Step::List { .. } => script = script.shows_portals(&[("1", "AcmeOld", false)]),
            Step::Done(outcome) => break *outcome,
            step => panic!("{step:?}"),
        }
    };
    assert_eq!(script.elapsed(), Duration::from_secs(70));
    let Outcome::NotRenamed { why: reason, .. } = outcome else { panic!("{outcome:?}") };
    assert!(matches!(reason, NotDone::RateLimited { .. }), "{reason:?}");
}

#[test]
fn intent_of_rename_has_attempts_and_baseline() {
    let script = rename().token().shows_portals(&[("1", "AcmeOld", false)]).sends();
    let Some(intent) = script.intent else { panic!() };
    let known = &intent.baseline.unwrap().0[0];
    assert_eq!((intent.attempts, known.id.as_deref()), (1, Some("1")));
    assert_eq!((known.name.as_str(), known.modified_time.is_some()), ("AcmeOld", true));
    assert_eq!(intent.operation.names().collect::<Vec<_>>(), ["AcmeOld", "AcmeNew"]);
}
