//! What was attacked from outside: schedules in which an outcome was untrue once, and what the rules
//! make of them now.

use super::*;

fn with_id(id: &str, receipt: Receipt) -> Receipt {
    Receipt { id: Some(id.to_owned()), ..receipt }
}

fn resumed(baseline: &[(&str, &str, bool)], policy: Policy) -> Script {
    let mut intent = Intent::create(name("Acme2026"));
    intent.attempts = 1;
    intent.baseline = Some(Baseline::of(&portals(baseline)));
    let (operation, horizon) = (create_of(&["Acme2026"]), Duration::from_secs(60));
    script(Flow::resume(operation, intent, horizon, policy, ApiVersion::V7))
}

fn portals(portals: &[(&str, &str, bool)]) -> Vec<crate::Portal> {
    responses::read_list(&list_of(portals)).unwrap()
}

fn page(header: &'static str, value: &'static str) -> Event {
    let page = list_of(&[("1", "Acme2026", false)]);
    Event::Response(page.with_headers(|name| (name == header).then_some(value)))
}

// A copy of the attempt is at work while another one's response comes back.

#[test]
fn copy_at_work_behind_refusal_is_waited_for() {
    let refusals = [
        response(423, "RESOURCE_LOCKED"),
        response(400, "REQUEST_IN_PROGRESS"),
        retry_after(429, "3600"),
        html(429),
        html(403),
    ];
    for refusal in refusals {
        let mut script = create().ready().attempt(refusal.clone());
        // No list but one from 70 s on proves absence; presence counts at once.
        while script.elapsed() < Duration::from_secs(60) {
            script = match script.flow.step(script.now) {
                Step::WaitUntil(time) => Script { now: time, ..script },
                Step::List { .. } => script.shows(&[]),
                Step::Record(_) => script.attempt(refusal.clone()),
                step => panic!("{step:?} after {refusal:?}"),
            };
        }
        assert!(script.flow.is_in_doubt(), "{refusal:?}");
        let outcome = script.lists_until_end(&[("1", "Acme2026", false)]);
        assert_eq!(origin(&outcome), Origin::Appeared, "{refusal:?}");
    }
}

#[test]
fn rejection_waits_for_every_earlier_attempt() {
    for rejection in [
        response(403, "NO_PERMISSION"),
        response(404, "INVALID_URL_PATTERN"),
        response(400, "LIMIT_REACHED"),
        response(400, "ALREADY_USED"),
    ] {
        let script = create().ready().attempt(retry_after(429, "1")).waits(2000).shows(&[]);
        let script = script.attempt(rejection.clone()).lists_until_step(&[]);
        assert_eq!(script.elapsed(), Duration::from_secs(70), "{rejection:?}");
    }
}

#[test]
fn refused_rename_waits_for_copy_at_work() {
    let old = [("1", "AcmeOld", false)];
    for refusal in [response(423, "RESOURCE_LOCKED"), retry_after(429, "3600")] {
        let script = rename().token().shows_portals(&old).attempt(refusal.clone());
        let script = script.lists_until_step(&old);
        assert_eq!(script.elapsed(), Duration::from_secs(70), "{refusal:?}");
    }
}

#[test]
fn doubt_of_attempt_is_known_to_its_ledger() {
    let mut script = create().ready().attempt(html(504));
    assert!(script.flow.is_last_in_doubt());
    script = script.clears(1000).attempt(success("Acme2026"));
    assert!(!script.flow.is_last_in_doubt());
    // By a copy of its own, or by an earlier attempt: then a copy of this one may be at work.
    let used = || response(400, "ALREADY_USED");
    assert!(!create().ready().attempt(used()).flow.is_last_in_doubt());
    let script = create().ready().attempt(lost()).clears(1000).attempt(used());
    assert!(script.flow.is_last_in_doubt());
}

// Portals that are renamed.

#[test]
fn portal_of_other_entry_is_known_by_its_id() {
    let beta = || with_id("11", receipt("BetaPortal", 3600));
    let script = || with_receipt(allow_another(), beta()).token();
    let before = [("11", "GammaPortal", true)];
    // The lost one is named as the other was.
    let lost = script().shows_portals(&before).attempt(lost());
    let outcome = lost.lists_until_end(&[before[0], ("12", "BetaPortal", true)]);
    assert_eq!(*unverified(&outcome), Unverified::MayBeRenamed("BetaPortal".to_owned()));
    // The other one is not the lost one, whatever its name.
    let lost = script().shows_portals(&[]).attempt(super::lost()).shows_portals(&before);
    lost.waits(1000).shows_portals(&before).sends();
}

