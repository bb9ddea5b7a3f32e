//! Moments of several clocks, and entries of long ago.

use super::*;

#[test]
fn moment_of_another_clock_counts_from_now() {
    let elsewhere = |second| Moment::new("that", Duration::from_secs(second));
    let holder = Some(EntryId::new("earlier"));
    let lease = Lease {
        holder,
        until: elsewhere(5).into(),
        is_attempting: true,
        newest: None,
        process: None,
    };
    let rows = vec![entry(create("AcmeCo")).attempted(State::Open(lease))];
    assert_eq!(decided(rows.clone(), &wants(create("AcmeCo"))), "waits until 103: SameUnderWay");
    assert_eq!(decided(rows, &wants(create("Others"))), "waits until 111: OtherUnderWay");
    let ending = Ending::new(EndingKind::Created);
    let rows =
        vec![entry(create("AcmeCo")).attempted(State::Ended { ending, at: elsewhere(5).into() })];
    assert_eq!(decided(rows, &wants(create("Others"))), "waits until 102: Effect");
    // A process that read the clock and was frozen since does not shorten what others hold.
    let (_, grant) = granted(Vec::new(), &wants(create("Others")));
    let id = EntryId::new("new");
    let held = record(grant.entry, &id, &intent("Others"), None, &at(200)).unwrap();
    let request = ClaimRequest { id: EntryId::new("late"), ..wants(create("AcmeCo")) };
    assert_eq!(decided(vec![held.clone()], &request), "waits until 211: OtherUnderWay");
    assert_eq!(claim(vec![held], &request, &at(NOW)).0, []);
}

#[test]
fn moment_is_read_at_another_clock() {
    let there = |second| Moment::new("that", Duration::from_secs(second));
    assert_eq!(at(103).read_at(&at(100), &there(5)), there(8));
    assert_eq!(at(98).read_at(&at(100), &there(5)), there(3));
    assert_eq!(at(98).read_at(&at(100), &there(1)), there(0), "when the clock began");
    // Of a third clock, it can't be told.
    assert_eq!(Moment::new("third", Duration::ZERO).read_at(&at(100), &there(5)), there(5));
    assert_eq!(at(103).read_at(&at(100), &at(200)), at(103), "of the same clock");
}

#[test]
fn what_clock_reads_first_is_written() {
    let elsewhere = || Moment::new("that", Duration::from_secs(5)).into();
    let written = |row| claim(vec![row], &wants(create("AcmeCo")), &at(NOW)).0.len();
    let held = |until| {
        let holder = Some(EntryId::new("earlier"));
        let lease = Lease { holder, until, is_attempting: true, newest: None, process: None };
        entry(create("Others")).attempted(State::Open(lease))
    };
    let doubtful = |end| {
        let row = entry(create("Others")).attempted(ended(EndingKind::Unknown, 99));
        Entry { doubt_ended: Some(end), ..row }
    };
    assert_eq!((written(held(at(103).into())), written(held(elsewhere()))), (0, 1));
    assert_eq!((written(doubtful(at(99).into())), written(doubtful(elsewhere()))), (0, 1));
}

/// On some systems every process has a clock of its own.
#[test]
fn readers_of_two_clocks_do_not_make_each_other_wait() {
    let row = entry(create("AcmeCo")).attempted(ended(EndingKind::Unknown, 50)).doubt(50);
    let mut rows = vec![row];
    let there = |second| Moment::new("there", Duration::from_secs(second));
    let elsewhere = |second| Moment::new("elsewhere", Duration::from_secs(second));
    for second in 0..11 {
        for now in [there(second), elsewhere(1000 + second)] {
            let (written, decision) = claim(rows.clone(), &wants(create("Others")), &now);
            assert!(matches!(decision, Err(Refusal::Wait(_))), "{decision:?}");
            rows = if written.is_empty() { rows } else { written };
        }
    }
    let (_, decision) = claim(rows, &wants(create("Others")), &there(11));
    assert!(decision.is_ok(), "{decision:?}");
}

#[test]
fn moments_of_many_clocks_are_not_kept() {
    let mut row = entry(create("Others")).attempted(ended(EndingKind::Created, 50));
    for process in 0..300 {
        let now = Moment::new(format!("process {process}"), Duration::from_secs(1));
        let (written, _) = claim(vec![row], &wants(create("AcmeCo")), &now);
        row = written.into_iter().next().unwrap();
    }
    let State::Ended { at, .. } = &row.state else { panic!("{row:?}") };
    let process = |number| Moment::new(format!("process {number}"), Duration::from_secs(2));
    let known: Vec<_> = (0..300).filter(|it| at.reading(&process(*it)).is_some()).collect();
    assert_eq!(known, (44..300).collect::<Vec<_>>());
}

