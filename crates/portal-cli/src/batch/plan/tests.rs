use std::time::Duration;

use portal_http::client::Credential;
use portal_ledger::{About, AttemptEnd, Clock, Ending, EndingKind};
use portal_model::flow::{Intent, Policy};
use portal_model::{
    ApiError, ApiVersion, CreateOperation, ErrorCode, Org as OrgId, Portal, RenameOperation,
};

use super::*;
use crate::org::target::{Hosts, Target};
use crate::report::place::Place;

/// A ledger, and where every profile leads.
struct World {
    ledger: Ledger,
    target: Target,
    allow_another: bool,
}

/// A credential of an org whose id is known, or not.
fn target(credential: &str, id: Option<&str>) -> Target {
    Target {
        place: Place::Profile("acme".to_owned()),
        hosts: Hosts::at(
            "https://www.zohoapis.eu".to_owned(),
            "https://accounts.zoho.eu".to_owned(),
        ),
        credential: Credential::refresh_token("id", "secret".to_owned(), credential.to_owned()),
        org: id.map(OrgId::new),
        version: ApiVersion::default(),
        ca_file: None,
        server: None,
    }
}

fn row(profile: &str, names: &[&str]) -> Row {
    let mut names = names.iter().map(|name| name.parse().unwrap());
    let create = CreateOperation::new(names.next().unwrap()).with_fallbacks(names);
    Row::new(profile.to_owned(), create)
}

impl World {
    fn new() -> Self {
        Self::of("token", Some("7000"))
    }

    fn of(credential: &str, id: Option<&str>) -> Self {
        Self { ledger: Ledger::in_memory(), target: target(credential, id), allow_another: false }
    }

    /// The same ledger, by other credentials.
    fn with(&self, credential: &str, id: Option<&str>) -> Self {
        Self { ledger: self.ledger.clone(), ..Self::of(credential, id) }
    }

