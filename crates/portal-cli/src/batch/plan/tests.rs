use std::time::Duration;

use portal_ledger::{
    About, AttemptEnd, Claim, ClaimRequest, Ending, EndingKind, EntryId, Filter, Ledger, Moment,
    Wanted,
};
use portal_model::flow::CreateIntent;
use portal_model::{ErrorCode, Org, OrgIdentity};

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
    Row { profile: profile.to_owned(), name: names.next().unwrap(), fallbacks: names.collect() }
}

impl World {
    fn new() -> Self {
        Self { ledger: Ledger::in_memory(), identity: identity("token", Some("7000")) }
    }

    /// Runs a row of `portals.csv` that tries its last name, which ends as `kind`; without one it is
    /// killed in mid-attempt.
    async fn run(&self, row: &Row, key: Option<String>, kind: Option<EndingKind>) {
        let now = Moment::new("boot", Duration::from_secs(100));
        let create = row.create();
        let tried = create.names().last().unwrap().clone();
        let id = EntryId::random().unwrap();
        let mut request = ClaimRequest::new(id, self.identity.clone(), Wanted::Do(create.into()));
        request.label = Some(row.profile.clone());
        request.key = key;
        request.policy.allow_another = true;
        request.about = About { file: Some("/portals.csv".to_owned()), ..About::default() };
        let claim = self.ledger.claim(&request, &now).await.unwrap();
        let Claim::Granted(mut permit) = claim else { panic!("{claim:?}") };
        permit.record(&CreateIntent::new(tried.clone()).into(), &now).await.unwrap();
        let Some(kind) = kind else { return std::mem::forget(permit) };
        permit.attempt_ended(AttemptEnd { at: now.clone(), in_doubt: kind == EndingKind::Unknown });
        let mut ending = Ending::new(kind);
        ending.name = Some(tried.to_string());
        ending.cause = (kind == EndingKind::NotDone).then(|| "NO_PERMISSION".to_owned());
        permit.end(&ending, &now).await.unwrap();
    }

    async fn plan(&self, rows: &[Row]) -> Plan {
        let entries = self.ledger.entries(&Filter::default()).await.unwrap();
        Plan::new(rows.to_vec(), &entries, |_| None)
    }

    /// The state of the only row of a file, in words.
    async fn state(&self, row: &Row) -> String {
        let state = self.plan(std::slice::from_ref(row)).await.states.remove(0);
        words(&state.in_org(&self.identity, false))
    }
}

