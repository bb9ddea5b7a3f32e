use std::time::Duration;

use portal_ledger::{
    About, AttemptEnd, ClaimRequest, Ending, EndingKind, EntryId, Filter, Ledger, Moment, Wanted,
};
use portal_model::flow::Intent;
use portal_model::{CreateOperation, ErrorCode, Org, OrgIdentity, RenameOperation};

use super::*;

/// A ledger, and what is known of where the profile `acme` leads.
struct World {
    ledger: Ledger,
    identity: OrgIdentity,
}

fn identity(credential: &str, id: Option<&str>) -> OrgIdentity {
    OrgIdentity::new("https://www.zohoapis.eu", credential).with_org(id.map(Org::new))
}

fn row(profile: &str, names: &[&str]) -> Row {
    let mut names = names.iter().map(|name| name.parse().unwrap());
    let create = CreateOperation::new(names.next().unwrap()).with_fallbacks(names);
    Row::new(profile.to_owned(), create)
}

impl World {
    fn new() -> Self {
        Self { ledger: Ledger::in_memory(), identity: identity("token", Some("7000")) }
    }

    /// Runs a row of `portals.csv` that tries its last name, which ends as `kind`; without one it is
    /// killed in mid-attempt.
    async fn run(&self, row: &Row, key: Option<String>, kind: Option<EndingKind>) {
        let now = Moment::new("boot", Duration::from_secs(100));
        let create = row.create.clone();
        let tried = create.names().last().unwrap().clone();
        let id = EntryId::random().unwrap();
        let mut request = ClaimRequest::new(id, self.identity.clone(), Wanted::Do(create.into()));
        request.label = Some(row.profile.clone());
        request.key = key;
        request.policy.allow_another = true;
        request.about = About { file: Some("/portals.csv".to_owned()), ..About::default() };
        let claim = self.ledger.claim(&request, &now).await.unwrap();
        let Ok(mut permit) = claim else { panic!("{claim:?}") };
        permit.record(&Intent::create(tried.clone()), &now).await.unwrap();
        let Some(kind) = kind else { return std::mem::forget(permit) };
        permit.attempt_ended(AttemptEnd::new(now.clone(), kind == EndingKind::Unknown));
        let mut ending = Ending::new(kind);
        ending.name = Some(tried.to_string());
        ending.cause = (kind == EndingKind::NotDone).then(|| "NO_PERMISSION".to_owned());
        permit.end(&ending, &now).await.unwrap();
    }

    /// Renames a portal once every create is listed.
    async fn rename(&self, old: &str, new: &str) {
        let now = Moment::new("boot", Duration::from_secs(10_000));
        let rename = RenameOperation::new(old, new.parse().unwrap());
        let id = EntryId::random().unwrap();
        let request = ClaimRequest::new(id, self.identity.clone(), Wanted::Do(rename.into()));
        let claim = self.ledger.claim(&request, &now).await.unwrap();
        let Ok(permit) = claim else { panic!("{claim:?}") };
        permit.end(&Ending::new(EndingKind::Renamed), &now).await.unwrap();
    }

    async fn plan(&self, rows: &[Row]) -> Plan {
        let entries = self.ledger.entries(&Filter::default()).await.unwrap();
        Plan::new(rows.to_vec(), entries, |_| Some(self.identity.clone()))
    }

    /// The state of the only row of a file, in words.
    async fn state(&self, row: &Row) -> String {
        let mut plan = self.plan(std::slice::from_ref(row)).await;
        plan.complete(0, &seen(&self.identity), false, false);
        words(&plan.rows[0])
    }
}

/// An org without a portal.
fn seen(identity: &OrgIdentity) -> Seen {
    Seen { identity: Some(identity.clone()), ..Seen::default() }
}

fn words(row: &Row) -> String {
    match (&row.state, row.outcome()) {
        (State::Left { note }, _) => format!("left {}", note.as_deref().unwrap_or("-")),
        (State::Unchecked(why), _) => format!("unchecked {}", why.report.message),
        (State::InDoubt(entry), _) => format!("in doubt {}", entry.name()),
        (State::Earlier(outcome), _) => format!("earlier {}", outcome.name()),
        (State::Ended(_), Some(Outcome::Unknown { name, why, .. })) => {
            format!("in doubt {name}, {}", conflict(&why.to_string()))
        }
        (
            State::Ended(_),
            Some(Outcome::NotCreated { why: NotDone::Conflict { name, conflict: it }, .. }),
        ) => {
            format!("created {name}, {}", conflict(&it.to_string()))
        }
        (State::Ended(outcome), _) => format!("{} {}", outcome.kind(), outcome.name()),
    }
}