#[test]
fn portal_that_ledger_renamed_may_be_the_lost_one() {
    let age = Duration::from_secs(300);
    let renamed = with_id("11", receipt("BetaPortal", 0));
    let renamed = Receipt { evidence: Evidence::Renamed { age }, ..renamed };
    let lost = with_receipt(allow_another(), renamed).token().shows_portals(&[]).attempt(lost());
    let outcome = lost.lists_until_end(&[("11", "GammaPortal", true)]);
    assert_eq!(*unverified(&outcome), Unverified::MayBeRenamed("GammaPortal".to_owned()));
}

#[test]
fn portal_of_other_entry_without_id_is_known_by_its_name_during_list_lag() {
    let outcome = |of: &str, age| {
        let script = with_receipt(allow_another(), receipt(of, age)).token().shows(&[]);
        let script = script.attempt(lost()).shows_portals(&[("12", "BetaPortal", true)]);
        script.flow.abandon()
    };
    assert_eq!(*unverified(&outcome("BetaPortal", 9)), Unverified::Stopped);
    let may_be = Unverified::MayBeRenamed("BetaPortal".to_owned());
    assert_eq!(*unverified(&outcome("BetaPortal", 10)), may_be);
    assert_eq!(*unverified(&outcome("BetaPortal", 11)), may_be);
    assert_eq!(*unverified(&outcome("GammaPortal", 9)), may_be);
}