fn words(state: &State) -> String {
    match state {
        State::Created(entry) => format!("created {}", entry.name()),
        State::Moved { entry, .. } => format!("moved {}", entry.name()),
        State::Dropped(entry) => format!("dropped {}", entry.name()),
        State::InDoubt(entry) => format!("in doubt {}", entry.name()),
        State::Exists { portal, is_known } => format!("exists {} {is_known}", portal.name),
        State::OrgHasPortal(portal) => format!("org has {}", portal.name),
        State::New(new) => format!("new {}", new.last.as_deref().unwrap_or("-")),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn row_is_its_profile_and_first_name_in_ledger() {
    let cases = [
        (None, "in doubt AcmeTwo"),
        (Some(EndingKind::Unknown), "in doubt AcmeTwo"),
        (Some(EndingKind::Created), "created AcmeTwo"),
        (Some(EndingKind::Appeared), "created AcmeTwo"),
        // A list decides again: it may be gone, or another one's.
        (Some(EndingKind::Present), "new -"),
        (Some(EndingKind::NotDone), "new NO_PERMISSION"),
    ];
    for (kind, expected) in cases {
        let world = World::new();
        let first = row("acme", &["AcmeOne", "AcmeTwo"]);
        world.run(&first, Some(first.key()), kind).await;
        assert_eq!(world.state(&first).await, expected, "{kind:?}");
        // The fallbacks are a parameter, and letters count in any case.
        let grown = row("acme", &["ACMEONE", "AcmeThree", "AcmeTwo"]);
        assert_eq!(world.state(&grown).await, expected, "{kind:?}");
        assert_eq!(world.state(&row("beta", &["AcmeOne", "AcmeTwo"])).await, "new -");
        assert_eq!(world.state(&row("acme", &["AcmeTwo", "AcmeOne"])).await, "new -");
    }
}

#[tokio::test]
async fn last_run_of_row_counts() {
    let world = World::new();
    let row = row("acme", &["AcmeOne"]);
    world.run(&row, Some(row.key()), Some(EndingKind::NotDone)).await;
    world.run(&row, Some(row.key()), Some(EndingKind::Created)).await;
    assert_eq!(world.state(&row).await, "created AcmeOne");
}

#[tokio::test]
async fn created_row_has_its_outcome_from_ledger() {
    for (kind, expected) in [(EndingKind::Created, "created"), (EndingKind::Appeared, "present")] {
        let world = World::new();
        let row = row("acme", &["AcmeOne", "AcmeTwo"]);
        world.run(&row, Some(row.key()), Some(kind)).await;
        let plan = world.plan(std::slice::from_ref(&row)).await;
        let outcome = plan.states[0].outcome(&row).unwrap();
        assert_eq!((outcome.kind().as_str(), outcome.name()), (expected, "AcmeTwo"));
        assert!(outcome.is_ours());
    }
}

#[tokio::test]
async fn fallback_that_was_dropped_blocks_row() {
    for kind in [None, Some(EndingKind::Unknown), Some(EndingKind::Created)] {
        let world = World::new();
        let first = row("acme", &["AcmeOne", "AcmeTwo"]);
        world.run(&first, Some(first.key()), kind).await;
        assert_eq!(world.state(&row("acme", &["AcmeOne"])).await, "dropped AcmeTwo", "{kind:?}");
    }
}

#[tokio::test]
async fn profile_of_another_org_blocks_row() {
    let moved = [
        (identity("token", Some("8000")), "moved AcmeOne", "moved AcmeOne"),
        // A new token of an org whose id nobody knows: whether it is the same org is not known.
        (identity("other", None), "created AcmeOne", "moved AcmeOne"),
        (identity("other", Some("7000")), "created AcmeOne", "in doubt AcmeOne"),
    ];
    for (identity, created, in_doubt) in moved {
        for (kind, expected) in [(EndingKind::Created, created), (EndingKind::Unknown, in_doubt)] {
            let mut world = World::new();
            let row = row("acme", &["AcmeOne"]);
            world.run(&row, Some(row.key()), Some(kind)).await;
            world.identity = identity.clone();
            assert_eq!(world.state(&row).await, expected, "{kind:?} {identity:?}");
        }
    }
    let world = World::new();
    let row = row("acme", &["AcmeOne"]);
    world.run(&row, Some(row.key()), Some(EndingKind::Unknown)).await;
    let state = world.plan(&[row]).await.states.remove(0);
    let unknown = identity("other", None);
    assert_eq!(
        words(&state.clone().in_org(&unknown, true)),
        "in doubt AcmeOne",
        "the user says so"
    );
    assert_eq!(words(&state.in_org(&identity("other", Some("8000")), true)), "moved AcmeOne");
}

#[tokio::test]
async fn create_without_key_goes_on_as_row_in_doubt_only() {
    let world = World::new();
    let row = row("acme", &["AcmeOne"]);
    world.run(&row, None, None).await;
    assert_eq!(world.state(&row).await, "in doubt AcmeOne");
    let elsewhere = World { identity: identity("other", Some("8000")), ..world };
    assert_eq!(elsewhere.state(&row).await, "new -");
    let world = World::new();
    world.run(&row, None, Some(EndingKind::Created)).await;
    let mut plan = world.plan(std::slice::from_ref(&row)).await;
    plan.list(0, &[Portal::new("AcmeOne")], false);
    assert_eq!(words(&plan.states[0]), "exists AcmeOne true");
}

#[tokio::test]
async fn rows_in_doubt_that_left_file_are_named() {
    let world = World::new();
    let rows: Vec<_> =
        ["one", "two", "three"].map(|profile| row(profile, &[&format!("Portal{profile}")])).into();
    for (row, kind) in rows.iter().zip([None, Some(EndingKind::Created), Some(EndingKind::Unknown)])
    {
        world.run(row, Some(row.key()), kind).await;
    }
    let single = row("one", &["SinglePortal"]);
    world.run(&single, Some("signup 1".to_owned()), None).await;
    let dropped = |plan: Plan| -> Vec<String> {
        plan.dropped.iter().map(|entry| entry.name().to_owned()).collect()
    };
    // Sorted, shrunk and grown: rows are found all the same.
    let other = row("one", &["OtherPortal"]);
    let plan = world.plan(&[rows[1].clone(), other, rows[0].clone()]).await;
    let states: Vec<_> = plan.states.iter().map(words).collect();
    assert_eq!(states, ["created Portaltwo", "new -", "in doubt Portalone"]);
    assert_eq!(plan.left().map(|(index, _)| index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(dropped(plan), ["Portalthree"]);
    assert_eq!(dropped(world.plan(&rows).await), [""; 0]);
}

#[test]
fn list_decides_what_ledger_does_not() {
    let listed = [Portal::new("OtherPortal"), Portal::new("acmetwo")];
    let state = |names: &[&str], listed: &[Portal], allow_another| {
        let mut plan = Plan::new(vec![row("acme", names)], &[], |_| None);
        plan.list(0, listed, allow_another);
        words(&plan.states[0])
    };
    assert_eq!(state(&["AcmeOne", "AcmeTwo"], &listed, true), "exists acmetwo false");
    assert_eq!(state(&["AcmeOne"], &listed, false), "org has OtherPortal");
    assert_eq!(state(&["AcmeOne"], &listed, true), "new -");
    assert_eq!(state(&["AcmeOne"], &[], false), "new -");
    let new = || State::New(New::default());
    let unchecked = new().unchecked("no connection");
    assert!(unchecked.may_be_sent() && unchecked != new());
    let error = ApiError::new(403, ErrorCode::NoPermission, "");
    assert!(!unchecked.without_permission(&error).may_be_sent());
}