    /// Runs a row of `portals.csv` that tries its last name, which ends as `kind`; without one it is
    /// killed in mid-attempt.
    async fn run(&self, row: &Row, key: Option<String>, kind: Option<EndingKind>) {
        let now = Clock::system().now();
        let create = row.create.clone();
        let tried = create.names().last().unwrap().clone();
        let id = EntryId::random().unwrap();
        let mut request = ClaimRequest::new(id, self.target.identity(), Wanted::Do(create.into()));
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

    async fn run_row(&self, row: &Row, kind: Option<EndingKind>) {
        self.run(row, Some(row.key.clone()), kind).await;
    }

    /// Renames a portal once every create is listed.
    async fn rename(&self, old: &str, new: &str) {
        let now = Clock::system().now().plus(Duration::from_secs(10_000));
        let rename = RenameOperation::new(old, new.parse().unwrap());
        let id = EntryId::random().unwrap();
        let request = ClaimRequest::new(id, self.target.identity(), Wanted::Do(rename.into()));
        let claim = self.ledger.claim(&request, &now).await.unwrap();
        let Ok(permit) = claim else { panic!("{claim:?}") };
        let mut ending = Ending::new(EndingKind::Renamed);
        ending.name = Some(new.to_owned());
        permit.end(&ending, &now).await.unwrap();
    }

    /// The plan before any org is looked at.
    async fn plan(&self, rows: &[Row], is_same_org: bool) -> Plan {
        let org = |row| {
            let mut policy = Policy::batch();
            policy.allow_another = self.allow_another;
            let client = self.target.client(policy).unwrap();
            let safe = self.target.safe(client, &self.ledger, None);
            Org { target: self.target.clone(), safe, seen: Seen::default(), rows: vec![row] }
        };
        let orgs = (0..rows.len()).map(org).collect();
        Plan::new(rows.to_vec(), orgs, self.ledger.clone(), is_same_org, false).await.unwrap()
    }

    /// An org with these portals.
    fn shows(&self, portals: &[&str]) -> Seen {
        let portals = Some(portals.iter().map(|name| Portal::new(*name)).collect());
        Seen { identity: Some(self.target.identity()), portals, ..Seen::default() }
    }

    /// The plan of a row once its org showed that.
    async fn looked(&self, row: &Row, is_same_org: bool, seen: Seen) -> Plan {
        let mut plan = self.plan(std::slice::from_ref(row), is_same_org).await;
        if let [org] = plan.orgs.as_mut_slice() {
            org.seen = seen;
        }
        plan.ask().await.unwrap();
        plan
    }

    /// The state of the only row of a file, whose org has no portal, in words.
    async fn state(&self, row: &Row) -> String {
        words(&self.looked(row, false, self.shows(&[])).await.rows[0])
    }

    /// The same before its org is looked at.
    async fn known(&self, row: &Row) -> String {
        words(&self.plan(std::slice::from_ref(row), false).await.rows[0])
    }
}

fn words(row: &Row) -> String {
    match (&row.state, row.outcome()) {
        (State::Left { note }, _) => format!("left {}", note.as_deref().unwrap_or("-")),
        (State::Unchecked(why), _) => format!("unchecked {}", why.report.message),
        (State::Known(outcome), _) if row.is_in_doubt() => format!("in doubt {}", outcome.name()),
        (State::Known(outcome), _) if outcome.is_ours() => format!("earlier {}", outcome.name()),
        (_, Some(Outcome::Unknown { name, why, .. })) => {
            format!("in doubt {name}, {}", conflict(&why.to_string()))
        }
        (_, Some(Outcome::NotCreated { why: NotDone::Conflict { name, conflict: it }, .. })) => {
            format!("created {name}, {}", conflict(&it.to_string()))
        }
        (_, outcome) => {
            let outcome = outcome.unwrap();
            format!("{} {}", outcome.kind(), outcome.name())
        }
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
        (Some(EndingKind::Present), "present AcmeTwo"),
        (Some(EndingKind::NotDone), "left NO_PERMISSION"),
    ];
    for (kind, expected) in cases {
        let world = World::new();
        let first = row("acme", &["AcmeOne", "AcmeTwo"]);
        world.run_row(&first, kind).await;
        assert_eq!(world.state(&first).await, expected, "{kind:?}");
        // The fallbacks are a parameter, and letters count in any case.
        let grown = row("acme", &["ACMEONE", "AcmeThree", "AcmeTwo"]);
        assert_eq!(world.state(&grown).await, expected, "{kind:?}");
        // What another profile of the org did is for the list to show, once nothing is in doubt.
        let other = row("beta", &["AcmeOne", "AcmeTwo"]);
        let expected = expected.replace("earlier", "present").replace("NO_PERMISSION", "-");
        let is_there = kind != Some(EndingKind::Present);
        let expected = if is_there { expected } else { "left -".to_owned() };
        assert_eq!(world.state(&other).await, expected, "{kind:?}");
        assert_eq!(world.with("other", Some("8000")).state(&other).await, "left -");
    }
}

#[tokio::test]
async fn last_run_of_row_counts() {
    let world = World::new();
    let row = row("acme", &["AcmeOne"]);
    world.run_row(&row, Some(EndingKind::NotDone)).await;
    world.run_row(&row, Some(EndingKind::Created)).await;
    assert_eq!(world.state(&row).await, "earlier AcmeOne");
}

#[tokio::test]
async fn created_row_has_its_outcome_from_ledger() {
    for (kind, expected) in [(EndingKind::Created, "created"), (EndingKind::Appeared, "present")] {
        let world = World::new();
        let row = row("acme", &["AcmeOne", "AcmeTwo"]);
        world.run_row(&row, Some(kind)).await;
        let plan = world.plan(std::slice::from_ref(&row), false).await;
        let outcome = plan.rows[0].outcome().unwrap();
        assert_eq!((outcome.kind().as_str(), outcome.name()), (expected, "AcmeTwo"));
        assert!(outcome.is_ours());
    }
}

#[tokio::test]
async fn fallback_that_was_dropped_blocks_row() {
    for (kind, expected) in [
        // Its holder may still create it.
        (None, "in doubt AcmeOne"),
        (Some(EndingKind::Unknown), "in doubt AcmeTwo, dropped"),
        (Some(EndingKind::Created), "created AcmeTwo, dropped"),
    ] {
        let world = World::new();
        let first = row("acme", &["AcmeOne", "AcmeTwo"]);
        world.run_row(&first, kind).await;
        assert_eq!(world.state(&row("acme", &["AcmeOne"])).await, expected, "{kind:?}");
    }
}

#[tokio::test]
async fn profile_that_states_another_org_blocks_row() {
    for (kind, expected) in [
        (EndingKind::Created, "created AcmeOne, moved"),
        (EndingKind::Unknown, "in doubt AcmeOne, moved"),
        (EndingKind::NotDone, "left -"),
    ] {
        let world = World::new();
        let row = row("acme", &["AcmeOne"]);
        world.run_row(&row, Some(kind)).await;
        assert_eq!(world.with("other", Some("8000")).known(&row).await, expected);
        assert!(!world.known(&row).await.contains("moved"));
    }
}

#[tokio::test]
async fn created_row_has_the_name_of_its_portal_by_now() {
    let world = World::new();
    let own = row("acme", &["AcmeOne"]);
    world.run_row(&own, Some(EndingKind::Created)).await;
    world.rename("AcmeOne", "AcmeTwo").await;
    world.rename("acmetwo", "AcmeThree").await;
    assert_eq!(world.state(&own).await, "earlier AcmeThree");
    // As a create by itself has it: the name is free again.
    assert_eq!(world.state(&row("beta", &["AcmeOne"])).await, "left -");
}

#[tokio::test]
async fn created_row_is_created_only_where_profile_leads_now() {
    let mut elsewhere = target("other", None);
    elsewhere.hosts = Hosts::at("http://127.0.0.1:2".to_owned(), "http://127.0.0.1:2".to_owned());
    let cases = [
        (target("token", None), "earlier AcmeOne", "earlier AcmeOne"),
        (target("other", Some("7000")), "earlier AcmeOne", "earlier AcmeOne"),
        (target("other", None), "left -", "created AcmeOne, moved"),
        // Another API has nothing of it.
        (elsewhere, "left -", "left -"),
    ];
    for (now, before, after) in cases {
        let world = World::new();
        let row = row("acme", &["AcmeOne"]);
        world.run_row(&row, Some(EndingKind::Created)).await;
        let world = World { target: now, ..world };
        assert_eq!(world.known(&row).await, before, "{:?}", world.target);
        assert_eq!(world.state(&row).await, after, "{:?}", world.target);
    }
}

#[tokio::test]
async fn row_in_doubt_is_not_sent_to_what_may_be_another_org() {
    let cases = [
        ("token", Some("8000"), "in doubt AcmeOne, moved", "in doubt AcmeOne, moved"),
        // A new token of an org whose id nobody knows: whether it is the same org, the user may say.
        ("other", None, "in doubt AcmeOne, moved", "in doubt AcmeOne"),
        ("other", Some("7000"), "in doubt AcmeOne", "in doubt AcmeOne"),
    ];
    for (credential, id, expected, same) in cases {
        let world = World::new();
        let row = row("acme", &["AcmeOne"]);
        world.run_row(&row, Some(EndingKind::Unknown)).await;
        let world = world.with(credential, id);
        for (is_same_org, expected) in [(false, expected), (true, same)] {
            let plan = world.looked(&row, is_same_org, world.shows(&[])).await;
            assert_eq!(words(&plan.rows[0]), expected, "{credential} {id:?} {is_same_org}");
        }
    }
}

#[tokio::test]
async fn create_without_key_goes_on_as_row_in_doubt_only() {
    let world = World::new();
    let row = row("acme", &["AcmeOne"]);
    world.run(&row, None, None).await;
    assert_eq!(world.state(&row).await, "in doubt AcmeOne");
    assert_eq!(world.with("other", Some("8000")).state(&row).await, "in doubt AcmeOne, moved");
    let world = World::new();
    world.run(&row, None, Some(EndingKind::Created)).await;
    let plan = world.looked(&row, false, world.shows(&["AcmeOne"])).await;
    assert_eq!((words(&plan.rows[0]).as_str(), plan.foreign()), ("present AcmeOne", 0));
}

#[tokio::test]
async fn rows_in_doubt_that_left_file_are_named() {
    let world = World::new();
    let rows: Vec<_> =
        ["one", "two", "three"].map(|profile| row(profile, &[&format!("Portal{profile}")])).into();
    for (row, kind) in rows.iter().zip([None, Some(EndingKind::Created), Some(EndingKind::Unknown)])
    {
        world.run_row(row, kind).await;
    }
    let single = row("one", &["SinglePortal"]);
    world.run(&single, Some("signup 1".to_owned()), None).await;
    let dropped = |plan: Plan| -> Vec<String> {
        plan.dropped().map(|entry| entry.name().to_owned()).collect()
    };
    // Sorted, shrunk and grown: rows are found all the same.
    let other = row("one", &["OtherPortal"]);
    let plan = world.plan(&[rows[1].clone(), other, rows[0].clone()], false).await;
    let states: Vec<_> = plan.rows.iter().map(words).collect();
    assert_eq!(states, ["earlier Portaltwo", "left -", "in doubt Portalone"]);
    assert_eq!(plan.left().map(|(index, _)| index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(dropped(plan), ["Portalthree"]);
    assert_eq!(dropped(world.plan(&rows, false).await), [""; 0]);
}

/// Rule 11: another credential of what may be the org, or a fallback of another create.
#[tokio::test]
async fn list_decides_nothing_of_what_is_in_doubt() {
    let wanted = row("acme", &["AcmeOne"]);
    let cases = [
        ("other", None, row("other", &["AcmeOne"]), "in doubt AcmeOne"),
        ("token", Some("7000"), row("single", &["AcmeTwo", "AcmeOne"]), "present AcmeOne"),
    ];
    for (credential, id, other, present) in cases {
        let world = World::of(credential, id);
        world.run(&other, None, None).await;
        let world = world.with("token", id);
        let list = async |world: &World, portal: &str| {
            words(&world.looked(&wanted, false, world.shows(&[portal])).await.rows[0])
        };
        assert_eq!(list(&world, "FooPortal").await, "in doubt AcmeOne");
        assert_eq!(list(&world, "AcmeOne").await, present);
        let rejected = Seen { rejection: Some(rejection()), ..world.shows(&[]) };
        let plan = world.looked(&wanted, false, rejected).await;
        assert_eq!(words(&plan.rows[0]), "in doubt AcmeOne");
        if id.is_some() {
            let elsewhere = world.with("elsewhere", Some("8000"));
            assert_eq!(list(&elsewhere, "FooPortal").await, "org_has_portal AcmeOne");
        }
    }
}

fn rejection() -> ApiError {
    ApiError::new(403, ErrorCode::NoPermission, "")
}

#[tokio::test]
async fn list_decides_what_ledger_does_not() {
    let world = World::new();
    let list = async |names: &[&str], listed: &[&str], allow_another| {
        let world = World { allow_another, ..World::new() };
        let plan = world.looked(&row("acme", names), false, world.shows(listed)).await;
        (words(&plan.rows[0]), plan.foreign())
    };
    let listed = ["OtherPortal", "acmetwo"];
    let state = |text: &str, foreign| (text.to_owned(), foreign);
    assert_eq!(list(&["AcmeOne", "AcmeTwo"], &listed, true).await, state("present acmetwo", 1));
    assert_eq!(list(&["AcmeOne"], &listed, false).await, state("org_has_portal AcmeOne", 0));
    assert_eq!(list(&["AcmeOne"], &listed, true).await, state("left -", 0));
    assert_eq!(list(&["AcmeOne"], &[], false).await, state("left -", 0));
    let acme = row("acme", &["AcmeOne"]);
    let unchecked = Some(Failure::forbidden("no connection"));
    let unchecked = world.looked(&acme, false, Seen { unchecked, ..Seen::default() }).await;
    assert_eq!(words(&unchecked.rows[0]), "unchecked no connection");
    assert!(unchecked.rows[0].is_left() && unchecked.rows[0].outcome().is_none());
    let rejected = Seen { rejection: Some(rejection()), ..world.shows(&[]) };
    let rejected = world.looked(&acme, false, rejected).await;
    assert_eq!(words(&rejected.rows[0]), "rejected AcmeOne");
    assert_eq!(rejected.left().count(), 0);
}

#[tokio::test]
async fn row_in_doubt_by_another_operation_has_its_own_name() {
    let world = World::new();
    let doubt = row("single", &["AcmeTwo", "AcmeOne", "AcmeSix"]);
    world.run(&doubt, None, None).await;
    let wanted = row("acme", &["AcmeOne"]);
    let plan = world.looked(&wanted, false, world.shows(&["FooPortal"])).await;
    assert_eq!(words(&plan.rows[0]), "in doubt AcmeOne");
}
