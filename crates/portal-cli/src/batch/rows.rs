//! The rows of a file, validated as far as possible without sending anything.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io::{self, Read as _};
use std::path::Path;

use portal_model::name::name_key;
use portal_model::outcome::Unverified;
use portal_model::{CreateOperation, Outcome, PortalName};

use super::csv;
use super::mistake::{Mistake, Problem};
use crate::org::profile::{Profile, Profiles};
use crate::report::failure::Failure;

/// A portal to create.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// The profile that selects the org.
    pub(crate) profile: String,
    /// The wanted name, and the fallbacks, each tried once the previous name is proved taken.
    pub(crate) create: CreateOperation,
    /// Its key in the ledger, or that of the entry that it goes on from.
    pub(crate) key: String,
    pub(crate) state: State,
}

/// What is known of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// It is to be created. `note`: what came of it last time.
    Left { note: Option<String> },
    /// The same of a row whose org could not be looked at, and why.
    Unchecked(Failure),
    /// What its run would come to, by the ledger and the list. What is unknown its run determines first.
    Known(Box<Outcome>),
    /// Why nothing is sent: it was begun with other credentials, in what may be another org.
    Moved(Box<Outcome>),
    /// What came of it in this run.
    Ended(Box<Outcome>),
}

impl Row {
    pub(crate) fn new(profile: String, create: CreateOperation) -> Self {
        let key = key(&profile, create.name.as_str());
        Self { profile, create, key, state: State::Left { note: None } }
    }

    /// Whether running the row may send its create.
    pub(crate) fn is_left(&self) -> bool {
        match &self.state {
            State::Left { .. } | State::Unchecked(_) => true,
            State::Known(_) => self.is_in_doubt(),
            State::Moved(_) | State::Ended(_) => false,
        }
    }

    /// Whether an attempt of it, or of another operation about its names, may have taken effect, which its
    /// run determines first.
    pub(crate) fn is_in_doubt(&self) -> bool {
        let State::Known(outcome) = &self.state else { return false };
        matches!(&**outcome, Outcome::Unknown { why, .. } if !matches!(why, Unverified::Conflict(_)))
    }

    /// What came of the row or would come of it, if that is known. What is in doubt is unknown.
    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            State::Left { .. } | State::Unchecked(_) => None,
            State::Known(outcome) | State::Moved(outcome) | State::Ended(outcome) => Some(outcome),
        }
    }
}

/// The key of a row: its profile, whose name has no slash, and its first name, whose letters count in
/// any case.
pub(super) fn key(profile: &str, name: &str) -> String {
    format!("{profile}/{}", name_key(name))
}

/// Checks entries: names and profiles are valid, no name occurs twice, and, unless an org may have several
/// portals, neither does a profile or an org. The rows are all of them only if there are no problems.
///
/// `has_profile` knows all profiles; `signs` returns what only profiles of one org have in common, as far
/// as that is known without a request.
fn check(
    entries: Vec<csv::Entry>,
    allow_another: bool,
    has_profile: impl Fn(&str) -> bool,
    signs: impl Fn(&str) -> Vec<u64>,
    problems: &mut Vec<Problem>,
) -> Vec<Row> {
    // The last line of each.
    let (mut names_seen, mut profiles) = (HashMap::new(), HashMap::new());
    // By a sign of an org: the first profile that leads to it, and its line.
    let mut orgs = HashMap::new();
    let mut rows = Vec::new();
    for csv::Entry { line, profile, names } in entries {
        let mut problem = |mistake| problems.push(Problem { line, mistake });
        let mut parsed = Vec::new();
        for name in names {
            match PortalName::parse(&name) {
                Ok(name) => parsed.push(name),
                Err(invalid) => problem(Mistake::InvalidName { name: name.clone(), invalid }),
            }
            if let Some(first) = names_seen.insert(name_key(&name), line) {
                problem(Mistake::DuplicateName { name, line, first });
            }
        }
        if !has_profile(&profile) {
            problem(Mistake::UnknownProfile(profile.clone()));
        }
        if !allow_another {
            if let Some(first) = profiles.insert(profile.clone(), line) {
                problem(Mistake::DuplicateProfile { profile: profile.clone(), first });
            }
            let signs = signs(&profile);
            let known = signs.iter().find_map(|sign| orgs.get(sign));
            if let Some((earlier, first)) =
                known.filter(|(earlier, _)| *earlier != profile).cloned()
            {
                problem(Mistake::SameOrg { profile: profile.clone(), earlier, first });
            }
            for sign in signs {
                orgs.entry(sign).or_insert_with(|| (profile.clone(), line));
            }
        }
        let mut parsed = parsed.into_iter();
        if let Some(name) = parsed.next() {
            rows.push(Row::new(profile, CreateOperation::new(name).with_fallbacks(parsed)));
        }
    }
    rows
}

/// Means stdin.
const STDIN: &str = "-";

/// Reads all of a file or stdin.
pub(crate) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    if path != Path::new(STDIN) {
        return std::fs::read(path);
    }
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes).map(|_| bytes)
}

