//! Each rule, broken on purpose: each must be found, in worlds that are clean otherwise.

use super::search::explore;
use super::world::{Broken, World};
use super::worlds;

/// What is found first in each of the worlds of these titles.
fn finds(broken: Broken, titles: &[&str]) -> Vec<String> {
    let all = worlds::middle();
    let found = titles.iter().map(|title| {
        let world = all.iter().find(|world| world.title == *title).expect("a world of that title");
        let Err(found) = explore(World { broken, ..*world }) else {
            panic!("{broken:?} is not found in {title}");
        };
        found.violation
    });
    found.collect()
}

macro_rules! found {
    ($($test:ident: $broken:ident in $($title:literal: $violation:literal),+;)+) => {
        $(#[test]
        fn $test() {
            let found = finds(Broken::$broken, &[$($title),+]);
            for (found, expected) in found.iter().zip([$($violation),+]) {
                assert!(found.starts_with(expected), "{found}");
            }
        })+
    };
}

found! {
    attempt_of_lost_holder_is_found: NoFence in
        "two names, frozen": "a second portal in the org",
        "create and rename, frozen": "a second portal of one operation",
        "create twice, frozen": "told that it was there before";
    grant_beside_open_entry_is_found: NothingTaken in
        "two names, frozen": "a second portal in the org";
    late_attempt_is_found: NoTimer in
        "two names, frozen": "a second portal in the org",
        "rename twice, frozen": "somebody was told that nothing was done";
    own_baseline_is_found: OwnBaseline in
        "create twice, killed": "told that it was there before";
    end_by_unknown_is_found: UnknownEnds in
        "create twice, colleague": "told that nothing was done";
    unknown_org_taken_for_another_is_found: UnknownDiffers in
        "two credentials, killed": "a second portal in the org";
    unasked_ledger_is_found: NobodyAsked in
        "create twice, stopped": "somebody was told that nothing was done";
    hasty_rename_is_found: RenameHastens in
        "create and rename, replies": "a second portal of one operation";
    negative_of_lost_holder_is_found: LostHolderTells in
        "create twice, frozen": "somebody was told that nothing was done";
    ignored_key_is_found: KeyIgnored in
        "one key, killed": "told that nothing was done",
        "one key, colleague": "told that nothing was done";
    forgotten_rename_is_found: RenameForgotten in
        "key and rename, asked again": "told by a name that its portal no longer has";
}