/// Each of them takes the entry over as soon as the lease of the other one has ended.
#[test]
fn adoptions_by_two_clocks_do_not_delay_horizon() {
    let moment = |clock: &str, second| Moment::new(clock, Duration::from_secs(second));
    let clocks = ["there", "elsewhere"].map(|clock| move |second| moment(clock, second));
    let until = clocks[0](3).into();
    let lease = Lease { holder: None, until, is_attempting: true, newest: None, process: None };
    let mut row = entry(create("AcmeCo")).attempted(State::Open(lease));
    let mut horizons = Vec::new();
    for second in 1..12 {
        let (clock, second) = (&clocks[second % 2], 1000 * (second as u64 % 2) + 3 * second as u64);
        let (written, decision) = claim(vec![row], &wants(create("AcmeCo")), &clock(second));
        row = written.last().cloned().unwrap();
        if let Ok(grant) = decision {
            let horizon = grant.entry.horizon(&clock(second), Duration::from_secs(6)).unwrap();
            horizons.push(horizon.since(&clock(second)).map_or(0, |left| left.as_secs()));
            row.state = State::Open(Lease {
                holder: None,
                until: clock(second).into(),
                is_attempting: false,
                newest: None,
                process: None,
            });
        }
    }
    assert_eq!(horizons.last(), Some(&0), "{horizons:?}");
}

#[test]
fn old_entries_are_settled_and_remain_receipts() {
    let created = || entry(create("Others")).attempted(ended(EndingKind::Created, 10));
    let later_by = 10 + 60 * 60;
    let request = wants(create("AcmeCo")).allow_another();
    let (written, Ok(grant)) = claim(vec![created()], &request, &at(later_by)) else { panic!() };
    assert!(written[0].is_settled);
    assert_eq!(grant.receipts[0].name, "Others");
    // After a restart, too.
    let rebooted = Moment::new("another boot", Duration::from_secs(1));
    let (_, decision) = claim(written, &wants(create("AcmeCo")), &rebooted);
    assert!(decision.is_ok(), "{decision:?}");
    let (written, _) = claim(vec![created()], &wants(create("AcmeCo")), &at(later_by - 1));
    assert!(written.iter().all(|entry| !entry.is_settled));
    // Something may wait for longer than that.
    let times = Times { processing_time: Duration::from_secs(60 * 60), ..times() };
    let (written, _) = claim(
        vec![Entry { times, ..created() }],
        &wants(create("AcmeCo")).allow_another(),
        &at(later_by),
    );
    assert!(written.iter().all(|entry| !entry.is_settled));
}

#[test]
fn entry_that_sent_nothing_is_settled_by_its_end() {
    let is_settled = |attempts| {
        let row = Entry { attempts, ..entry(create("AcmeCo")) };
        let ending = Ending::new(EndingKind::NotDone);
        end(row, &EntryId::new("earlier"), &ending, None, &at(101)).unwrap().is_settled
    };
    assert_eq!((is_settled(0), is_settled(1)), (true, false));
}

/// Where each process has a clock of its own, none forgets when the others first read a moment.
#[test]
fn many_waiting_processes_keep_their_readings() {
    let ended = State::Ended {
        ending: Ending::new(EndingKind::Unknown),
        at: Moment::new("that", Duration::from_secs(5)).into(),
    };
    let mut row = entry(create("AcmeCo")).attempted(ended);
    row.doubt_ended = Some(Moment::new("that", Duration::from_secs(5)).into());
    let asks = |row: &mut Entry, clock: u64, second| {
        let now = Moment::new(clock.to_string(), Duration::from_secs(second));
        let (written, decision) = claim(vec![row.clone()], &wants(create("Others")), &now);
        *row = written.into_iter().find(|it| it.id == row.id).unwrap_or(row.clone());
        decision.is_ok()
    };
    for second in [0, 30] {
        let granted = (0..100).filter(|clock| asks(&mut row, *clock, second)).count();
        assert_eq!(granted, if second == 0 { 0 } else { 100 });
    }
}
