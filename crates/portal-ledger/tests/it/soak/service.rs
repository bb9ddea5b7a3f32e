//! [`Service`]: orgs and portals, and what became of every attempt. Times are milliseconds.

use portal_ledger::EntryId;
use portal_model::server::{self, rejections};
use portal_model::{ApiError, ApiVersion, ErrorCode, Method, Portal, Request, Response, Timestamp};

use super::Flaw;
use super::schedule::Credential;

/// How long an attempt takes at most, its record included, how long it may take effect after its end,
/// and how long a list may lag behind.
const ATTEMPT: u64 = 25_000;
pub(super) const PROCESSING: u64 = 60_000;
pub(super) const LIST_LAG: u64 = 10_000;
/// How long nobody renames a portal after its creation.
const UNTOUCHED: u64 = 120_000;

pub(super) const OUR_ORG: usize = 0;

#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) org: usize,
    pub(super) created: u64,
    /// Its names, from the first one on.
    pub(super) names: Vec<Named>,
}

#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) at: u64,
    /// From when on lists show it.
    listed: u64,
    /// Who gave it: the attempt of that number.
    pub(super) by: Option<usize>,
}

impl Held {
    pub(super) fn name(&self) -> &str {
        &self.names[self.names.len() - 1].name
    }

    /// What lists show then.
    fn listed_at(&self, at: u64) -> Option<&Named> {
        self.names.iter().rev().find(|named| named.listed <= at)
    }
}

/// An attempt, and whose it was.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) run: usize,
    pub(super) entry: EntryId,
    pub(super) sent: u64,
    pub(super) org: usize,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Create(String),
    Rename { old: String, new: String },
}

impl What {
    pub(super) fn of(request: &Request) -> Self {
        if request.method == Method::Post {
            let create = server::parse_create(&request.body).unwrap();
            return Self::Create(create.name.to_string());
        }
        let old = server::parse_segment(request.path.rsplit('/').next().unwrap());
        let rename = server::parse_rename(old, &request.body).unwrap();
        Self::Rename { old: rename.old, new: rename.new.to_string() }
    }
}

#[derive(Debug)]
pub(super) struct Service {
    pub(super) portals: Vec<Held>,
    pub(super) attempts: Vec<Attempt>,
    is_limited: bool,
    noise: Noise,
    flaw: Flaw,
}

/// xorshift; of 0 comes nothing but 0.
#[derive(Debug)]
pub(super) struct Noise(pub(super) u64);

impl Noise {
    /// From 0 to below `limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % limit
    }
}

/// What a list comes to.
pub(super) enum Listed {
    Response(Response),
    Lost,
}

impl Service {
    pub(super) fn new(is_limited: bool, noise: u64, flaw: Flaw) -> Self {
        Self { portals: Vec::new(), attempts: Vec::new(), is_limited, noise: Noise(noise), flaw }
    }

    fn lag(&mut self) -> u64 {
        let limit = if self.flaw == Flaw::SlowLists { 2 * LIST_LAG } else { LIST_LAG };
        match self.noise.below(4) {
            0 => 0,
            1 => limit,
            _ => self.noise.below(limit),
        }
    }

    fn is_taken(&self, name: &str) -> bool {
        self.portals.iter().any(|held| held.name().eq_ignore_ascii_case(name))
    }

    /// A copy of an attempt is processed.
    pub(super) fn process(&mut self, number: usize, now: u64) -> Response {
        let attempt = self.attempts[number].clone();
        match &attempt.what {
            What::Create(name) => {
                let has_one = self.portals.iter().any(|held| held.org == attempt.org);
                if self.is_limited && has_one {
                    return refused(&rejections::limit_reached(1));
                }
                if self.is_taken(name) {
                    return refused(&rejections::already_used());
                }
                self.create(attempt.org, name, now, Some(number));
                server::created(ApiVersion::default(), name)
            }
            What::Rename { old, new } => {
                let is_it =
                    |held: &Held| held.org == attempt.org && held.name().eq_ignore_ascii_case(old);
                let Some(portal) = self.portals.iter().position(is_it) else {
                    return refused(&rejections::no_such_portal());
                };
                if self.is_taken(new) && !old.eq_ignore_ascii_case(new) {
                    return refused(&rejections::already_used());
                }
                self.give(portal, new, now, Some(number));
                server::renamed(ApiVersion::default(), new)
            }
        }
    }

    fn create(&mut self, org: usize, name: &str, now: u64, by: Option<usize>) {
        let listed = now + self.lag();
        let named = Named { name: name.to_owned(), at: now, listed, by };
        self.portals.push(Held { org, created: now, names: vec![named] });
    }

