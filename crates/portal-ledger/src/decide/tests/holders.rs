//! What a holder may write, and who may take its entry over.

use super::*;

#[test]
fn entry_whose_lease_ended_is_taken_by_any_grant() {
    let rows = vec![Entry { state: open(99), ..entry(create("Others")) }];
    let (written, _) = granted(rows, &wants(create("AcmeCo")));
    let [taken, new] = &written[..] else { panic!("{written:?}") };
    assert_eq!(taken.ending().unwrap().kind, EndingKind::NotDone);
    assert_eq!(new.id, EntryId::new("new"));
    let late = record(taken.clone(), &EntryId::new("earlier"), &intent("Others"), None, &at(101));
    assert_eq!(late, Err(Adopted));
}

#[test]
fn attempt_that_was_waited_out_is_in_doubt_for_good() {
    let rows = vec![entry(create("Others")).attempted(attempting(92))];
    let (written, _) = granted(rows, &wants(create("AcmeCo")));
    assert_eq!(written[0].ending().unwrap().kind, EndingKind::Unknown);
    assert_eq!(written[0].doubt_ended, Some(at(92).into()));
}

#[test]
fn adopted_entry_keeps_first_baseline_and_bound_of_attempt() {
    let first = intent("AcmeCo").with_baseline(Some(Baseline::default()));
    let rows = vec![Entry {
        intent: Some(first.clone()),
        ..entry(create("AcmeCo")).attempted(attempting(99))
    }];
    let (_, grant) = granted(rows, &wants(create("AcmeCo")).key("k"));
    assert_eq!(grant.entry.key.as_deref(), Some("k"));
    assert_eq!(grant.entry.horizon(&at(NOW), Duration::from_secs(6)), Some(at(105)));
    let holder = EntryId::new("new");
    let entry = record(grant.entry, &holder, &intent("AcmeCo"), None, &at(101)).unwrap();
    assert_eq!((entry.attempts, entry.intent), (2, Some(first)));
}

#[test]
fn holder_records_until_somebody_adopts() {
    let (_, grant) = granted(Vec::new(), &wants(create("AcmeCo")));
    let (first, second) = (EntryId::new("new"), EntryId::new("second"));
    let entry = record(grant.entry, &first, &intent("AcmeCo"), None, &at(100)).unwrap();
    let again = ClaimRequest { id: second.clone(), ..wants(create("AcmeCo")) };
    assert_eq!(decided(vec![entry.clone()], &again), "waits until 103: SameUnderWay");
    let end = AttemptEnd::new(at(101), true);
    let entry = record(entry, &first, &intent("AcmeCo"), Some(&end), &at(102)).unwrap();
    assert_eq!((entry.attempts, entry.doubt_ended.clone()), (2, Some(at(101).into())));
    let unreported = record(entry.clone(), &first, &intent("AcmeCo"), None, &at(104)).unwrap();
    assert_eq!(unreported.doubt_ended, Some(at(105).into()));
    let (_, Ok(adopted)) = claim(vec![entry], &again, &at(105)) else { panic!() };
    let adopted = adopted.entry;
    assert_eq!(record(adopted.clone(), &first, &intent("AcmeCo"), None, &at(105)), Err(Adopted));
    let negative = Ending::new(EndingKind::NotDone);
    assert_eq!(end_of(&adopted, &first, &negative), Err(Adopted));
    let created = Ending::new(EndingKind::Created);
    let entry = end_of(&adopted, &first, &created).unwrap();
    assert_eq!(entry.ending(), Some(&created));
    assert_eq!(record(entry, &second, &intent("AcmeCo"), None, &at(106)), Err(Adopted));
}

#[test]
fn only_holder_keeps_name_of_success() {
    let holder = EntryId::new("new");
    let (_, grant) = granted(Vec::new(), &wants(create("AcmeCo")));
    let entry = record(grant.entry, &holder, &intent("AcmeCo"), None, &at(100)).unwrap();
    let other_name = Some("AcmeCo1".to_owned());
    let end = AttemptEnd { other_name, ..AttemptEnd::new(at(101), true) };
    let kept = attempt_ended(entry.clone(), &holder, Some(&end)).unwrap();
    assert_eq!(kept.intent.as_ref().unwrap().other_name.as_deref(), Some("AcmeCo1"));
    assert_eq!(kept.doubt_ended, Some(at(101).into()));
    assert_eq!(attempt_ended(entry, &EntryId::new("other"), Some(&end)), Err(Adopted));
}

