//! What a claim is told of the portals that the ledger created.

use super::*;
use crate::rows::Rows;

#[test]
fn receipt_goes_by_name_after_rename() {
    let created = entry(create("Others")).attempted(ended(EndingKind::Created, 10));
    let renamed = Entry {
        id: EntryId::new("rename"),
        order: 2,
        intent: Some(Intent::rename("Others", "BetaCo".parse().unwrap())),
        ..entry(rename("Others", "BetaCo")).attempted(ended(EndingKind::Renamed, 20))
    };
    let present =
        Entry { order: 3, state: ended(EndingKind::Present, 30), ..entry(create("Theirs")) };
    let again = Entry {
        id: EntryId::new("again"),
        order: 4,
        ..entry(create("Others")).attempted(ended(EndingKind::Created, 40))
    };
    let doubt = Entry {
        id: EntryId::new("doubt"),
        order: 5,
        ..entry(create("DoubtCo")).attempted(ended(EndingKind::Unknown, 50))
    };
    let rows = vec![created, renamed, present, again, doubt];
    let (_, grant) = granted(rows, &wants(create("AcmeCo")).allow_another());
    let names: Vec<_> = grant.receipts.iter().map(|receipt| &receipt.name[..]).collect();
    assert_eq!(names, ["Others", "BetaCo"], "the newest first");
    // A rename that changes the case of letters is not of what it made itself.
    let intent = Some(Intent::rename("BetaCo", "BETACO".parse().unwrap()));
    let cased = entry(rename("BetaCo", "BETACO")).attempted(ended(EndingKind::Renamed, 20));
    let (_, grant) =
        granted(vec![Entry { intent, ..cased }], &wants(create("AcmeCo")).allow_another());
    assert_eq!(grant.receipts[0].name, "BETACO");
}

#[test]
fn portal_in_doubtful_rename_has_no_receipt() {
    let created = entry(create("Others")).attempted(ended(EndingKind::Created, 99));
    let intent = Intent::rename("Others", "BetaCo".parse().unwrap());
    let renaming = Entry {
        id: EntryId::new("rename"),
        order: 2,
        intent: Some(intent),
        ..entry(rename("Others", "BetaCo")).attempted(attempting(103))
    };
    let (_, Err(Refusal::Wait(wait))) =
        claim(vec![created, renaming], &wants(create("Others")).allow_another(), &at(NOW))
    else {
        panic!()
    };
    assert_eq!((wait.entry.as_str(), wait.receipts), ("rename", Vec::new()));
}

#[test]
fn receipt_of_unknown_org_ends_no_wait() {
    let receipts = |org| {
        let created = entry(create("Others")).of(org).attempted(ended(EndingKind::Created, 99));
        let (_, decision) = claim(vec![created], &wants(create("AcmeCo")), &at(NOW));
        let Err(Refusal::Wait(wait)) = decision else { panic!("{decision:?}") };
        wait.receipts.len()
    };
    assert_eq!((receipts(org("7")), receipts(unknown("x"))), (1, 0));
    let created =
        entry(create("Others")).of(unknown("x")).attempted(ended(EndingKind::Created, 98));
    let (_, grant) = granted(vec![created], &wants(create("AcmeCo")));
    assert_eq!(grant.receipts, []);
}

#[test]
fn look_finds_last_entry_of_same_operation_and_others_as_receipts() {
    let own = || entry(create("AcmeCo")).attempted(ended(EndingKind::Unknown, 50));
    let other = Entry {
        id: EntryId::new("other"),
        order: 2,
        ..entry(create("Others")).attempted(ended(EndingKind::Created, 60))
    };
    let rows = vec![own(), other];
    let seen = |request: &ClaimRequest| {
        let Look { entry: found, receipts, .. } = look(rows.clone(), request, &at(NOW));
        let names = receipts.into_iter().map(|receipt| receipt.name).collect::<Vec<_>>();
        (found.map(|entry| entry.id.to_string()), names)
    };
    let others = || vec!["Others".to_owned()];
    assert_eq!(seen(&wants(create("AcmeCo"))), (Some("earlier".to_owned()), others()));
    assert_eq!(seen(&wants(create("GammaCo"))), (None, others()));
    let recover = Wanted::Recover(EntryId::new("earlier"));
    let request = ClaimRequest { wanted: recover, ..wants(create("AcmeCo")) };
    assert_eq!(seen(&request), (Some("earlier".to_owned()), others()));
}

/// The org of the rename is not known, so it does not determine what came of the create.
#[test]
fn rename_of_name_in_doubt_is_no_receipt() {
    let doubt = entry(create("AcmeCo")).attempted(ended(EndingKind::Unknown, 50)).doubt(50);
    let renamed = Entry {
        id: EntryId::new("rename"),
        order: 2,
        intent: Some(Intent::rename("AcmeCo", "BetaCo".parse().unwrap())),
        ..entry(rename("AcmeCo", "BetaCo"))
            .of(unknown("x"))
            .attempted(ended(EndingKind::Renamed, 60))
    };
    let recover = Wanted::Recover(EntryId::new("earlier"));
    let request = ClaimRequest { wanted: recover, ..wants(create("AcmeCo")) };
    let (_, grant) = granted(vec![doubt, renamed], &request);
    assert_eq!(grant.receipts, []);
}

#[test]
fn what_sent_nothing_does_not_end_in_doubt() {
    let unknown = Ending::new(EndingKind::Unknown);
    let holder = EntryId::new("earlier");
    let kind = |entry| {
        let ended = end(entry, &holder, &unknown, None, &at(NOW)).unwrap();
        ended.ending().unwrap().kind
    };
    assert_eq!(kind(entry(create("AcmeCo"))), EndingKind::NotDone);
    assert_eq!(kind(entry(create("AcmeCo")).attempted(open(103))), EndingKind::Unknown);
}

#[test]
fn org_is_learnt_of_service_only() {
    let told = entry(create("AcmeCo")).attempted(ended(EndingKind::NotDone, 10));
    let stated = unknown("credential of 7").with_stated_org(Org::new("8"));
    let finds = |row: &Entry| {
        reads::found(&Rows::org_of(&unknown("credential of 7")), vec![row.clone()]).len() == 1
    };
    assert!(finds(&told));
    assert!(!finds(&told.of(stated)));
}

#[test]
fn refused_name_of_key_is_told() {
    let refused = entry(create("AcmeCo")).key("k").attempted(ended(EndingKind::NameTaken, 10));
    let evidence = |request| {
        let (_, grant) = granted(vec![refused.clone()], &request);
        grant.receipts.iter().map(|receipt| receipt.evidence).collect::<Vec<_>>()
    };
    assert_eq!(evidence(wants(create("Others")).key("k")), [Evidence::Refused]);
    assert_eq!(evidence(wants(create("Others")).key("l")), []);
    assert_eq!(evidence(wants(create("Others"))), []);
}

#[test]
fn age_by_another_clock_is_no_evidence_of_presence() {
    let made = |at: Moment| {
        let ending = Ending::new(EndingKind::Created);
        let row = entry(create("Others")).attempted(State::Ended { ending, at: at.into() });
        let (_, grant) = granted(vec![row], &wants(create("AcmeCo")).allow_another());
        grant.receipts.into_iter().map(|receipt| receipt.evidence).collect::<Vec<_>>()
    };
    assert_eq!(made(at(NOW - 2)), [Evidence::Made { age: Duration::from_secs(2) }]);
    let elsewhere = Moment::new("another boot", Duration::from_secs(NOW - 2));
    assert_eq!(made(elsewhere), [Evidence::Made { age: SETTLED_AFTER }]);
}
