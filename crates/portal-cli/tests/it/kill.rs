//! Creates and renames that are killed at a random moment and run again: one portal, and a truthful
//! word.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::orgs::{Org, Orgs};
use crate::support::{AT_ONCE, at_kill_points, kill_points, random_share};

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Create,
    /// The first name belongs to another org.
    Fallback,
    Rename,
}

const TAKEN: &str = "TakenPortal";

impl Kind {
    /// The command for the org `name`, and the only portal that the org has in the end.
    fn command(self, name: &str) -> (Vec<String>, String) {
        let portal = format!("{name}Portal");
        let own: &[&str] = match self {
            Self::Create => &["create", &portal],
            Self::Fallback => &["create", TAKEN, "--fallback", &portal],
            Self::Rename => &["rename", &format!("{name}Old"), &portal],
        };
        let all = [
            own,
            &[
                "--output",
                "json",
                "--profile",
                name,
                "--processing-time",
                "50ms",
                "--timeout",
                "1s",
            ],
        ];
        (all.concat().into_iter().map(str::to_owned).collect(), portal)
    }

    /// Whether that can be said after the first run was killed.
    fn is_truthful(self, object: &Value) -> bool {
        let outcome = object["outcome"].as_str().unwrap();
        match self {
            // It was created by the first run or by the second.
            Self::Create | Self::Fallback => ["created", "present"].contains(&outcome),
            // The first run may have renamed it and said so before it was killed.
            Self::Rename => ["renamed", "unchanged", "not_found"].contains(&outcome),
        }
    }
}

/// One org for each point, and for those that are run whole first.
struct World {
    kind: Kind,
    orgs: Orgs,
}

impl World {
    fn new(kind: Kind) -> Self {
        const SCOPES: &[&str] = &["ZohoCRM.settings.clientportal.ALL", "ZohoCRM.org.READ"];
        let seeded = Org::many(AT_ONCE + kill_points());
        let seeded = seeded.into_iter().map(|org| Org { scopes: SCOPES, ..org });
        let orgs = Orgs::start(seeded.chain([Org::new("owner")]).collect(), &[]);
        assert_eq!(orgs.run(&["create", TAKEN, "--profile", "owner"]).status, 0);
        Self { kind, orgs }
    }

    /// Kills the command within `longest`, if there is one, and runs it to its end. Returns how long that
    /// took.
    fn run(&self, org: usize, longest: Option<Duration>) -> Duration {
        let Self { kind, orgs } = self;
        let profile = orgs.seeded[org].name.as_str();
        if *kind == Kind::Rename {
            let old = format!("{profile}Old");
            assert_eq!(orgs.run(&["create", &old, "--profile", profile]).status, 0);
        }
        let (arguments, portal) = kind.command(profile);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        if let Some(longest) = longest {
            let mut command = orgs.home.command(&arguments);
            let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // Not a wait for anything: the moment is what is tested.
            std::thread::sleep(longest.mul_f64(random_share()));
            process.kill().unwrap();
            process.wait().unwrap();
        }
        let started = Instant::now();
        let again = orgs.run(&arguments);
        let took = started.elapsed();
        let object = again.json().remove(0);
        assert!(kind.is_truthful(&object), "{kind:?}: {again:?}");
        let listed = orgs.run(&["list", "--output", "json", "--profile", profile]).json();
        let names: Vec<_> = listed.iter().map(|listed| listed["name"].as_str().unwrap()).collect();
        assert_eq!(names, [portal], "{kind:?}: {again:?}");
        let open = orgs.run(&["history", "--open", "--profile", profile]);
        assert_eq!(open.stdout, "", "{kind:?}: {again:?}");
        took
    }
}

fn killed_at_random_points(kind: Kind) {
    let world = &World::new(kind);
    // As many at once as are killed later, so that the moments are spread over all that they do.
    let longest = std::thread::scope(|scope| {
        let whole: Vec<_> =
            (0..AT_ONCE).map(|org| scope.spawn(move || world.run(org, None))).collect();
        whole.into_iter().map(|run| run.join().unwrap()).max().unwrap().mul_f64(1.2)
    });
    at_kill_points(|point| {
        world.run(AT_ONCE + point, Some(longest));
    });
}

#[test]
fn killed_create_ends_with_one_portal() {
    killed_at_random_points(Kind::Create);
}

#[test]
fn killed_fallback_ends_with_one_portal() {
    killed_at_random_points(Kind::Fallback);
}

#[test]
fn killed_rename_ends_with_one_portal() {
    killed_at_random_points(Kind::Rename);
}