fn conflict(text: &str) -> &'static str {
    if text.contains("label") { "moved" } else { "dropped" }
}

#[tokio::test]
async fn row_is_its_profile_and_first_name_in_ledger() {
    let cases = [
        (None, "in doubt AcmeTwo"),
        (Some(EndingKind::Unknown), "in doubt AcmeTwo"),
        (Some(EndingKind::Created), "earlier AcmeTwo"),
        (Some(EndingKind::Appeared), "earlier AcmeTwo"),
        // A list decides again: it may be gone, or another one's.
        (Some(EndingKind::Present), "left -"),
        (Some(EndingKind::NotDone), "left NO_PERMISSION"),
    ];
    for (kind, expected) in cases {
        let world = World::new();
        let first = row("acme", &["AcmeOne", "AcmeTwo"]);
        world.run(&first, Some(first.key.clone()), kind).await;
        assert_eq!(world.state(&first).await, expected, "{kind:?}");
        // The fallbacks are a parameter, and letters count in any case.
        let grown = row("acme", &["ACMEONE", "AcmeThree", "AcmeTwo"]);
        assert_eq!(world.state(&grown).await, expected, "{kind:?}");
        // The org counts as well: the profile may have another name since.
        assert_eq!(world.state(&row("beta", &["AcmeOne", "AcmeTwo"])).await, expected, "{kind:?}");
        let elsewhere =
            World { identity: identity("other", Some("8000")), ledger: world.ledger.clone() };
        assert_eq!(elsewhere.state(&row("beta", &["AcmeOne", "AcmeTwo"])).await, "left -");
        assert_eq!(world.state(&row("acme", &["AcmeTwo", "AcmeOne"])).await, "left -");
    }
}

#[tokio::test]
async fn last_run_of_row_counts() {
    let world = World::new();
    let row = row("acme", &["AcmeOne"]);
    world.run(&row, Some(row.key.clone()), Some(EndingKind::NotDone)).await;
    world.run(&row, Some(row.key.clone()), Some(EndingKind::Created)).await;
    assert_eq!(world.state(&row).await, "earlier AcmeOne");
}

#[tokio::test]
async fn created_row_has_its_outcome_from_ledger() {
    for (kind, expected) in [(EndingKind::Created, "created"), (EndingKind::Appeared, "present")] {
        let world = World::new();
        let row = row("acme", &["AcmeOne", "AcmeTwo"]);
        world.run(&row, Some(row.key.clone()), Some(kind)).await;
        let plan = world.plan(std::slice::from_ref(&row)).await;
        let outcome = plan.rows[0].outcome().unwrap();
        assert_eq!((outcome.kind().as_str(), outcome.name()), (expected, "AcmeTwo"));
        assert!(outcome.is_ours());
    }
}

#[tokio::test]
async fn fallback_that_was_dropped_blocks_row() {
    for (kind, expected) in [
        (None, "in doubt AcmeTwo, dropped"),
        (Some(EndingKind::Unknown), "in doubt AcmeTwo, dropped"),
        (Some(EndingKind::Created), "created AcmeTwo, dropped"),
    ] {
        let world = World::new();
        let first = row("acme", &["AcmeOne", "AcmeTwo"]);
        world.run(&first, Some(first.key.clone()), kind).await;
        assert_eq!(world.state(&row("acme", &["AcmeOne"])).await, expected, "{kind:?}");
    }
}

#[tokio::test]
async fn profile_that_states_another_org_blocks_row() {
    for (kind, expected) in [
        (EndingKind::Created, "created AcmeOne, moved"),
        (EndingKind::Unknown, "in doubt AcmeOne, moved"),
        (EndingKind::NotDone, "left NO_PERMISSION"),
    ] {
        let world = World::new();
        let row = row("acme", &["AcmeOne"]);
        world.run(&row, Some(row.key.clone()), Some(kind)).await;
        let entries = world.ledger.entries(&Filter::default()).await.unwrap();
        let plan = |org: OrgIdentity| {
            let plan = Plan::new(vec![row.clone()], entries.clone(), |_| Some(org.clone()));
            words(&plan.rows[0])
        };
        assert_eq!(plan(identity("other", Some("8000"))), expected);
        assert!(!plan(identity("token", Some("7000"))).contains("moved"));
    }
}

