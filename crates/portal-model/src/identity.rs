//! Which org a credential leads to, as far as that is known (rule 10): [`OrgIdentity`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::datacenter::{DataCenter, Environment, origin};
use crate::org::Org;

/// An org, without secrets: the origin of its API, the org if the token can read it, and a
/// fingerprint of the credential.
///
/// The fingerprint is kept even if the org is known: a process that temporarily can't read the id
/// must still find what another one left under the same credential.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OrgIdentity {
    origin: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    org: Option<Org>,
    /// Whether that is the caller's word, which no other run of the credential goes by.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_stated: bool,
    fingerprint: String,
}

/// Whether two identities are the same org.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameOrg {
    /// Yes: their ids are known and equal, or one is not known and they have the same credential.
    Yes,
    /// No: their ids are known and differ, or they are at different APIs.
    No,
    /// One of the ids is not known, and the credentials differ: they may be.
    Unknown,
}

impl OrgIdentity {
    /// The org, not known yet, of a credential with that fingerprint, at the API `api_url`.
    pub fn new(api_url: &str, fingerprint: impl Into<String>) -> Self {
        let fingerprint = fingerprint.into();
        Self { origin: origin(api_url), org: None, is_stated: false, fingerprint }
    }

    /// The same with its org, once the service told it.
    #[must_use]
    pub fn with_org(self, org: Option<Org>) -> Self {
        Self { org, is_stated: false, ..self }
    }

    /// The same with the org that its caller says it is.
    #[must_use]
    pub fn with_stated_org(self, org: Org) -> Self {
        Self { org: Some(org), is_stated: true, ..self }
    }

    /// The [origin] of the API.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The org, if the token can read it or its caller stated it.
    pub fn org(&self) -> Option<&Org> {
        self.org.as_ref()
    }

    /// The org, if the service told it.
    pub fn told_org(&self) -> Option<&Org> {
        self.org.as_ref().filter(|_| !self.is_stated)
    }

    /// A text that differs for different credentials and can't be traced back to one.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether both are the same org.
    ///
    /// ```
    /// use portal_model::identity::{OrgIdentity, SameOrg};
    /// use portal_model::Org;
    ///
    /// let one = OrgIdentity::new("https://www.zohoapis.eu", "1a2b");
    /// let other = OrgIdentity::new("https://zohoapis.eu", "3c4d");
    /// assert_eq!(one.compare(&other), SameOrg::Unknown);
    /// let [one, other] = [one, other].map(|it| it.with_org(Some(Org::new("7000"))));
    /// assert_eq!(one.compare(&other), SameOrg::Yes);
    /// ```
    pub fn compare(&self, other: &Self) -> SameOrg {
        match (&self.org, &other.org) {
            _ if self.origin != other.origin => SameOrg::No,
            (Some(one), Some(other)) if one.id == other.id => SameOrg::Yes,
            (Some(_), Some(_)) => SameOrg::No,
            _ if self.fingerprint == other.fingerprint => SameOrg::Yes,
            _ => SameOrg::Unknown,
        }
    }

    /// The host of the API for display: `www.zohoapis.eu (EU)`.
    pub fn host(&self) -> String {
        let Some((data_center, environment)) = DataCenter::of_host(&self.origin) else {
            return self.origin.clone();
        };
        let kind = match environment {
            Environment::Production => String::new(),
            other => format!(", {}", other.as_str()),
        };
        format!("{} ({}{kind})", self.origin, data_center.to_string().to_uppercase())
    }
}

/// Formats as `org Acme Inc. (7000) at www.zohoapis.eu` or `the org of the credential 1a2b3c4d at
/// …`.
impl fmt::Display for OrgIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(org) = &self.org {
            return write!(f, "org {org} at {}", self.origin);
        }
        let start: String = self.fingerprint.chars().take(8).collect();
        write!(f, "the org of the credential {start} at {}", self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_decide_and_credentials_only_without_them() {
        let eu = |fingerprint| OrgIdentity::new("https://www.zohoapis.eu", fingerprint);
        let with = |fingerprint, id| eu(fingerprint).with_org(Some(Org::new(id)));
        assert_eq!(with("a", "7000").compare(&with("b", "7000")), SameOrg::Yes);
        assert_eq!(with("a", "7000").compare(&with("a", "8000")), SameOrg::No);
        // One of the processes could not read the id.
        assert_eq!(with("a", "7000").compare(&eu("a")), SameOrg::Yes);
        assert_eq!(with("a", "7000").compare(&eu("b")), SameOrg::Unknown);
        assert_eq!(eu("a").compare(&eu("a")), SameOrg::Yes);
        assert_eq!(eu("a").compare(&eu("b")), SameOrg::Unknown);
        let us = OrgIdentity::new("https://www.zohoapis.com", "a").with_org(Some(Org::new("7000")));
        assert_eq!(with("a", "7000").compare(&us), SameOrg::No);
    }

    #[test]
    fn identity_is_told_with_org_or_start_of_fingerprint() {
        let mut org = Org::new("7000");
        let identity = OrgIdentity::new("https://crm.zoho.eu", "1a2b3c4d5e6f");
        assert_eq!(identity.to_string(), "the org of the credential 1a2b3c4d at www.zohoapis.eu");
        assert_eq!(identity.host(), "www.zohoapis.eu (EU)");
        org.name = Some("Acme Inc.".to_owned());
        let identity = identity.with_org(Some(org));
        assert_eq!(identity.to_string(), "org Acme Inc. (7000) at www.zohoapis.eu");
        let sandbox = OrgIdentity::new("https://sandbox.zohoapis.eu", "1a2b");
        assert_eq!(sandbox.host(), "sandbox.zohoapis.eu (EU, sandbox)");
    }
}
