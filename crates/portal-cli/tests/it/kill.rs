//! Creates and renames that are killed at a random moment and run again: one portal, and a truthful
//! word.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::orgs::{Org, Orgs};

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

fn killed_at_random_points(kind: Kind, points: usize) {
    const SCOPES: &[&str] = &["ZohoCRM.settings.clientportal.ALL", "ZohoCRM.org.READ"];
    let seeded = Org::many(points + 1).into_iter().map(|org| Org { scopes: SCOPES, ..org });
    let orgs = Orgs::start(seeded.chain([Org::new("owner")]).collect(), &[]);
    assert_eq!(orgs.run(&["create", TAKEN, "--profile", "owner"]).status, 0);
    let run =
        |arguments: &[String]| orgs.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let mut whole = Duration::ZERO;
    for (point, org) in orgs.seeded[..=points].iter().enumerate() {
        let profile = org.name.as_str();
        if kind == Kind::Rename {
            let old = format!("{profile}Old");
            assert_eq!(orgs.run(&["create", &old, "--profile", profile]).status, 0);
        }
        let (arguments, portal) = kind.command(profile);
        if point > 0 {
            let texts: Vec<_> = arguments.iter().map(String::as_str).collect();
            let mut command = orgs.home.command(&texts);
            let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // Not a wait for anything: the moment is what is tested.
            let share = f64::from(getrandom::u32().unwrap()) / f64::from(u32::MAX);
            std::thread::sleep(whole.mul_f64(1.2 * share));
            process.kill().unwrap();
            process.wait().unwrap();
        }
        let started = Instant::now();
        let again = run(&arguments);
        if point == 0 {
            whole = started.elapsed();
        }
        let object = again.json().remove(0);
        assert!(kind.is_truthful(&object), "{kind:?}: {again:?}");
        let listed = orgs.run(&["list", "--output", "json", "--profile", profile]).json();
        let names: Vec<_> = listed.iter().map(|listed| listed["name"].as_str().unwrap()).collect();
        assert_eq!(names, [portal], "{kind:?}: {again:?}");
        let open = orgs.run(&["history", "--open", "--profile", profile]);
        assert_eq!(open.stdout, "", "{kind:?}: {again:?}");
    }
}

#[test]
fn killed_create_ends_with_one_portal() {
    killed_at_random_points(Kind::Create, 5);
}

#[test]
fn killed_fallback_ends_with_one_portal() {
    killed_at_random_points(Kind::Fallback, 5);
}

#[test]
fn killed_rename_ends_with_one_portal() {
    killed_at_random_points(Kind::Rename, 5);
}

#[test]
#[ignore = "takes minutes; run by .ci/run: cargo test -p portal-cli --test it -- --ignored killed_at_200_points"]
fn killed_at_200_points_ends_with_one_portal() {
    std::thread::scope(|scope| {
        for kind in [Kind::Create, Kind::Fallback, Kind::Rename] {
            scope.spawn(move || killed_at_random_points(kind, 200));
        }
    });
}
