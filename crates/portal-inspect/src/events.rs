//! The requests as server-sent events.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use portal_store::Registry;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::inspector::Inspector;
use crate::recorder::{Event, Recorded};
use crate::request::ReceivedRequest;
use crate::response::{Refusal, RouteResult, with_type};

/// The type of a response that lasts as long as its reader wants.
const EVENTS: &str = "text/event-stream";
/// A comment is sent so often, so that a reader who is gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

impl<R: Registry> Inspector<R> {
    /// The requests after the one that the reader has and those to come, each as an event.
    pub(crate) fn events(
        &self,
        request: &ReceivedRequest,
        text: fn(&Recorded) -> String,
    ) -> RouteResult {
        let (requests, after) = (&self.watch.recorder, request.after()?);
        // Before looking at those that are there, so that none is missed between the two.
        let receiver = requests.follow().ok_or_else(|| {
            let message = "too many readers follow the requests";
            Refusal(StatusCode::SERVICE_UNAVAILABLE, message.into())
        })?;
        let since = requests.since(after);
        let last = since.requests.last().map_or(since.after, |recorded| recorded.id);
        // One at a time, so that a reader that is slow takes no memory.
        let missed = since.requests.into_iter().map(move |recorded| event(&recorded, text));
        let live = stream::unfold(receiver, move |mut receiver| async move {
            let event = loop {
                match timeout(KEEP_ALIVE, receiver.recv()).await {
                    Ok(Ok(Event::Request(recorded))) if recorded.id <= last => {}
                    Ok(Ok(Event::Request(recorded))) => break event(&recorded, text),
                    Ok(Ok(Event::Reset)) => break "event: reset\ndata:\n\n".to_owned(),
                    // The reader loads everything again.
                    Ok(Err(RecvError::Lagged(_))) => break "event: lagged\ndata:\n\n".to_owned(),
                    Ok(Err(RecvError::Closed)) => return None,
                    Err(_) => break ": still here\n\n".to_owned(),
                }
            };
            Some((event, receiver))
        });
        // Even without a request to tell, so that a reader knows that it is connected.
        let first = stream::iter([": listening\n\n".to_owned()]);
        let frames =
            first.chain(stream::iter(missed)).chain(live).map(Bytes::from).map(Frame::data);
        Ok(with_type(EVENTS, StreamBody::new(frames.map(Ok)).boxed_unsync()))
    }
}

fn event(recorded: &Recorded, text: fn(&Recorded) -> String) -> String {
    // A line break within the data would end it.
    let data = text(recorded).replace('\r', "").replace('\n', "\ndata: ");
    format!("id: {}\ndata: {data}\n\n", recorded.id)
}