#[tokio::test]
async fn created_row_has_the_name_of_its_portal_by_now() {
    let world = World::new();
    let own = row("acme", &["AcmeOne"]);
    world.run(&own, Some(own.key.clone()), Some(EndingKind::Created)).await;
    world.rename("AcmeOne", "AcmeTwo").await;
    world.rename("acmetwo", "AcmeThree").await;
    assert_eq!(world.state(&own).await, "earlier AcmeThree");
    assert_eq!(world.state(&row("beta", &["AcmeOne"])).await, "earlier AcmeThree");
}

#[tokio::test]
async fn created_row_is_created_only_where_profile_leads_now() {
    let elsewhere = OrgIdentity::new("http://127.0.0.1:2", "other");
    let cases = [
        (identity("token", None), "earlier AcmeOne", "earlier AcmeOne"),
        (identity("other", Some("7000")), "earlier AcmeOne", "earlier AcmeOne"),
        (identity("other", None), "left -", "created AcmeOne, moved"),
        (elsewhere, "left -", "created AcmeOne, moved"),
    ];
    for (now, before, after) in cases {
        let world = World::new();
        let row = row("acme", &["AcmeOne"]);
        world.run(&row, Some(row.key.clone()), Some(EndingKind::Created)).await;
        let entries = world.ledger.entries(&Filter::default()).await.unwrap();
        let mut plan = Plan::new(vec![row], entries, |_| Some(now.clone()));
        assert_eq!(words(&plan.rows[0]), before, "{now:?}");
        plan.complete(0, &seen(&now), false, false);
        assert_eq!(words(&plan.rows[0]), after, "{now:?}");
    }
}

#[tokio::test]
async fn row_in_doubt_is_not_sent_to_what_may_be_another_org() {
    let cases = [
        (identity("token", Some("8000")), "in doubt AcmeOne, moved", "in doubt AcmeOne, moved"),
        // A new token of an org whose id nobody knows: whether it is the same org, the user may say.
        (identity("other", None), "in doubt AcmeOne, moved", "in doubt AcmeOne"),
        (identity("other", Some("7000")), "in doubt AcmeOne", "in doubt AcmeOne"),
    ];
    for (identity, expected, same) in cases {
        let world = World::new();
        let row = row("acme", &["AcmeOne"]);
        world.run(&row, Some(row.key.clone()), Some(EndingKind::Unknown)).await;
        for (same_org, expected) in [(false, expected), (true, same)] {
            let mut plan = world.plan(std::slice::from_ref(&row)).await;
            plan.complete(0, &seen(&identity), false, same_org);
            assert_eq!(words(&plan.rows[0]), expected, "{identity:?} {same_org}");
        }
    }
}

#[tokio::test]
async fn create_without_key_goes_on_as_row_in_doubt_only() {
    let world = World::new();
    let row = row("acme", &["AcmeOne"]);
    world.run(&row, None, None).await;
    assert_eq!(world.state(&row).await, "in doubt AcmeOne");
    let elsewhere = World { identity: identity("other", Some("8000")), ..world };
    assert_eq!(elsewhere.state(&row).await, "left -");
    let world = World::new();
    world.run(&row, None, Some(EndingKind::Created)).await;
    let mut plan = world.plan(std::slice::from_ref(&row)).await;
    let portals = vec![Portal::new("AcmeOne")];
    plan.complete(0, &Seen { portals, ..Seen::default() }, false, false);
    assert_eq!((words(&plan.rows[0]).as_str(), plan.foreign), ("present AcmeOne", 0));
}

