//! A claim reads few of the entries of its org, and decides as if it had read them all.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::rows::{Filter, Rows, terms};

fn orgs() -> Vec<OrgIdentity> {
    let other = || OrgIdentity::new("https://api.example", "other").with_org(Some(Org::new("7")));
    vec![org("7"), org("7"), other(), org("8"), unknown("x"), unknown("credential of 7")]
}

fn operations() -> Vec<Operation> {
    vec![
        create("AcmeCo"),
        with_fallback("AcmeCo", "Others"),
        create("Others"),
        create("GammaCo"),
        rename("AcmeCo", "BetaCo"),
        rename("BetaCo", "AcmeCo"),
    ]
}

fn state() -> impl Strategy<Value = (State, bool)> {
    use EndingKind::{Appeared, Created, NameTaken, NotDone, Present, Renamed, Unknown};
    let kinds = vec![Created, Created, Renamed, Appeared, Present, NotDone, NameTaken, Unknown];
    let ended = (select(kinds), 80..100_u64, any::<bool>(), any::<bool>()).prop_map(
        |(kind, second, has_id, is_settled)| {
            let mut portal = Portal::new("AcmeCo");
            portal.zaid = has_id.then(|| "11".to_owned());
            let ending = Ending { portal: Some(KnownPortal::of(&portal)), ..Ending::new(kind) };
            (State::Ended { ending, at: at(second).into() }, is_settled)
        },
    );
    let open = select(vec![open(99), open(103), attempting(95), attempting(103), given_up(99)]);
    prop_oneof![6 => ended, 1 => open.prop_map(|state| (state, false))]
}

fn row() -> impl Strategy<Value = Entry> {
    let key = prop::option::weighted(0.2, Just("k".to_owned()));
    let wanted = (select(operations()), select(orgs()), key, 0..3_u32);
    (wanted, state(), prop::option::weighted(0.3, 80..100_u64)).prop_map(
        |((operation, org, key, attempts), (state, is_settled), doubt)| Entry {
            key,
            attempts,
            state,
            is_settled,
            doubt_ended: doubt.filter(|_| attempts > 0).map(|second| at(second).into()),
            ..entry(operation).of(org)
        },
    )
}

fn request() -> impl Strategy<Value = ClaimRequest> {
    let rarely = || prop::option::weighted(0.2, 0..12_usize);
    let wanted = (select(operations()), select(orgs()), any::<bool>(), any::<bool>());
    (wanted, rarely(), rarely()).prop_map(
        |((operation, org, has_key, allow_another), recovers, lost)| {
            let mut request = wants(operation).of(org);
            request.key = has_key.then(|| "k".to_owned());
            request.policy.allow_another = allow_another;
            request.lost = lost.map(|row| EntryId::new(row.to_string()));
            if let Some(row) = recovers {
                request.wanted = Wanted::Recover(EntryId::new(row.to_string()));
            }
            request
        },
    )
}

/// What an engine finds.
pub(super) fn found(lookup: &Rows, mut rows: Vec<Entry>) -> Vec<Entry> {
    let mut newest: BTreeSet<&str> = lookup.newest.iter().map(String::as_str).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.order));
    rows.retain(|row| {
        let terms = terms(row);
        let is_newest = terms.iter().filter(|term| newest.remove(term.as_str())).count() > 0;
        is_newest
            || lookup.ids.iter().any(|id| row.id.as_str() == id)
            || terms.iter().any(|term| lookup.terms.contains(term))
    });
    rows
}

/// Of what was made, a part is enough.
fn without_receipts(decision: Decision) -> String {
    let may_be_made = |mut receipts: Vec<Receipt>| {
        receipts.retain(|receipt| !matches!(receipt.evidence, Evidence::Made { .. }));
        receipts
    };
    let decision = match decision {
        Ok(grant) => {
            let receipts = may_be_made(grant.receipts);
            Ok(Box::new(Grant { receipts, ..*grant }))
        }
        Err(Refusal::Wait(wait)) => {
            let receipts = may_be_made(wait.receipts);
            Err(Refusal::Wait(Wait { receipts, ..wait }))
        }
        other => other,
    };
    format!("{decision:?}")
}

/// What a claim reads.
fn read(request: &ClaimRequest, rows: &[Entry]) -> Vec<Entry> {
    let mut names = names_of(&[], request);
    loop {
        let read = found(&Rows::of_claim(request, &names), rows.to_vec());
        let more = names_of(&read, request);
        if more.is_subset(&names) {
            return read;
        }
        names = more;
    }
}

