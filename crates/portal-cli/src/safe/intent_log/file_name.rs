//! The names of the intent log's files: [`FileName`].

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use anyhow::ensure;

use crate::org::identity::Identity;

/// `20261125T093000Z-AcmePortal-1a2b3c4d-5e6f7a8b-9c0d1e2f.jsonl`: when the create or rename began,
/// the name, short hashes of the identity by credential and by org id, and a random part. It sorts
/// by time, and shows which org is concerned even if the content cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileName {
    time: String,
    pub(super) portal: String,
    tags: Vec<String>,
    random: String,
}

/// In place of a hash that is not known.
const UNKNOWN: &str = "unknown";
const EXTENSION: &str = ".jsonl";

impl FileName {
    pub(super) fn new(portal: &str, identity: Option<&Identity>) -> Self {
        let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let mut bytes = [0; 4];
        // Without randomness two files of one second have one name, and the second fails.
        let _ = getrandom::fill(&mut bytes);
        Self {
            time: time.replace(['-', ':'], ""),
            portal: portal.to_owned(),
            tags: tags(identity),
            random: format!("{:08x}", u32::from_be_bytes(bytes)),
        }
    }

    /// Checks that a file of this name can be about `portal` in the org of `identity`.
    pub(super) fn check(&self, portal: &str, identity: Option<&Identity>) -> anyhow::Result<()> {
        ensure!(
            self.portal == portal,
            "it is about the portal {portal}, but its name says {}",
            self.portal
        );
        ensure!(self.tags == tags(identity), "it is about another org than its name says");
        Ok(())
    }

    /// Whether the file may concern the org of `identity`: surely not if no hash agrees.
    pub(super) fn may_concern(&self, identity: &Identity) -> bool {
        let known: Vec<_> = self.tags.iter().filter(|tag| *tag != UNKNOWN).collect();
        known.is_empty() || identity.tags().iter().any(|tag| known.contains(&tag))
    }

    pub(super) fn is_about(&self, portal: &str) -> bool {
        self.portal.eq_ignore_ascii_case(portal)
    }
}

/// As many as a file name has.
fn tags(identity: Option<&Identity>) -> Vec<String> {
    let mut tags = identity.map(Identity::tags).unwrap_or_default();
    tags.resize(2, UNKNOWN.to_owned());
    tags
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, portal, tags, random } = self;
        write!(f, "{time}-{portal}-{}-{random}{EXTENSION}", tags.join("-"))
    }
}

impl FromStr for FileName {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let parts: Vec<&str> = name.strip_suffix(EXTENSION).ok_or(())?.split('-').collect();
        let [time, portal, by_credential, by_id, random] = parts.as_slice() else { return Err(()) };
        Ok(Self {
            time: (*time).to_owned(),
            portal: (*portal).to_owned(),
            tags: vec![(*by_credential).to_owned(), (*by_id).to_owned()],
            random: (*random).to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::org::identity::tests::{of_token, org};

    #[test]
    fn check_of_another_portal_or_org_fails() {
        let (one, other) = (of_token("1000.a"), of_token("1000.b"));
        let name = FileName::new("AcmePortal", Some(&one));
        assert!(name.check("AcmePortal", Some(&one)).is_ok());
        assert!(name.check("AcmeOther", Some(&one)).is_err());
        for identity in [Some(&other), None, Some(&one.with_org(Some(org("7000"))))] {
            assert!(name.check("AcmePortal", identity).is_err(), "{identity:?}");
        }
    }

    #[test]
    fn name_reads_back_and_tells_orgs_apart() {
        let identity = of_token("1000.a");
        let known = identity.clone().with_org(Some(org("7000")));
        for whose in [Some(&identity), Some(&known), None] {
            let name = FileName::new("AcmePortal", whose);
            assert_eq!(name.to_string().parse(), Ok(name.clone()));
            assert!(name.may_concern(&known) && name.is_about("acmeportal"), "{name}");
            assert_eq!(name.may_concern(&of_token("1000.b")), whose.is_none());
        }
        let name = FileName::new("AcmePortal", Some(&known));
        assert!(name.may_concern(&of_token("1000.b").with_org(Some(org("7000")))));
        assert!("AcmePortal.x.json".parse::<FileName>().is_err());
    }
}
