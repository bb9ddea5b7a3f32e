//! [`Recorder`]: the last requests of a server, in bounded memory and at a bounded cost.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portal_http::server::{MaskedMessage, MaskedRequest, RequestRecord, ServedRequest};
use portal_model::neutral::cut;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast;

/// Requests that are kept.
const MAX_REQUESTS: usize = 1000;
/// Bytes that they have together.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of one body that are kept.
const MAX_BODY: usize = 16 * 1024;
/// Requests recorded per second after a burst of [`MAX_REQUESTS`], so that recording doesn't slow down
/// a server under load.
const PER_SECOND: u32 = 100;
/// How far `ahead_to` may run ahead of the clock: the time that a burst takes at that rate.
const BURST: Duration = Duration::from_secs(MAX_REQUESTS as u64 / PER_SECOND as u64);
/// Requests that a slow reader of events can be behind.
const MAX_BEHIND: usize = 256;
/// Readers of events.
const MAX_FOLLOWERS: usize = 16;

/// A request and its response, without secrets.
#[derive(Debug, Serialize)]
pub(crate) struct Recorded {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) record: RequestRecord,
    #[serde(flatten)]
    pub(crate) masked: MaskedRequest,
}

/// The last requests, the oldest first.
#[derive(Debug)]
pub(crate) struct Recorder {
    state: Mutex<State>,
    events: broadcast::Sender<Event>,
}

/// What readers are told as it happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Request(Arc<Recorded>),
    /// All that there was is gone.
    Reset,
}

/// The requests after one that a reader has.
#[derive(Debug)]
pub(crate) struct Since {
    pub(crate) requests: Vec<Arc<Recorded>>,
    /// That one, or 0 if it is of another server.
    pub(crate) after: u64,
    /// How many were not recorded.
    pub(crate) skipped: u64,
}

#[derive(Debug, Default)]
struct State {
    requests: VecDeque<(Arc<Recorded>, usize)>,
    bytes: usize,
    last_id: u64,
    /// When the requests recorded so far would be due at [`PER_SECOND`].
    ahead_to: Option<Instant>,
    skipped: u64,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { state: Mutex::default(), events: broadcast::Sender::new(MAX_BEHIND) }
    }
}

impl Recorder {
    /// Records a request, unless the rate is exceeded.
    pub(crate) fn record(&self, request: &ServedRequest<'_>) {
        if self.admits() {
            self.keep(Recorded::new(request));
        }
    }

    fn keep(&self, mut recorded: Recorded) {
        let size = recorded.size();
        let mut state = self.lock();
        // Only now: a reader that has one has all that were recorded before it.
        state.last_id += 1;
        recorded.id = state.last_id;
        let recorded = Arc::new(recorded);
        state.bytes += size;
        state.requests.push_back((Arc::clone(&recorded), size));
        while state.requests.len() > MAX_REQUESTS || state.bytes > MAX_BYTES {
            let Some((_, size)) = state.requests.pop_front() else { break };
            state.bytes -= size;
        }
        drop(state);
        // Fails if nobody reads.
        let _ = self.events.send(Event::Request(recorded));
    }