#[tokio::test]
async fn rows_in_doubt_that_left_file_are_named() {
    let world = World::new();
    let rows: Vec<_> =
        ["one", "two", "three"].map(|profile| row(profile, &[&format!("Portal{profile}")])).into();
    for (row, kind) in rows.iter().zip([None, Some(EndingKind::Created), Some(EndingKind::Unknown)])
    {
        world.run(row, Some(row.key.clone()), kind).await;
    }
    let single = row("one", &["SinglePortal"]);
    world.run(&single, Some("signup 1".to_owned()), None).await;
    let dropped = |plan: Plan| -> Vec<String> {
        plan.dropped().map(|entry| entry.name().to_owned()).collect()
    };
    // Sorted, shrunk and grown: rows are found all the same.
    let other = row("one", &["OtherPortal"]);
    let plan = world.plan(&[rows[1].clone(), other, rows[0].clone()]).await;
    let states: Vec<_> = plan.rows.iter().map(words).collect();
    assert_eq!(states, ["earlier Portaltwo", "left -", "in doubt Portalone"]);
    assert_eq!(plan.left().map(|(index, _)| index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(dropped(plan), ["Portalthree"]);
    assert_eq!(dropped(world.plan(&rows).await), [""; 0]);
}

/// Rule 11: another credential of what may be the org, or a fallback of another create.
#[tokio::test]
async fn list_decides_nothing_of_what_is_in_doubt() {
    let wanted = row("acme", &["AcmeOne"]);
    let cases = [
        (identity("other", None), row("other", &["AcmeOne"])),
        (identity("token", Some("7000")), row("single", &["AcmeTwo", "AcmeOne"])),
    ];
    for (identity, other) in cases {
        let world = World { identity: identity.clone(), ..World::new() };
        world.run(&other, None, None).await;
        let now = self::identity("token", identity.org().map(|org| org.id.as_str()));
        let elsewhere = self::identity("elsewhere", Some("8000"));
        let list = async |now: &OrgIdentity, portal: &str| {
            let mut plan = world.plan(std::slice::from_ref(&wanted)).await;
            let seen = Seen { portals: vec![Portal::new(portal)], ..seen(now) };
            plan.complete(0, &seen, false, false);
            words(&plan.rows[0])
        };
        assert_eq!(list(&now, "FooPortal").await, "in doubt AcmeOne");
        assert_eq!(list(&now, "AcmeOne").await, "present AcmeOne");
        let mut plan = world.plan(std::slice::from_ref(&wanted)).await;
        plan.complete(0, &Seen { rejection: Some(rejection()), ..seen(&now) }, false, false);
        assert_eq!(words(&plan.rows[0]), "in doubt AcmeOne");
        if identity.org().is_some() {
            assert_eq!(list(&elsewhere, "FooPortal").await, "org_has_portal AcmeOne");
        }
    }
}

fn rejection() -> ApiError {
    ApiError::new(403, ErrorCode::NoPermission, "")
}

#[test]
fn list_decides_what_ledger_does_not() {
    let listed = [Portal::new("OtherPortal"), Portal::new("acmetwo")];
    let plan = |names: &[&str], seen: Seen, allow_another| {
        let mut plan = Plan::new(vec![row("acme", names)], Vec::new(), |_| None);
        plan.complete(0, &seen, allow_another, false);
        plan
    };
    let list = |names: &[&str], listed: &[Portal], allow_another| {
        let plan = plan(names, Seen { portals: listed.to_vec(), ..Seen::default() }, allow_another);
        (words(&plan.rows[0]), plan.foreign)
    };
    let state = |text: &str, foreign| (text.to_owned(), foreign);
    assert_eq!(list(&["AcmeOne", "AcmeTwo"], &listed, true), state("present acmetwo", 1));
    assert_eq!(list(&["AcmeOne"], &listed, false), state("org_has_portal AcmeOne", 0));
    assert_eq!(list(&["AcmeOne"], &listed, true), state("left -", 0));
    assert_eq!(list(&["AcmeOne"], &[], false), state("left -", 0));
    let unchecked =
        Seen { unchecked: Some(Failure::forbidden("no connection")), ..Seen::default() };
    let unchecked = plan(&["AcmeOne"], unchecked, false);
    assert_eq!(words(&unchecked.rows[0]), "unchecked no connection");
    assert!(unchecked.rows[0].is_left() && unchecked.rows[0].outcome().is_none());
    let rejected = Seen { rejection: Some(rejection()), ..Seen::default() };
    let rejected = plan(&["AcmeOne"], rejected, false);
    assert_eq!(words(&rejected.rows[0]), "rejected AcmeOne");
    assert_eq!(rejected.left().count(), 0);
}

#[tokio::test]
async fn row_in_doubt_by_another_operation_has_its_own_name() {
    let world = World::new();
    let doubt = row("single", &["AcmeTwo", "AcmeOne", "AcmeSix"]);
    world.run(&doubt, None, None).await;
    let wanted = row("acme", &["AcmeOne"]);
    let mut plan = world.plan(std::slice::from_ref(&wanted)).await;
    let other = Seen { portals: vec![Portal::new("FooPortal")], ..seen(&world.identity) };
    plan.complete(0, &other, false, false);
    assert!(matches!(&plan.rows[0].state, State::InDoubt(entry) if entry.name() == "AcmeSix"));
    assert_eq!(plan.rows[0].outcome().unwrap().name(), "AcmeOne");
}