#[test]
fn only_one_holder_ends_as_own() {
    // The first holder reads SUCCESS when its time is over; the second one saw the portal by then.
    let [first, second] = ["new", "second"].map(EntryId::new);
    let (_, grant) = granted(Vec::new(), &wants(create("AcmeCo")));
    let entry = record(grant.entry, &first, &intent("AcmeCo"), None, &at(100)).unwrap();
    let request = ClaimRequest { id: second.clone(), ..wants(create("AcmeCo")) };
    let (_, Ok(grant)) = claim(vec![entry], &request, &at(103)) else { panic!() };
    let created = Ending::new(EndingKind::Created);
    let appeared = end_of(&grant.entry, &second, &Ending::new(EndingKind::Appeared)).unwrap();
    assert_eq!(end_of(&appeared, &first, &created), Err(Adopted));
    for kind in [EndingKind::Unknown, EndingKind::NotDone, EndingKind::Present] {
        let entry = end_of(&grant.entry, &second, &Ending::new(kind)).unwrap();
        assert!(end_of(&entry, &first, &created).is_ok(), "{kind:?}");
    }
}

fn end_of(entry: &Entry, holder: &EntryId, ending: &Ending) -> Result<Entry, Adopted> {
    end(entry.clone(), holder, ending, None, &at(105))
}

#[test]
fn claim_whose_result_was_lost_is_granted_again() {
    let request = wants(create("AcmeCo"));
    let (_, grant) = granted(Vec::new(), &request);
    let (_, again) = granted(vec![grant.entry.clone()], &request);
    assert_eq!(again.entry.id, grant.entry.id);
    let entry = record(again.entry, &request.id, &intent("AcmeCo"), None, &at(100)).unwrap();
    assert_eq!(decided(vec![entry.clone()], &request), "waits until 103: SameUnderWay");
    let entry = end(entry, &request.id, &Ending::new(EndingKind::NotDone), None, &at(100)).unwrap();
    assert_eq!(decided(vec![entry], &request), "ended NotDone");
}

#[test]
fn released_entry_is_free_at_once_unless_attempting() {
    let (_, grant) = granted(Vec::new(), &wants(create("AcmeCo")));
    let holder = EntryId::new("new");
    let attempting =
        record(grant.entry.clone(), &holder, &intent("AcmeCo"), None, &at(100)).unwrap();
    assert_eq!(release(attempting.clone(), &holder, None), None);
    let again = ClaimRequest { id: EntryId::new("again"), ..wants(create("AcmeCo")) };
    let released = release(grant.entry, &holder, None).unwrap();
    assert_eq!(released.ending().unwrap().kind, EndingKind::NotDone);
    assert_eq!(decided(vec![released], &again), "new");
    // It may have read SUCCESS, and lists are behind.
    for in_doubt in [false, true] {
        let end = AttemptEnd::new(at(100), in_doubt);
        let released = release(attempting.clone(), &holder, Some(&end)).unwrap();
        assert_eq!(decided(vec![released.clone()], &again), "adopts");
        let other = Wanted::Do(create("Others"));
        let other = ClaimRequest { wanted: other, ..again.clone() };
        assert_eq!(decided(vec![released], &other), "waits until 108: Effect");
    }
}

/// An org of thousands has a long one.
#[test]
fn entry_keeps_baseline_only_as_long_as_something_goes_by_it() {
    use EndingKind::{Appeared, Created, NameTaken, NotDone, Present, Renamed, Unknown};
    let keeps = |kind, in_doubt| {
        let (_, grant) = granted(Vec::new(), &wants(create("AcmeCo")));
        let (holder, baseline) = (EntryId::new("new"), Some(Baseline::default()));
        let intent = intent("AcmeCo").with_baseline(baseline);
        let entry = record(grant.entry, &holder, &intent, None, &at(100)).unwrap();
        let last = AttemptEnd::new(at(101), in_doubt);
        let entry = end(entry, &holder, &Ending::new(kind), Some(&last), &at(102)).unwrap();
        entry.intent.unwrap().baseline.is_some()
    };
    for kind in [Created, Renamed, Appeared, NameTaken, Unknown] {
        assert!(keeps(kind, false) && keeps(kind, true), "{kind:?}");
    }
    for kind in [Present, NotDone] {
        assert!(!keeps(kind, false) && keeps(kind, true), "{kind:?}");
    }
}
