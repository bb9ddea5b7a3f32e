//! The rows of a file, validated as far as possible without sending anything.

use std::collections::HashMap;

use portal_model::name::name_key;
use portal_model::{CreateOperation, PortalName};

use super::csv::Entry;
use super::mistake::{Mistake, Problems};

/// A portal to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The profile that selects the org.
    pub(crate) profile: String,
    /// The wanted name.
    pub(crate) name: PortalName,
    /// The fallbacks, each tried once the previous name is proved taken.
    pub(crate) fallbacks: Vec<PortalName>,
    /// Its key in the ledger, or that of the entry that it goes on from.
    pub(crate) key: String,
}

impl Row {
    pub(crate) fn new(profile: String, name: PortalName, fallbacks: Vec<PortalName>) -> Self {
        let key = key(&profile, name.as_str());
        Self { profile, name, fallbacks, key }
    }

    /// What it asks for.
    pub(crate) fn create(&self) -> CreateOperation {
        CreateOperation::new(self.name.clone()).with_fallbacks(self.fallbacks.clone())
    }
}

/// The key of a row: its profile, whose name has no slash, and its first name, whose letters count in
/// any case.
pub(super) fn key(profile: &str, name: &str) -> String {
    format!("{profile}/{}", name_key(name))
}

/// Checks entries one by one: names and profile are valid, no name occurs twice, and, unless an org
/// may have several portals, neither does a profile or an org.
///
/// Stops remembering earlier entries once there are more mistakes than are shown.
pub(crate) struct Checker<P, S> {
    allow_another: bool,
    has_profile: P,
    signs: S,
    /// Complete only if there were no mistakes.
    pub(super) rows: Vec<Row>,
    /// The lines of names (in lower case) and of profiles.
    names: HashMap<String, usize>,
    profiles: HashMap<String, usize>,
    /// By a sign of an org: the first profile that leads to it, and its line.
    orgs: HashMap<u64, (String, usize)>,
}

impl<P: Fn(&str) -> bool, S: Fn(&str) -> Vec<u64>> Checker<P, S> {
    /// `has_profile` knows all profiles; `signs` returns what only profiles of one org have in common,
    /// as far as that is known without a request.
    pub(crate) fn new(allow_another: bool, has_profile: P, signs: S) -> Self {
        Self {
            allow_another,
            has_profile,
            signs,
            rows: Vec::new(),
            names: HashMap::new(),
            profiles: HashMap::new(),
            orgs: HashMap::new(),
        }
    }

    pub(crate) fn add(&mut self, entry: Entry, problems: &mut Problems) {
        let Entry { line, profile, names } = entry;
        let mut parsed = Vec::new();
        for name in &names {
            match PortalName::parse(name) {
                Ok(name) => parsed.push(name),
                Err(invalid) => {
                    problems.add(line, Mistake::InvalidName { name: name.clone(), invalid });
                }
            }
            if let Some(first) = seen(&mut self.names, name.to_ascii_lowercase(), line, problems) {
                problems.add(line, Mistake::DuplicateName { name: name.clone(), line, first });
            }
        }
        if !(self.has_profile)(&profile) {
            problems.add(line, Mistake::UnknownProfile(profile.clone()));
        }
        if !self.allow_another {
            if let Some(first) = seen(&mut self.profiles, profile.clone(), line, problems) {
                let profile = profile.clone();
                problems.add(line, Mistake::DuplicateProfile { profile, first });
            }
            self.check_org(&profile, line, problems);
        }
        let mut parsed = parsed.into_iter();
        // After a mistake the rows are not needed.
        if problems.count() == 0
            && let Some(name) = parsed.next()
        {
            self.rows.push(Row::new(profile, name, parsed.collect()));
        }
    }

    /// Reports a line whose profile leads to the same org as another profile in an earlier line.
    fn check_org(&mut self, profile: &str, line: usize, problems: &mut Problems) {
        let signs = (self.signs)(profile);
        let known = signs.iter().find_map(|sign| self.orgs.get(sign));
        if let Some((earlier, first)) = known.filter(|(earlier, _)| earlier != profile) {
            let (profile, earlier, first) = (profile.to_owned(), earlier.clone(), *first);
            problems.add(line, Mistake::SameOrg { profile, earlier, first });
        }
        if !problems.is_full() {
            for sign in signs {
                self.orgs.entry(sign).or_insert_with(|| (profile.to_owned(), line));
            }
        }
    }
}

/// Returns the last line with `key`, and records this one.
fn seen(
    lines: &mut HashMap<String, usize>,
    key: String,
    line: usize,
    problems: &Problems,
) -> Option<usize> {
    match lines.get_mut(&key) {
        Some(last) => Some(std::mem::replace(last, line)),
        None if problems.is_full() => None,
        None => lines.insert(key, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::csv;

    /// Returns the rows of a file, or its mistakes.
    fn check(
        file: &str,
        allow_another: bool,
        has_profile: impl Fn(&str) -> bool,
        signs: impl Fn(&str) -> Vec<u64>,
    ) -> (Vec<Row>, Vec<String>) {
        let mut checker = Checker::new(allow_another, has_profile, signs);
        let problems = csv::read(file.as_bytes(), |entry, problems| checker.add(entry, problems));
        let problems = problems.into_first();
        (checker.rows, problems.iter().map(ToString::to_string).collect())
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

    #[test]
    fn checker_stops_growing_when_it_shows_no_more() {
        let mut checker = Checker::new(false, |_| true, |_| Vec::new());
        let lines = (0..100_000).map(|line| format!("p{line},not a name {line}\n"));
        let file = format!("profile,name\n{}", lines.collect::<String>());
        let problems = csv::read(file.as_bytes(), |entry, problems| checker.add(entry, problems));
        assert_eq!(problems.count(), 100_000);
        assert!(checker.names.len() <= Problems::SHOWN && checker.profiles.len() < 200);
        assert!(checker.rows.is_empty());
    }
}
