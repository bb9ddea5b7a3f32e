//! Recorded requests as an HTTP archive (HAR 1.2), without their secrets.

use std::sync::Arc;

use serde_json::{Value, json};

use portal_http::server::MaskedMessage;

use crate::recorder::Recorded;

/// The archive of requests to the server at `url`.
pub(crate) fn archive(requests: &[Arc<Recorded>], url: &str) -> Value {
    let creator = json!({ "name": "portal-inspect", "version": env!("CARGO_PKG_VERSION") });
    let entries: Vec<_> = requests.iter().map(|recorded| entry(recorded, url)).collect();
    json!({ "log": { "version": "1.2", "creator": creator, "entries": entries } })
}

fn entry(recorded: &Recorded, url: &str) -> Value {
    let (record, masked) = (&recorded.record, &recorded.masked);
    let query = masked.query.as_deref();
    let target = query.map(|query| format!("?{query}")).unwrap_or_default();
    let parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let parameters: Vec<_> =
        parameters.map(|(name, value)| json!({ "name": name, "value": value })).collect();
    #[expect(clippy::cast_precision_loss, reason = "no request takes a century")]
    let took = record.us as f64 / 1000.0;
    let mut entry = json!({
        "startedDateTime": record.time,
        "time": took,
        "request": {
            "method": record.method,
            "url": format!("{url}{}{target}", record.path),
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": headers(&masked.request),
            "queryString": parameters,
            "headersSize": -1,
            "bodySize": masked.request.body.len() + masked.request.left_out,
        },
        "response": {
            // As browsers write what got no response.
            "status": record.status.unwrap_or(0),
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": headers(&masked.response),
            "content": {
                "size": masked.response.body.len() + masked.response.left_out,
                "mimeType": content_type(&masked.response),
                "text": masked.response.body,
            },
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": masked.response.body.len() + masked.response.left_out,
        },
        "cache": {},
        "timings": { "send": 0, "wait": took, "receive": 0 },
        "comment": record.faults.join(", "),
    });
    let request = entry.pointer_mut("/request").and_then(Value::as_object_mut);
    if let Some(request) = request.filter(|_| !masked.request.body.is_empty()) {
        let (kind, text) = (content_type(&masked.request), &masked.request.body);
        request.insert("postData".to_owned(), json!({ "mimeType": kind, "text": text }));
    }
    entry
}

fn headers(message: &MaskedMessage) -> Vec<Value> {
    let headers = message.headers.iter();
    headers.map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

fn content_type(message: &MaskedMessage) -> &str {
    let found = message.headers.iter().find(|(name, _)| name == "content-type");
    found.map_or("", |(_, value)| value)
}
