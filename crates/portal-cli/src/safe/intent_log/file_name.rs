//! File names of the intent log: [`FileName`].

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use anyhow::ensure;

use crate::org::identity::{self, Identity};

/// `20261125T093000Z-AcmePortal-1a2b3c4d-5e6f7a8b-9c0d1e2f.jsonl`: the start time, the portal's name,
/// short hashes of the identity by credential and by org id, and a random part. File names sort by
/// time, and show the org even if the content cannot be read.
///
/// `FileName<&str>` borrows, since each create parses the names of all files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileName<S = String> {
    time: S,
    pub(super) portal: S,
    tags: [S; 2],
    random: S,
}

/// Stands for an unknown hash.
const UNKNOWN: &str = "unknown";
const EXTENSION: &str = ".jsonl";

impl FileName {
    pub(super) fn new(portal: &str, identity: &Identity) -> Self {
        let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let mut bytes = [0; 4];
        // Without randomness, the second of two files of one second would fail.
        let _ = getrandom::fill(&mut bytes);
        Self {
            time: time.replace(['-', ':'], ""),
            portal: portal.to_owned(),
            tags: tags(identity),
            random: format!("{:08x}", u32::from_be_bytes(bytes)),
        }
    }

    /// Checks that this name fits a file about `portal` in the org of `identity`.
    pub(super) fn check(&self, portal: &str, identity: &Identity) -> anyhow::Result<()> {
        ensure!(
            self.portal == portal,
            "expected the portal {} by the file name, found {portal}",
            self.portal
        );
        ensure!(self.tags == tags(identity), "the org differs from the one in the file name");
        Ok(())
    }
}

impl<S: AsRef<str>> FileName<S> {
    /// Whether the file may concern the org with these [tags](identity::tags).
    pub(super) fn may_concern(&self, tags: &[String]) -> bool {
        let mut known = self.tags.iter().map(AsRef::as_ref).filter(|tag| *tag != UNKNOWN);
        known.any(|known| tags.iter().any(|tag| tag == known))
    }
}

impl<'a> FileName<&'a str> {
    /// The keys under which to find the file: of each org that it [may
    /// concern](Self::may_concern), and of its portal.
    pub(super) fn keys(&self) -> impl Iterator<Item = Cow<'a, str>> {
        let tags = self.tags.into_iter().filter(|tag| *tag != UNKNOWN);
        tags.map(Cow::Borrowed).chain([Cow::Owned(portal_key(self.portal))])
    }

    /// The keys of the files that may concern an org with these [tags](identity::tags), and of those
    /// about one of `portals`.
    pub(super) fn keys_of(tags: &[String], portals: &[String]) -> Vec<String> {
        let portals = portals.iter().map(|portal| portal_key(portal));
        tags.iter().cloned().chain(portals).collect()
    }
}

/// No tag begins like this.
fn portal_key(portal: &str) -> String {
    format!("={}", portal.to_ascii_lowercase())
}

impl<'a> FileName<&'a str> {
    /// Parses a file name. Returns `None` if it is not one of the log's.
    pub(super) fn parse(name: &'a str) -> Option<Self> {
        let mut parts = name.strip_suffix(EXTENSION)?.split('-');
        let name = Self {
            time: parts.next()?,
            portal: parts.next()?,
            tags: [parts.next()?, parts.next()?],
            random: parts.next()?,
        };
        parts.next().is_none().then_some(name)
    }

    pub(super) fn into_owned(self) -> FileName {
        let Self { time, portal, tags, random } = self;
        FileName {
            time: time.to_owned(),
            portal: portal.to_owned(),
            tags: tags.map(str::to_owned),
            random: random.to_owned(),
        }
    }
}

/// Returns as many tags as a file name has.
fn tags(identity: &Identity) -> [String; 2] {
    let mut tags = identity::tags(identity).into_iter();
    std::array::from_fn(|_| tags.next().unwrap_or_else(|| UNKNOWN.to_owned()))
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, portal, tags, random } = self;
        write!(f, "{time}-{portal}-{}-{random}{EXTENSION}", tags.join("-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::org::identity::tests::{of_token, org};

    #[test]
    fn check_of_another_portal_or_org_fails() {
        let (one, other) = (of_token("1000.a"), of_token("1000.b"));
        let name = FileName::new("AcmePortal", &one);
        assert!(name.check("AcmePortal", &one).is_ok());
        assert!(name.check("AcmeOther", &one).is_err());
        for identity in [other, one.with_org(Some(org("7000")))] {
            assert!(name.check("AcmePortal", &identity).is_err(), "{identity:?}");
        }
    }

    #[test]
    fn name_reads_back_and_tells_orgs_apart() {
        let identity = of_token("1000.a");
        let known = identity.clone().with_org(Some(org("7000")));
        for whose in [&identity, &known] {
            let name = FileName::new("AcmePortal", whose);
            let text = name.to_string();
            assert_eq!(FileName::parse(&text).unwrap().into_owned(), name);
            assert!(name.may_concern(&identity::tags(&known)), "{name}");
            assert!(!name.may_concern(&identity::tags(&of_token("1000.b"))), "{name}");
        }
        let name = FileName::new("AcmePortal", &known);
        assert!(name.may_concern(&identity::tags(&of_token("1000.b").with_org(Some(org("7000"))))));
        assert_eq!(FileName::parse("AcmePortal.x.json"), None);
        assert_eq!(FileName::parse("20261125T093000Z-Acme-a-b-c-d.jsonl"), None);
    }
}