/// By claims of other names: of its org, of that with a newer portal, of what may be its org, and of another
/// one.
#[test]
fn entries_of_long_ago_are_read_by_few() {
    use EndingKind::{Created, NotDone, Renamed, Unknown};
    let settled = |operation, kind, id: Option<&str>| {
        let mut portal = Portal::new("AcmeCo");
        portal.zaid = id.map(str::to_owned);
        let ending = Ending { portal: Some(KnownPortal::of(&portal)), ..Ending::new(kind) };
        let state = State::Ended { ending, at: at(1).into() };
        Entry { is_settled: true, ..entry(operation).attempted(state) }
    };
    let newer =
        Entry { id: EntryId::new("newer"), order: 2, ..settled(create("Others"), Created, None) };
    let acme = || create("AcmeCo");
    let rename = || rename("AcmeCo", "BetaCo");
    let gamma = create("GammaCo");
    let table = [
        (settled(acme(), Created, None), [false, false, false, false]),
        (settled(acme(), Created, Some("1")), [true, true, false, false]),
        (settled(acme(), Unknown, None), [false, false, false, false]),
        (settled(acme(), NotDone, Some("1")), [false, false, false, false]),
        (settled(rename(), Renamed, None), [true, true, false, false]),
        (settled(rename(), Unknown, None), [true, true, false, false]),
        (settled(rename(), NotDone, Some("1")), [false, false, false, false]),
        (entry(acme()).attempted(ended(NotDone, 99)), [true, true, true, false]),
    ];
    for (row, expected) in table {
        let reads = |org, rows: Vec<Entry>| {
            let read = read(&wants(gamma.clone()).of(org), &rows);
            read.iter().any(|read| read.id == row.id)
        };
        let found = [
            reads(org("7"), vec![row.clone()]),
            reads(org("7"), vec![row.clone(), newer.clone()]),
            reads(unknown("x"), vec![row.clone()]),
            reads(org("8"), vec![row.clone()]),
        ];
        assert_eq!(found, expected, "{row:?}");
    }
}

#[test]
fn entry_is_found_by_its_id() {
    let other = Entry { id: EntryId::new("other"), order: 2, ..entry(create("AcmeCo")) };
    let rows = vec![entry(create("AcmeCo")), other.clone()];
    assert_eq!(found(&Rows::entry(&other.id), rows), [other]);
}

#[test]
fn people_filter_entries() {
    let row = entry(create("AcmeCo")).label("l");
    let done = row.clone().attempted(ended(EndingKind::Created, 99));
    let selects = |filter: Filter, row: &Entry| Rows::seen(filter).selects(row);
    assert!(selects(Filter::default(), &row));
    for (origin, expected) in [("api.example", true), ("api.elsewhere", false)] {
        let filter = || Filter { origin: Some(origin.to_owned()), ..Filter::default() };
        assert_eq!(selects(filter(), &row), expected, "{origin}");
        assert_eq!(selects(Filter { is_unfinished: true, ..filter() }, &row), expected);
    }
    for (label, expected) in [("l", true), ("m", false)] {
        let filter = || Filter { labels: Some([label.to_owned()].into()), ..Filter::default() };
        assert_eq!(selects(filter(), &row), expected, "{label}");
        assert_eq!(selects(filter(), &done), expected, "{label}");
        assert!(!selects(filter(), &entry(create("AcmeCo"))), "one without a label");
    }
    let unfinished = || Filter { is_unfinished: true, ..Filter::default() };
    assert!(selects(unfinished(), &row) && !selects(unfinished(), &done));
    let lookup = Rows::seen(unfinished());
    assert_eq!(found(&lookup, vec![row.clone(), Entry { order: 2, ..done }]), [row]);
    let limit = |limit| Rows::seen(Filter { limit, ..Filter::default() }).limit();
    assert_eq!((limit(Some(2)), limit(None)), (2, usize::MAX));
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
#[test]
fn entry_is_what_its_row_says() {
    let entry = Entry { order: 7, ..entry(create("AcmeCo")).label("l").key("k").doubt(3) };
    assert_eq!(crate::rows::from_row(7, &crate::rows::to_row(&entry).unwrap()).unwrap(), entry);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn entries_that_are_not_read_decide_nothing(
        mut rows in prop::collection::vec(row(), 0..12),
        request in request(),
    ) {
        for (index, row) in rows.iter_mut().enumerate() {
            row.id = EntryId::new(index.to_string());
            row.order = index as u64 + 1;
            // What a claim lost is of the same operation.
            if let Wanted::Do(operation) = &request.wanted && request.lost.as_ref() == Some(&row.id) {
                (row.operation, row.org) = (operation.clone(), request.org.clone());
            }
        }
        let now = at(NOW);
        let mut all = View::new(rows.clone(), &request, &now);
        let rows = read(&request, &rows);
        let ids: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
        // Nothing waits for a rename of long ago; what it tells, it tells those of its org for certain.
        let is_told = |row: &Entry| ids.contains(&row.id);
        let is_rename = |row: &Entry| matches!(row.operation, Operation::Rename(_));
        all.entries.retain(|row| is_told(row) || !(row.is_settled && is_rename(row)));
        let of_all = all.decide();
        let (mut written, decision) = claim(rows, &request, &now);
        prop_assert_eq!(without_receipts(of_all), without_receipts(decision));
        all.written.retain(|row| row.id == request.id || ids.contains(&row.id));
        written.retain(|row| row.id == request.id || ids.contains(&row.id));
        prop_assert_eq!(all.written, written);
    }
}
