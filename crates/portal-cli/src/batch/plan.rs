//! What a file asks for, checked as far as it can be without sending anything.

use std::collections::HashMap;

use portal_model::PortalName;
use sha2::{Digest as _, Sha256};

use super::sheet::{Entry, Problem};

/// One portal to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The profile whose org gets it.
    pub(crate) profile: String,
    /// The wanted name.
    pub(crate) name: PortalName,
    /// Names to try in turn, each when the one before is proved taken.
    pub(crate) or: Vec<PortalName>,
}

/// Checks the names, that none stands there twice, and, without `allow_another`, that no profile
/// does. Gives the rows, or everything that is wrong.
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
                    "the profile {} has a portal to create in line {first} already; an org gets \
                     several only with --allow-another",
                    entry.profile
                ),
            ));
        }
        let mut parsed = parsed.into_iter();
        if let Some(name) = parsed.next() {
            rows.push(Row { profile: entry.profile.clone(), name, or: parsed.collect() });
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
            Problem::new(entry.line, format!("there is no profile {profile}"))
        })
        .collect()
}

fn duplicate(name: &str, first: usize, line: usize) -> String {
    let place = if first == line { "this line".to_owned() } else { format!("line {first}") };
    format!("{} stands in {place} already; letters in different case don't count", Quoted(name))
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

/// Tells the content of files apart: the same for the same rows, however they are written.
pub(crate) fn fingerprint(rows: &[Row]) -> String {
    let mut hash = Sha256::new();
    for row in rows {
        let or: Vec<_> = row.or.iter().map(PortalName::as_str).collect();
        // Neither a name nor a line of the file holds a line break.
        hash.update(format!("{}\n{}\n{}\n", row.profile, row.name, or.join("|")));
    }
    hash.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::sheet;

    fn entries(file: &str) -> Vec<Entry> {
        let (entries, problems) = sheet::read(file.as_bytes());
        assert_eq!(problems, []);
        entries
    }

    fn problems(file: &str, allow_another: bool) -> Vec<String> {
        let problems = check(&entries(file), allow_another).unwrap_err();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_broken_rule_of_every_line_is_named_at_once() {
        let file = "profile,name,or\na,my portal,x\nb,GoodName,goodname\nc,OtherName,GOODNAME\n";
        let invalid = |name| PortalName::parse(name).unwrap_err();
        assert_eq!(
            problems(file, false),
            [
                format!("line 2: \"my portal\": {}", invalid("my portal")),
                format!("line 2: \"x\": {}", invalid("x")),
                "line 3: \"goodname\" stands in this line already; letters in different case \
                 don't count"
                    .to_owned(),
                "line 4: \"GOODNAME\" stands in line 3 already; letters in different case don't \
                 count"
                    .to_owned(),
            ]
        );
    }

    #[test]
    fn a_second_portal_for_a_profile_must_be_allowed() {
        let file = "profile,name\nacme,NameOne\nacme,NameTwo\n";
        let found = problems(file, false);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("line 3: the profile acme has a portal"), "{found:?}");
        assert!(found[0].contains("line 2") && found[0].contains("--allow-another"), "{found:?}");
        assert_eq!(check(&entries(file), true).unwrap().len(), 2);
    }

    #[test]
    fn every_unknown_profile_is_named() {
        let entries = entries("profile,name\nacme,NameOne\namce,NameTwo\nx,NameThree\n");
        let found = check_profiles(&entries, |profile| profile == "acme");
        let lines: Vec<_> = found.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [3, 4]);
        assert_eq!(found[0].to_string(), "line 3: there is no profile \"amce\"");
    }

    #[test]
    fn only_another_content_has_another_fingerprint() {
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