#[test]
fn portal_without_one_of_its_times_may_be_renamed() {
    let listed = |name: &str, lost: &str| {
        let mut list = String::from_utf8(list_of(&[("1", name, false)]).body).unwrap();
        list = list.replace(&format!(r#""{lost}_time":"2026-01-01T16:00:00+00:00""#), r#""x":1"#);
        Event::Response(Response::new(200, list))
    };
    for lost in ["created", "modified"] {
        let attempted = || create_with(allow_another()).ready().attempt(super::lost());
        let outcome = attempted().list(listed("AcmeOther", lost)).flow.abandon();
        assert_eq!(*unverified(&outcome), Unverified::MayBeRenamed("AcmeOther".to_owned()));
        // It may be that of another entry, which has lost the name meanwhile.
        let outcome = attempted().list(listed("Acme2026", lost)).ends();
        assert_eq!(origin(&outcome), Origin::Appeared);
        let script = with_receipt(allow_another(), receipt("AcmeOther", 7200)).ready();
        let outcome = script.attempt(super::lost()).list(listed("Acme2026", lost)).ends();
        assert_eq!(origin(&outcome), Origin::Undetermined);
    }
}

#[test]
fn first_baseline_is_kept_over_adoptions() {
    // It took effect, and was renamed before anybody looked.
    let script = resumed(&[], allow_another()).token();
    let outcome = script.lists_until_end(&[("1", "AcmeHelpdesk", true)]);
    assert_eq!(*unverified(&outcome), Unverified::MayBeRenamed("AcmeHelpdesk".to_owned()));
    // One that was there before is not it, and stays in the baseline.
    let before = [("1", "AcmeHelpdesk", true)];
    let script = resumed(&before, allow_another()).token().lists_until_step(&before).sends();
    let Some(intent) = script.intent else { panic!() };
    assert_eq!(intent.baseline.unwrap(), Baseline::of(&portals(&before)));
}

#[test]
fn old_portal_renamed_to_wanted_name_did_not_appear() {
    let script = create_with(allow_another()).token().shows_portals(&[("1", "AcmeOld", false)]);
    let lost = script.attempt(lost());
    let outcome = lost.shows_portals(&[("1", "Acme2026", true)]).ends();
    assert_eq!(origin(&outcome), Origin::Preexisting);
    assert!(outcome.exists() && !outcome.is_ours());
    // Unless the one in doubt may have been renamed before.
    let script = resumed(&[("1", "AcmeOld", false)], allow_another()).token();
    let swapped = [("1", "Acme2026", true), ("2", "AcmeThird", true)];
    let outcome = script.lists_until_end(&swapped);
    assert_eq!(*unverified(&outcome), Unverified::MayBeRenamed("AcmeThird".to_owned()));
}

#[test]
fn new_portal_renamed_to_wanted_name_may_not_be_own() {
    let script = create_with(allow_another()).token().shows_portals(&[]).attempt(lost());
    let outcome = script.shows_portals(&[("1", "Acme2026", true)]).ends();
    assert_eq!(origin(&outcome), Origin::Undetermined);
}

#[test]
fn list_of_before_long_sleep_clears_no_way() {
    let script = || create().ready().attempt(lost()).shows(&[]).waits(1000);
    script().lasting(20).shows(&[]).sends();
    script().lasting(21).shows(&[]).waits(1000).shows(&[]).sends();
}

#[test]
fn rename_that_somebody_undid_is_unknown() {
    let script = rename().token().shows_portals(&[("1", "AcmeOld", false)]).attempt(lost());
    let outcome = script.lists_until_end(&[("1", "AcmeOld", true)]);
    assert_eq!(*unverified(&outcome), Unverified::Changed);
}

#[test]
fn taken_name_is_another_orgs_only_if_nothing_changed() {
    let attempted = || {
        let script = create_with(allow_another()).token().shows_portals(&[("1", "AcmeOld", false)]);
        script.attempt(response(400, "ALREADY_USED"))
    };
    let script = attempted().lists_until_step(&[("1", "AcmeOld", false)]);
    assert_eq!(script.elapsed(), Duration::from_secs(10));
    assert_eq!(owner(script.ends()), Owner::AnotherOrg);
    // Somebody renamed it to the name and away again, or to another one.
    for now in [("1", "AcmeOld", true), ("1", "AcmeOther", true)] {
        let outcome = attempted().lists_until_end(&[now]);
        assert_eq!(owner(outcome), Owner::Undetermined(Unverified::Changed), "{now:?}");
    }
}

#[test]
fn fallback_needs_name_of_another_org() {
    let policy = allow_another();
    let script = with_fallback(policy).token().shows_portals(&[("1", "AcmeOld", false)]);
    let script = script.attempt(response(400, "ALREADY_USED"));
    let outcome = script.lists_until_end(&[("1", "AcmeOld", true)]);
    assert_eq!(owner(outcome), Owner::Undetermined(Unverified::Changed));
}

// What a list is worth.

#[test]
fn list_from_cache_is_no_list() {
    for (header, value) in
        [("age", "3600"), ("age", "unknown"), ("cache-status", "edge; hit"), ("x-cache", "HIT")]
    {
        // Neither before the first attempt nor after it, although it shows the name.
        let mut script = create().token().list(page(header, value));
        script = script.waits(1000).shows(&[]).attempt(lost()).list(page(header, value));
        assert!(script.flow.is_in_doubt(), "{header}: {value}");
        script.waits(1000).list(page(header, value)).waits(2000);
    }
}

#[test]
fn part_of_list_is_no_list() {
    for info in [r#"{"more_records":"true"}"#, r#"{"count":3}"#, r#"{"next_page_token":"c8582e"}"#]
    {
        let body = format!(r#"{{"portals":[{{"name":"Acme2026"}}],"info":{info}}}"#);
        let part = || Event::Response(Response::new(200, body.as_str()));
        let script = create().token().list(part()).waits(1000).shows(&[]).attempt(lost());
        assert!(script.list(part()).flow.is_in_doubt(), "{info}");
    }
}

// Responses that do not fit.

#[test]
fn success_of_other_name_stays_in_doubt_and_names_it() {
    let script = create_with(allow_another()).ready().attempt(success("Acme20261"));
    let outcome = script.lists_until_end(&[("1", "Acme20261", false)]);
    let Outcome::Unknown { doubt, why, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(*doubt, Doubt::OtherName("Acme20261".to_owned()));
    assert_eq!(*why, Unverified::MayBeRenamed("Acme20261".to_owned()));
    let script = create().ready().attempt(success("Acme20261"));
    assert_eq!(script.flow.other_name(), Some("Acme20261"));
    assert!(matches!(script.lists_until_end(&[]), Outcome::Unknown { .. }));
    assert_eq!(create().ready().attempt(lost()).flow.other_name(), None);
}

#[test]
fn success_of_other_name_is_known_to_whoever_goes_on() {
    let intent = Intent { attempts: 1, ..Intent::create(name("Acme2026")) };
    let intent = intent.with_other_name("Acme20261".to_owned());
    let operation = || create_of(&["Acme2026"]);
    let flows = [
        Flow::resume(
            operation(),
            intent.clone(),
            Duration::from_secs(1),
            allow_another(),
            ApiVersion::V7,
        ),
        Flow::recover(
            operation(),
            intent,
            Duration::from_secs(1),
            Policy::default(),
            ApiVersion::V7,
        ),
    ];
    for flow in flows {
        let outcome = script(flow).token().lists_until_end(&[("1", "Acme20261", false)]);
        let Outcome::Unknown { doubt, why, .. } = &outcome else { panic!("{outcome:?}") };
        assert_eq!(*doubt, Doubt::OtherName("Acme20261".to_owned()));
        assert_eq!(*why, Unverified::MayBeRenamed("Acme20261".to_owned()));
    }
}

#[test]
fn redirect_and_page_of_refusal_are_not_repeated() {
    for status in [301, 307, 403, 404, 405, 407, 408] {
        let script = create().ready().attempt(html(status)).lists_until_step(&[]);
        assert_eq!(script.elapsed(), Duration::from_secs(70), "{status}");
        let outcome = script.ends();
        let Some(crate::ResponseError::Unreadable(page)) = outcome.response() else { panic!() };
        assert_eq!((page.http_status, page.excerpt.as_str()), (status, "<html>"));
    }
}

#[test]
fn any_401_is_worth_one_new_token() {
    let mut script = create().token().list(html(401));
    assert_eq!(script.needs_token(), Some(TokenId(1)));
    // Of an attempt it proves nothing, so a list comes before the repeat.
    for odd in [html(401), response(401, "INVALID_OAUTHTOKEN")] {
        let mut script = create().ready().attempt(odd.clone());
        assert!(script.flow.is_in_doubt());
        assert_eq!(script.needs_token(), Some(TokenId(1)));
        let script = script.token().clears(1000).attempt(odd).shows_until_proved(&[]);
        assert!(matches!(reason(script.ends()), NotDone::Auth(AuthFailure::TokenRejected(_))));
    }
}

#[test]
fn page_of_401_does_not_cost_only_token() {
    let script = create().ready().attempt(html(401)).no_token(TokenError::NotRenewable);
    assert_eq!(origin(&script.shows(&["Acme2026"]).ends()), Origin::Appeared);
}

#[test]
fn throttle_of_accounts_server_is_rate_limit() {
    let throttle = || TokenError::Rejected(OAuthError::new(OAuthError::ACCESS_DENIED));
    let outcome = create().no_token(throttle()).ends();
    assert!(matches!(reason(outcome), NotDone::RateLimited { .. }));
    let script = create().ready().attempt(lost()).list(invalid_token()).no_token(throttle());
    // In doubt, there is a last list before the deadline.
    assert!(script.waits(290_000).token().flow.is_in_doubt());
}

// One place, and time.

#[test]
fn other_api_ends_flow() {
    let moved = || TokenError::OtherOrigin("https://www.zohoapis.in".to_owned());
    let outcome = create().token().list(invalid_token()).no_token(moved()).ends();
    assert_eq!(reason(outcome), NotDone::Origin("https://www.zohoapis.in".to_owned()));
    let script = create().ready().attempt(lost()).list(invalid_token()).no_token(moved());
    let origin = Unverified::Origin("https://www.zohoapis.in".to_owned());
    assert_eq!(*unverified(&script.ends()), origin);
}

#[test]
fn attempt_does_not_leave_after_long_sleep() {
    // The lid is shut after the list, during the record, and after it.
    let mut script = create().ready();
    script.now += Duration::from_secs(3 * 3600);
    assert!(matches!(reason(script.ends()), NotDone::Deadline { .. }));
    let script = create().ready().lasting(3 * 3600).record();
    assert!(matches!(reason(script.ends()), NotDone::Deadline { .. }));
    let mut script = create().ready().record();
    script.now += Duration::from_secs(3 * 3600);
    assert!(matches!(reason(script.ends()), NotDone::Deadline { .. }));
}

// Who made it.

#[test]
fn portal_of_earlier_entry_is_created_earlier() {
    let origin_with = |receipt: Receipt, listed| {
        let script = with_receipt(Policy::default(), receipt).token();
        origin(&script.shows_portals(&[listed]).ends())
    };
    let old = || receipt("Acme2026", 7200);
    let listed = ("1", "Acme2026", false);
    assert_eq!(origin_with(with_id("1", old()), listed), created_earlier());
    assert_eq!(origin_with(with_id("2", old()), listed), Origin::Preexisting);
    // A success has no id: the name decides until a list gave one.
    assert_eq!(origin_with(old(), listed), created_earlier());
    let baseline = Some(Baseline::of(&portals(&[listed])));
    assert_eq!(origin_with(Receipt { baseline, ..old() }, listed), Origin::Preexisting);
    // It may be that success, renamed before any list showed it.
    let renamed = ("1", "Acme2026", true);
    assert_eq!(origin_with(receipt("AcmeOther", 7200), renamed), Origin::Undetermined);
    let own = Receipt { has_same_key: true, ..with_id("1", old()) };
    let script = with_receipt(Policy::default(), own).token().shows_portals(&[listed]);
    assert!(script.ends().is_ours());
}

#[test]
fn org_that_cannot_be_listed_gets_portal_only_beside_others() {
    let unlisted = |policy| create_with(policy).token().list(scope_mismatch());
    assert_eq!(rejection(unlisted(Policy::default()).ends()), ErrorCode::OauthScopeMismatch);
    unlisted(allow_another()).sends();
}

/// Of a name that an earlier operation of the same key was refused, when the org had these portals.
fn refused(name: &str, before: Option<&[(&str, &str, bool)]>) -> Receipt {
    let baseline = before.map(|before| Baseline::of(&portals(before)));
    Receipt { evidence: Evidence::Refused, baseline, has_same_key: true, ..receipt(name, 0) }
}

#[test]
fn portal_of_refused_name_appeared_since() {
    let listed = [("1", "Acme2026", false)];
    let origin_with = |receipt| {
        origin(&with_receipt(allow_another(), receipt).token().shows_portals(&listed).ends())
    };
    assert_eq!(origin_with(refused("Acme2026", Some(&[]))), Origin::Appeared);
    assert_eq!(origin_with(refused("Acme2026", Some(&listed))), Origin::Preexisting);
    assert_eq!(origin_with(refused("Acme2026", None)), Origin::Preexisting);
    assert_eq!(origin_with(refused("AcmeOther", Some(&[]))), Origin::Preexisting);
    // After an attempt of its own, a flow goes by that.
    let script = with_receipt(allow_another(), refused("Acme2026", Some(&[]))).ready();
    let outcome = script.attempt(lost()).shows_portals(&[("1", "Acme2026", true)]).ends();
    assert_eq!(origin(&outcome), Origin::Undetermined);
}

#[test]
fn no_portal_is_made_beside_that_of_refused_name() {
    let listed = |receipts: Vec<Receipt>, portal| {
        let flow = create_with(allow_another()).flow.with_receipts(receipts);
        script(flow).token().shows_portals(&[portal])
    };
    let first = || refused("FirstName", Some(&[]));
    let (kept, renamed) = (("1", "FirstName", false), ("1", "Renamed", true));
    for portal in [kept, renamed] {
        let outcome = listed(vec![first()], portal).ends();
        assert!(matches!(outcome, Outcome::OrgHasPortal { .. }), "{outcome:?}");
    }
    listed(vec![first()], ("1", "AcmeOther", false)).sends();
    listed(vec![refused("FirstName", None)], kept).sends();
    listed(vec![refused("FirstName", Some(&[kept]))], kept).sends();
    listed(vec![first(), with_id("1", receipt("Renamed", 3600))], renamed).sends();
}

#[test]
fn entry_is_named_only_if_no_other_portal_is_its() {
    let origin_of = |listed: &[(&str, &str, bool)]| {
        let script = with_receipt(allow_another(), receipt("Acme2026", 7200)).token();
        origin(&script.shows_portals(listed).ends())
    };
    // A colleague swapped the names of two portals.
    let swapped = [("1", "Acme2026", true), ("2", "AcmeOther", true)];
    assert_eq!(origin_of(&swapped), Origin::Undetermined);
    // Or renamed the entry's, and created another one.
    let created = [("1", "Acme2026", false), ("2", "AcmeOther", true)];
    assert_eq!(origin_of(&created), Origin::Undetermined);
    let alone = [("1", "Acme2026", false), ("2", "AcmeOther", false)];
    assert_eq!(origin_of(&alone), created_earlier());
}

#[test]
fn portal_that_list_shows_renamed_has_not_the_name_of_its_receipt() {
    let script = || with_receipt(Policy::default(), receipt("Acme2026", 1)).token();
    let outcome = script().shows_portals(&[("1", "AcmeHelpdesk", true)]).ends();
    assert!(matches!(outcome, Outcome::OrgHasPortal { .. }), "{outcome:?}");
    let outcome = script().shows(&[]).ends();
    assert_eq!(origin(&outcome), created_earlier());
}

#[test]
fn preview_lists_once_and_sends_nothing() {
    let preview = || {
        let operation = create_of(&["Acme2026"]);
        script(Flow::preview(operation, Policy::default(), ApiVersion::V7)).token()
    };
    assert_eq!(reason(preview().shows(&[]).ends()), NotDone::Preview);
    let unlisted = preview().list(scope_mismatch()).ends();
    assert_eq!(rejection(unlisted), ErrorCode::OauthScopeMismatch);
    assert_eq!(origin(&preview().shows(&["Acme2026"]).ends()), Origin::Preexisting);
    assert!(matches!(preview().shows(&["AcmeOther"]).ends(), Outcome::OrgHasPortal { .. }));
}

// Lists that had ids, and lack some later.

fn without_ids(ids: &[&str], portals: &[(&str, &str, bool)]) -> Event {
    let mut list = String::from_utf8(list_of(portals).body).unwrap();
    for id in ids {
        list = list.replace(&format!(r#""zaid":"{id}","#), "");
    }
    Event::Response(Response::new(200, list))
}

/// Every list from now on.
fn lists_until_end_of(mut script: Script, list: &Event) -> Outcome {
    loop {
        match script.flow.step(script.now) {
            Step::WaitUntil(time) => script.now = time,
            Step::List { .. } => script = script.list(list.clone()),
            Step::Record(_) => script = script.attempt(lost()),
            Step::Done(outcome) => return *outcome,
            step => panic!("{step:?}"),
        }
    }
}

#[test]
fn older_portal_without_its_id_is_not_the_created_one() {
    let before = [("1", "FooPortal", false)];
    let script = create_with(allow_another()).token().shows_portals(&before).attempt(lost());
    let list = without_ids(&["1"], &[("1", "Acme2026", false)]);
    let outcome = lists_until_end_of(script, &list);
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
}

#[test]
fn portal_without_its_id_does_not_prove_rename() {
    let before = [("1", "AcmeOld", false), ("2", "Another", false)];
    let after = [("1", "Third", false), ("2", "AcmeNew", false)];
    for lost_ids in [&["1"][..], &["1", "2"]] {
        let script = rename().token().shows_portals(&before).attempt(lost());
        let outcome = lists_until_end_of(script, &without_ids(lost_ids, &after));
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    }
}

#[test]
fn other_portal_of_old_name_is_not_renamed_for_lack_of_ids() {
    let list = |portals| without_ids(&["9"], portals);
    let script = rename().token().list(list(&[("1", "AcmeOld", false), ("9", "Third", false)]));
    let after = list(&[("2", "AcmeOld", false), ("9", "Third", false)]);
    let outcome = lists_until_end_of(script.attempt(lost()), &after);
    assert_eq!(*unverified(&outcome), Unverified::Gone);
}

#[test]
fn portals_that_never_had_ids_have_names() {
    let ids = ["1", "2"];
    let before = without_ids(&ids, &[("1", "FooPortal", false)]);
    let script = create_with(allow_another()).token().list(before).attempt(lost());
    let after = [("1", "FooPortal", false), ("2", "Acme2026", false)];
    let outcome = lists_until_end_of(script, &without_ids(&ids, &after));
    assert_eq!(origin(&outcome), Origin::Appeared);
}
