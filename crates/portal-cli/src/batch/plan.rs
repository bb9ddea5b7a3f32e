//! What a file asks for, checked as far as it can be without sending anything.

use std::collections::HashMap;

use portal_model::PortalName;
use sha2::{Digest as _, Sha256};

use super::csv::{Entry, Problem};
use crate::org::identity::Identity;

/// One portal to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The profile whose org gets it.
    pub(crate) profile: String,
    /// The wanted name.
    pub(crate) name: PortalName,
    /// Names to try in turn, each after the one before is proved taken.
    pub(crate) fallbacks: Vec<PortalName>,
}

impl Row {
    /// Whether `name` is one that the row may create.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        std::iter::once(&self.name).chain(&self.fallbacks).any(|own| own.is_same_as(name))
    }
}

/// Checks the names, that none occurs twice, and, without `allow_another`, that no profile does.
/// Returns the rows, or everything that is wrong.
pub(crate) fn check(entries: &[Entry], allow_another: bool) -> Result<Vec<Row>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut rows = Vec::new();
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut profiles: HashMap<&str, usize> = HashMap::new();
    for entry in entries {
        let line = entry.line;
        let mut parsed = Vec::new();
        for name in &entry.names {
            match PortalName::parse(name) {
                Ok(name) => parsed.push(name),
                Err(invalid) => {
                    problems.push(Problem::new(line, format!("{}: {invalid}", Quoted(name))));
                }
            }
            if let Some(first) = names.insert(name.to_ascii_lowercase(), line) {
                problems.push(Problem::new(line, duplicate(name, first, line)));
            }
        }
        if let Some(first) = profiles.insert(&entry.profile, line)
            && !allow_another
        {
            problems.push(Problem::new(
                line,
                format!(
                    "the profile {} already has a portal in line {first}; pass `--allow-another` \
                     if its org may have several",
                    entry.profile
                ),
            ));
        }
        let mut parsed = parsed.into_iter();
        if let Some(name) = parsed.next() {
            rows.push(Row { profile: entry.profile.clone(), name, fallbacks: parsed.collect() });
        }
    }
    if problems.is_empty() { Ok(rows) } else { Err(problems) }
}

/// Names every line with a profile that `exists` does not know.
pub(crate) fn check_profiles(entries: &[Entry], exists: impl Fn(&str) -> bool) -> Vec<Problem> {
    let unknown = entries.iter().filter(|entry| !exists(&entry.profile));
    unknown
        .map(|entry| {
            let profile = Quoted(&entry.profile);
            Problem::new(entry.line, format!("unknown profile {profile}"))
        })
        .collect()
}

/// Names every line whose profile leads to the org of an earlier line's other profile, as far as
/// `identity` can tell without asking the service (rule 10).
pub(crate) fn check_orgs(
    entries: &[Entry],
    identity: impl Fn(&str) -> Option<Identity>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen: HashMap<String, (&Entry, Identity)> = HashMap::new();
    for entry in entries {
        let Some(identity) = identity(&entry.profile) else { continue };
        // Identities of one org have a tag in common.
        let earlier = identity.tags().into_iter().find_map(|tag| {
            seen.get(&tag).filter(|(earlier, known)| {
                earlier.profile != entry.profile && known.is_same_org(&identity)
            })
        });
        if let Some((earlier, _)) = earlier {
            problems.push(Problem::new(
                entry.line,
                format!(
                    "the profiles {} and {} (line {}) lead to one org; pass `--allow-another` if \
                     it may have several portals",
                    entry.profile, earlier.profile, earlier.line
                ),
            ));
        }
        for tag in identity.tags() {
            seen.entry(tag).or_insert_with(|| (entry, identity.clone()));
        }
    }
    problems
}

fn duplicate(name: &str, first: usize, line: usize) -> String {
    let place = if first == line { "this line".to_owned() } else { format!("line {first}") };
    format!("{} is already in {place}; upper and lower case are the same name", Quoted(name))
}

/// A text of the file as a message can show it.
struct Quoted<'a>(&'a str);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 40;
        let shown: String = self.0.chars().take(SHOWN).collect();
        write!(f, "{shown:?}{}", if shown.len() < self.0.len() { "…" } else { "" })
    }
}

/// A hash of the rows: the same for the same rows, however the file writes them.
pub(crate) fn fingerprint(rows: &[Row]) -> String {
    let mut hash = Sha256::new();
    for row in rows {
        let fallbacks: Vec<_> = row.fallbacks.iter().map(PortalName::as_str).collect();
        // Neither a name nor a line of the file holds a line break.
        hash.update(format!("{}\n{}\n{}\n", row.profile, row.name, fallbacks.join("|")));
    }
    hash.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::csv;

    fn entries(file: &str) -> Vec<Entry> {
        let (entries, problems) = csv::read(file.as_bytes());
        assert_eq!(problems, []);
        entries
    }

    fn problems(file: &str, allow_another: bool) -> Vec<String> {
        let problems = check(&entries(file), allow_another).unwrap_err();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn broken_rules_of_all_lines_are_named_at_once() {
        let file = "profile,name,or\na,my portal,x\nb,GoodName,goodname\nc,OtherName,GOODNAME\n";
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
        assert_eq!(check(&entries(file), true).unwrap().len(), 2);
    }

    #[test]
    fn every_unknown_profile_is_named() {
        let entries = entries("profile,name\nacme,NameOne\namce,NameTwo\nx,NameThree\n");
        let found = check_profiles(&entries, |profile| profile == "acme");
        let lines: Vec<_> = found.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [3, 4]);
        assert_eq!(found[0].to_string(), "line 3: unknown profile \"amce\"");
    }

    #[test]
    fn two_profiles_of_one_org_are_one_org() {
        use crate::org::identity::tests::{of_token, org};

        let entries = entries("profile,name\na,NameOne\nb,NameTwo\nc,NameThree\nd,NameFour\n");
        let identity = |profile: &str| match profile {
            // One credential, and one id with two credentials.
            "a" | "c" => Some(of_token("1000.a")),
            "b" => Some(of_token("1000.b").with_org(Some(org("7000")))),
            _ => Some(of_token("1000.d").with_org(Some(org("7000")))),
        };
        let found: Vec<_> =
            check_orgs(&entries, identity).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("line 4: the profiles c and a (line 2)"), "{found:?}");
        assert!(found[1].starts_with("line 5: the profiles d and b (line 3)"), "{found:?}");
        assert_eq!(check_orgs(&entries, |_| None), []);
    }

    #[test]
    fn fingerprint_depends_on_rows_only() {
        let of = |file| fingerprint(&check(&entries(file), true).unwrap());
        let one = of("profile,name,or\nacme,NameOne,NameTwo|NameThree\n");
        assert_eq!(one.len(), 64);
        assert_eq!(one, of("\u{feff}or;name;profile\r\n\r\nNameTwo | NameThree;NameOne;acme\r\n"));
        for other in [
            "profile,name,or\nacme,NameOne,NameThree|NameTwo\n",
            "profile,name,or\nacme,nameOne,NameTwo|NameThree\n",
            "profile,name\nacme,NameOne\n",
        ] {
            assert_ne!(one, of(other), "{other:?}");
        }
    }
}