    fn give(&mut self, portal: usize, name: &str, now: u64, by: Option<usize>) {
        let listed = now + self.lag();
        self.portals[portal].names.push(Named { name: name.to_owned(), at: now, listed, by });
    }

    /// A colleague renames a portal of our org. Returns when to try again, if it is too new.
    pub(super) fn rename(&mut self, portal: usize, name: &str, now: u64) -> Option<u64> {
        let ours = self.portals.iter().enumerate().filter(|(_, held)| held.org == OUR_ORG);
        let ours: Vec<usize> = ours.map(|(number, _)| number).collect();
        if ours.is_empty() {
            return None;
        }
        let number = ours[portal % ours.len()];
        let held = &self.portals[number];
        let from = held.created + if self.flaw == Flaw::HastyColleague { 0 } else { UNTOUCHED };
        if now < from {
            return Some(from);
        }
        if let Some(until) = self.is_wanted_until(held, now) {
            return Some(until);
        }
        if held.name() != name && !self.is_taken(name) {
            self.give(number, name, now, None);
        }
        None
    }

    /// Until when a copy of an attempt of another org may be at work that was refused for the portal's
    /// name: nobody frees it by then.
    fn is_wanted_until(&self, held: &Held, now: u64) -> Option<u64> {
        let wants = |attempt: &&Attempt| {
            let (What::Create(name) | What::Rename { new: name, .. }) = &attempt.what;
            attempt.org != held.org && held.name().eq_ignore_ascii_case(name)
        };
        let until = |attempt: &Attempt| attempt.sent + ATTEMPT + PROCESSING;
        self.attempts.iter().filter(wants).map(until).filter(|until| *until > now).max()
    }

    pub(super) fn take_name(&mut self, name: &str, now: u64) {
        if !self.is_taken(name) {
            self.create(OUR_ORG + 2, name, now, None);
        }
    }

    /// Returns when to try again, if somebody waits for the name.
    pub(super) fn free_name(&mut self, name: &str, now: u64) -> Option<u64> {
        let theirs = |held: &Held| held.org == OUR_ORG + 2 && held.name() == name;
        let portal = self.portals.iter().position(theirs)?;
        let until = self.is_wanted_until(&self.portals[portal], now);
        if until.is_none() {
            let other = format!("Freed{portal}At{now}");
            self.give(portal, &other, now, None);
        }
        until
    }

    /// How long a list takes, and what it comes to.
    pub(super) fn list(&mut self, org: usize, now: u64, timeout: u64) -> (u64, Listed) {
        let shown = |at: u64| {
            let portals = self.portals.iter().enumerate().filter(|(_, held)| held.org == org);
            let portals = portals.filter_map(|(number, held)| {
                let named = held.listed_at(at)?;
                let mut portal = Portal::new(named.name.clone());
                portal.zaid = Some(format!("10{number}"));
                portal.created_time = time(held.created);
                portal.modified_time = time(named.at);
                Some(portal)
            });
            portals.collect::<Vec<_>>()
        };
        let (complete, earlier) = (shown(now), shown(now.saturating_sub(60_000)));
        let mut response = server::list(&complete);
        let takes = 50 + if self.noise.below(10) == 1 { self.noise.below(timeout) } else { 0 };
        match self.noise.below(25) {
            1 => (takes, Listed::Response(Response::new(502, "<html>"))),
            2 => (timeout, Listed::Lost),
            3 => {
                response = server::list(&earlier);
                response.is_from_cache = true;
                (takes, Listed::Response(response))
            }
            4 if !complete.is_empty() => {
                let first = serde_json::to_string(&complete[..1]).unwrap();
                let page = format!(r#"{{"portals":{first},"info":{{"more_records":true}}}}"#);
                (takes, Listed::Response(Response::new(200, page)))
            }
            _ => (takes, Listed::Response(response)),
        }
    }
}

fn time(at: u64) -> Option<Timestamp> {
    let seconds = i64::try_from(at / 1000).unwrap();
    Timestamp::from_unix_seconds(1_800_000_000 + seconds)
}

pub(super) fn refused(error: &ApiError) -> Response {
    let details = serde_json::to_value(&error.details).unwrap();
    let body = serde_json::json!({
        "code": error.code.as_str(), "details": details, "message": error.message, "status": "error",
    });
    // A refused create is in the list of what it was about; an error of the whole request is not.
    let body = match error.code {
        ErrorCode::AlreadyUsed | ErrorCode::LimitReached => {
            serde_json::json!({ "portals": [body] })
        }
        _ => body,
    };
    Response::new(error.http_status, body.to_string())
}

/// The org that a credential leads to.
pub(super) fn org_of(credential: Credential) -> usize {
    match credential {
        Credential::One | Credential::Other | Credential::Blind => OUR_ORG,
        Credential::Elsewhere => OUR_ORG + 1,
    }
}