/// Returns the rows of a file, or its mistakes by line.
pub(crate) fn parse(
    bytes: &[u8],
    allow_another: bool,
    profiles: &Profiles,
) -> Result<Vec<Row>, Vec<Problem>> {
    let hasher = RandomState::new();
    let has_profile = |name: &str| profiles.entries().contains_key(name);
    let signs = |name: &str| signs(profiles, name, &hasher);
    let (entries, mut problems) = csv::read(bytes);
    let rows = check(entries, allow_another, has_profile, signs, &mut problems);
    if problems.is_empty() {
        return Ok(rows);
    }
    problems.sort_by_cached_key(|problem| (problem.line, problem.mistake.to_string()));
    Err(problems)
}

/// What only profiles of one org have in common: its id, or its credentials.
fn signs(profiles: &Profiles, name: &str, hasher: &RandomState) -> Vec<u64> {
    // Problems with the credentials are reported later, before anything is sent.
    let Ok(Profile { entry, secrets }) = profiles.get(name) else { return Vec::new() };
    let accounts = &entry.hosts.accounts;
    // Hashed, so that no secret is copied.
    let credential = hasher.hash_one((accounts, &entry.client_id, secrets.refresh_token.expose()));
    let org = entry.org.as_ref().map(|org| hasher.hash_one((accounts, &org.id)));
    std::iter::once(credential).chain(org).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the rows of a file, and its mistakes.
    fn check(
        file: &str,
        allow_another: bool,
        has_profile: impl Fn(&str) -> bool,
        signs: impl Fn(&str) -> Vec<u64>,
    ) -> (Vec<Row>, Vec<String>) {
        let (entries, mut problems) = csv::read(file.as_bytes());
        let rows = super::check(entries, allow_another, has_profile, signs, &mut problems);
        (rows, problems.iter().map(ToString::to_string).collect())
    }

    fn rows(file: &str) -> Vec<Row> {
        let (rows, problems) = check(file, true, |_| true, |_| Vec::new());
        assert_eq!(problems, [""; 0]);
        rows
    }

    fn problems(file: &str, allow_another: bool) -> Vec<String> {
        check(file, allow_another, |_| true, |_| Vec::new()).1
    }

    #[test]
    fn broken_rules_of_all_lines_are_named_at_once() {
        let file =
            "profile,name,fallback\na,my portal,x\nb,GoodName,goodname\nc,OtherName,GOODNAME\n";
        let invalid = |name| PortalName::parse(name).unwrap_err();
        assert_eq!(
            problems(file, false),
            [
                format!("line 2: \"my portal\": {}", invalid("my portal")),
                format!("line 2: \"x\": {}", invalid("x")),
                "line 3: \"goodname\" is already in this line; upper and lower case are the same name"
                    .to_owned(),
                "line 4: \"GOODNAME\" is already in line 3; upper and lower case are the same name"
                    .to_owned(),
            ]
        );
    }

    #[test]
    fn second_portal_of_profile_must_be_allowed() {
        let file = "profile,name\nacme,NameOne\nacme,NameTwo\n";
        let found = problems(file, false);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("line 3: the profile acme already has a portal"), "{found:?}");
        assert!(found[0].contains("line 2") && found[0].contains("--allow-another"), "{found:?}");
        assert_eq!(rows(file).len(), 2);
    }

    #[test]
    fn every_unknown_profile_is_named() {
        let file = "profile,name\nacme,NameOne\namce,NameTwo\nx,NameThree\n";
        let (_, found) = check(file, false, |profile| profile == "acme", |_| Vec::new());
        assert_eq!(found, ["line 3: unknown profile \"amce\"", "line 4: unknown profile \"x\""]);
    }

    #[test]
    fn two_profiles_of_one_org_are_one_org() {
        let file = "profile,name\na,NameOne\nb,NameTwo\nc,NameThree\nd,NameFour\n";
        // `a` and `c` share a credential; `b` and `d` are one org with two credentials.
        let signs = |profile: &str| match profile {
            "a" | "c" => vec![1],
            "b" => vec![2, 7000],
            _ => vec![3, 7000],
        };
        let (_, found) = check(file, false, |_| true, signs);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("line 4: the profiles c and a (line 2)"), "{found:?}");
        assert!(found[1].starts_with("line 5: the profiles d and b (line 3)"), "{found:?}");
        assert_eq!(problems(file, false), [""; 0]);
    }

    #[test]
    fn key_is_profile_and_first_name_in_any_case() {
        let file = "profile,name,fallback\nacme,NameOne,NameTwo\nbeta,NameThree,\n";
        let keys = |file| rows(file).into_iter().map(|row| row.key).collect::<Vec<_>>();
        assert_eq!(keys(file), ["acme/nameone", "beta/namethree"]);
        let sorted = "fallback;name;profile\r\n;nameThree;beta\r\nNameFour;NAMEONE;acme\r\n";
        assert_eq!(keys(sorted), ["beta/namethree", "acme/nameone"]);
    }
}