    fn admits(&self) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        let ahead_to = state.ahead_to.unwrap_or(now);
        if ahead_to > now + BURST {
            state.skipped += 1;
            return false;
        }
        state.ahead_to = Some(ahead_to.max(now) + Duration::from_secs(1) / PER_SECOND);
        true
    }

    /// Those after the request `after`.
    pub(crate) fn since(&self, after: u64) -> Since {
        let state = self.lock();
        // A reader of the server that ran here before has numbers of its own.
        let after = if after > state.last_id { 0 } else { after };
        let all = state.requests.iter().map(|(recorded, _)| recorded);
        let requests = all.filter(|recorded| recorded.id > after).cloned().collect();
        Since { requests, after, skipped: state.skipped }
    }

    pub(crate) fn get(&self, id: u64) -> Option<Arc<Recorded>> {
        let state = self.lock();
        let mut all = state.requests.iter().map(|(recorded, _)| recorded);
        all.find(|recorded| recorded.id == id).cloned()
    }

    /// Those from now on, unless there are too many readers.
    pub(crate) fn follow(&self) -> Option<broadcast::Receiver<Event>> {
        (self.events.receiver_count() < MAX_FOLLOWERS).then(|| self.events.subscribe())
    }

    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        *state = State { last_id: state.last_id, ..State::default() };
        drop(state);
        let _ = self.events.send(Event::Reset);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorded {
    /// Its id is given once it is kept.
    fn new(request: &ServedRequest<'_>) -> Self {
        let (mut record, mut masked) = (RequestRecord::from(request), request.masked());
        record.method = cut(&record.method);
        record.path = cut(&record.path);
        record.portal = record.portal.as_deref().map(cut);
        shorten(&mut masked.request);
        shorten(&mut masked.response);
        Self { id: 0, record, masked }
    }

    /// Its JSON in a list, without headers and bodies.
    pub(crate) fn listed(&self) -> Value {
        let mut listed = json!(self.record);
        if let Value::Object(members) = &mut listed {
            members.insert("id".to_owned(), self.id.into());
        }
        listed
    }

    /// About the bytes that it takes in memory: its JSON has all texts, and a name for each member.
    fn size(&self) -> usize {
        size_of::<Self>() + serde_json::to_vec(self).map_or(0, |json| json.len())
    }

    /// The path with its query.
    pub(crate) fn target(&self) -> String {
        let query = self.masked.query.as_ref().map(|query| format!("?{query}"));
        self.record.path.clone() + &query.unwrap_or_default()
    }
}

/// Leaves out the end of a long body.
fn shorten(message: &mut MaskedMessage) {
    let MaskedMessage { body, left_out, .. } = message;
    if body.len() > MAX_BODY {
        let kept = body.floor_char_boundary(MAX_BODY);
        *left_out += body.len() - kept;
        body.truncate(kept);
        body.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(body: String) -> Recorded {
        let message = |body| json!({ "headers": [], "body": body, "left_out": 0 });
        let record = json!({
            "time": "2026-11-25T14:03:25.114Z", "method": "POST", "path": "/crm/v7/settings/portals",
            "status": 200, "us": 1, "faults": [],
        });
        let record = serde_json::from_value(record).unwrap();
        let masked = json!({ "request": message(body), "response": message(String::new()) });
        Recorded { id: 0, record, masked: serde_json::from_value(masked).unwrap() }
    }

    #[test]
    fn oldest_requests_are_forgotten_first() {
        let recorder = Recorder::default();
        (1..=1500).for_each(|_| recorder.keep(recorded(String::new())));
        let kept = recorder.since(0).requests;
        assert_eq!((kept.len(), kept[0].id), (MAX_REQUESTS, 501));
        assert!(recorder.get(500).is_none() && recorder.get(501).is_some());
    }

    #[test]
    fn long_bodies_leave_room_for_fewer_requests() {
        let recorder = Recorder::default();
        (1..=10).for_each(|_| recorder.keep(recorded("x".repeat(MAX_BYTES / 4))));
        assert_eq!(recorder.since(0).requests.len(), 3);
        assert!(recorder.lock().bytes <= MAX_BYTES);
    }

    #[test]
    fn requests_beyond_rate_are_counted_only() {
        let recorder = Recorder::default();
        let begun = Instant::now();
        let sent = MAX_REQUESTS * 3;
        let admitted = (0..sent).filter(|_| recorder.admits()).count();
        // On a machine that takes seconds for it, each second has its share.
        let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;
        assert!(admitted >= MAX_REQUESTS);
        assert!(admitted <= MAX_REQUESTS + 1 + PER_SECOND as usize * seconds);
        assert_eq!(recorder.since(0).skipped, (sent - admitted) as u64);
        recorder.clear();
        assert!(recorder.admits());
        assert_eq!(recorder.since(0).skipped, 0);
    }
}
