//! The routes of the admin listener, and who may use them.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use portal_http::server::FaultSpec;
use portal_model::neutral::escaped;
use portal_store::Registry;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::page;
use super::recorder::{Event, Recorded};
use super::state::Admin;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Longest body of a request.
const MAX_BODY: usize = 64 * 1024;
/// Longest wait for all of a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// A probe gets its response before it gives up.
const READY_TIMEOUT: Duration = Duration::from_secs(2);
/// Faults in force at once, those for one request included.
const MAX_FAULTS: usize = 100;
/// A comment is sent so often, so that a reader who is gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

const EVENTS: &str = "text/event-stream";
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Why a request is refused.
struct Refusal(StatusCode, String);

impl From<portal_store::RegistryError> for Refusal {
    fn from(error: portal_store::RegistryError) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

/// Responds; `is_follower` is set if the response lasts as long as its reader wants.
pub(super) async fn respond<R: Registry>(
    admin: &Arc<Admin<R>>,
    is_follower: &AtomicBool,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let is_api = request.uri().path().starts_with("/api/");
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let is_page = accepted.is_some_and(|accepted| accepted.contains("text/html"));
    let mut response = match route(admin, request).await {
        Ok(response) => response,
        Err(Refusal(status, message)) if is_api => with_json(status, &json!({ "error": message })),
        Err(Refusal(status, message)) if is_page => {
            let mut response = html(page::refused(admin, &message));
            *response.status_mut() = status;
            response
        }
        Err(Refusal(status, message)) => with_text(status, message + "\n"),
    };
    let content_type = response.headers().get(header::CONTENT_TYPE);
    is_follower.store(content_type.is_some_and(|it| it == EVENTS), Ordering::Relaxed);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`, with which a form of the page itself has the origin `null`.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

async fn route<R: Registry>(
    admin: &Arc<Admin<R>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let (head, body) = request.into_parts();
    check_host(admin, &head.headers)?;
    let path = head.uri.path();
    let query = head.uri.query().unwrap_or_default();
    let parameter = |wanted: &str| {
        let mut all = form_urlencoded::parse(query.as_bytes());
        all.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    if head.method == Method::POST {
        check_origin(&head.headers)?;
        let body = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await;
        let body = body.map_err(|_| {
            let message = "timed out waiting for the body".to_owned();
            Refusal(StatusCode::REQUEST_TIMEOUT, message)
        })?;
        let body = body.map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.to_string()))?;
        return change(admin, path, &body.to_bytes());
    }
    if ![Method::GET, Method::HEAD].contains(&head.method) {
        let message = "expected GET or POST".to_owned();
        return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, message));
    }
    let recorder = &admin.watch.recorder;
    Ok(match path {
        "/" => {
            let filter = parameter("q").unwrap_or_default();
            html(page::requests(admin, &recorder.since(0), &filter))
        }
        "/orgs" => {
            let (orgs, count) = admin.orgs().await?;
            html(page::orgs(admin, &orgs, count, parameter("secrets").as_deref() == Some("shown")))
        }
        "/faults" => html(page::faults(admin, None)),
        "/icon.svg" => asset("image/svg+xml", include_str!("icon.svg")),
        "/style.css" => asset("text/css; charset=utf-8", include_str!("style.css")),
        "/script.js" => asset("text/javascript; charset=utf-8", include_str!("script.js")),
        "/healthz" => with_text(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => match tokio::time::timeout(READY_TIMEOUT, admin.unready()).await {
            Ok(None) => with_text(StatusCode::OK, "ready\n".to_owned()),
            Ok(Some(why)) => with_text(StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
            Err(_) => {
                let why = "timed out waiting for the registry\n".to_owned();
                with_text(StatusCode::SERVICE_UNAVAILABLE, why)
            }
        },
        "/metrics" => asset(
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            admin.watch.metrics.text(),
        ),
        "/requests/events" => events(admin, after(&head.headers, parameter("after"))?, row)?,
        "/api/requests/events" => {
            events(admin, after(&head.headers, parameter("after"))?, |recorded| {
                escaped(&json!(recorded.summary).to_string())
            })?
        }
        "/api/requests" => {
            let after = after(&head.headers, parameter("after"))?;
            let since = recorder.since(after);
            let summaries: Vec<_> =
                since.requests.iter().map(|recorded| &recorded.summary).collect();
            let all = json!({ "requests": summaries, "not_recorded": since.skipped });
            with_json(StatusCode::OK, &all)
        }
        "/api/faults" => with_json(StatusCode::OK, &faults(admin)),
        _ => return one_request(admin, path),
    })
}

/// `/requests/7` and `/api/requests/7`.
fn one_request<R: Registry>(admin: &Admin<R>, path: &str) -> Result<Response<Body>, Refusal> {
    let not_found = || Refusal(StatusCode::NOT_FOUND, "there is nothing here".to_owned());
    let (id, is_json) = match (path.strip_prefix("/api/requests/"), path.strip_prefix("/requests/"))
    {
        (Some(id), _) => (id, true),
        (None, Some(id)) => (id, false),
        (None, None) => return Err(not_found()),
    };
    let id = id.parse().map_err(|_| not_found())?;
    let recorded = admin.watch.recorder.get(id).ok_or_else(|| {
        Refusal(StatusCode::NOT_FOUND, format!("the request {id} is not kept any more"))
    })?;
    Ok(if is_json {
        with_json(StatusCode::OK, &json!(*recorded))
    } else {
        html(page::request(admin, &recorded))
    })
}

/// The body of `POST /api/faults`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangedFaults {
    /// Replaces all faults.
    faults: Option<Vec<String>>,
    /// Each is injected into the next request that it matches.
    #[serde(default)]
    once: Vec<String>,
}

fn change<R: Registry>(
    admin: &Admin<R>,
    path: &str,
    body: &[u8],
) -> Result<Response<Body>, Refusal> {
    let bad = |error: String| Refusal(StatusCode::BAD_REQUEST, error);
    let parse =
        |text: &str| text.trim().parse::<FaultSpec>().map_err(|error| bad(error.to_string()));
    match path {
        "/api/faults" => {
            let changed: ChangedFaults =
                serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
            let parse_all = |texts: Vec<String>| -> Result<Vec<_>, Refusal> {
                texts.iter().map(|text| parse(text)).collect()
            };
            // All or nothing.
            let faults = changed.faults.map(parse_all).transpose()?;
            let once = parse_all(changed.once)?;
            change_faults(admin, |in_force, of_once| {
                if let Some(faults) = faults {
                    *in_force = faults;
                    of_once.clear();
                }
                of_once.extend(once);
            })?;
            Ok(with_json(StatusCode::OK, &self::faults(admin)))
        }
        "/api/reset" => {
            reset(admin)?;
            Ok(with_json(StatusCode::OK, &json!({ "reset": true })))
        }
        "/reset" => {
            reset(admin)?;
            Ok(see_other("/orgs"))
        }
        "/faults" => switch_fault(admin, body),
        _ => Err(Refusal(StatusCode::NOT_FOUND, "there is nothing here".to_owned())),
    }
}

/// The forms of the page about faults.
fn switch_fault<R: Registry>(admin: &Admin<R>, body: &[u8]) -> Result<Response<Body>, Refusal> {
    let field = |wanted: &str| {
        let mut all = form_urlencoded::parse(body);
        all.find(|(name, _)| name == wanted).map(|(_, value)| value).unwrap_or_default()
    };
    let text = field("spec");
    let fault: FaultSpec = match text.trim().parse() {
        Ok(fault) => fault,
        Err(error) => {
            let mut response = html(page::faults(admin, Some((&text, &error))));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return Ok(response);
        }
    };
    change_faults(admin, |in_force, once| match &*field("action") {
        "once" => once.push(fault),
        "remove" => in_force.retain(|other| *other != fault),
        "remove-once" => once.retain(|other| *other != fault),
        _ if in_force.contains(&fault) => {}
        _ => in_force.push(fault),
    })?;
    Ok(see_other("/faults"))
}

/// Changes those in force and those for one request, unless there would be too many.
fn change_faults<R: Registry>(
    admin: &Admin<R>,
    change: impl FnOnce(&mut Vec<FaultSpec>, &mut Vec<FaultSpec>),
) -> Result<(), Refusal> {
    admin.service.update_faults(|in_force, once| {
        let (mut new_in_force, mut new_once) = (in_force.clone(), once.clone());
        change(&mut new_in_force, &mut new_once);
        let count = new_in_force.len() + new_once.len();
        if count > MAX_FAULTS {
            let message = format!("expected at most {MAX_FAULTS} faults in all, found {count}");
            return Err(Refusal(StatusCode::BAD_REQUEST, message));
        }
        (*in_force, *once) = (new_in_force, new_once);
        Ok(())
    })
}

fn reset<R: Registry>(admin: &Admin<R>) -> Result<(), Refusal> {
    let (_, reset) = admin.throwaway.as_ref().ok_or_else(|| {
        let message = "this server keeps its data: only one without `--data` and `--database-url` \
                       can begin anew";
        Refusal(StatusCode::CONFLICT, message.to_owned())
    })?;
    reset().map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    admin.watch.recorder.clear();
    Ok(())
}

fn faults<R: Registry>(admin: &Admin<R>) -> Value {
    let texts =
        |faults: Vec<FaultSpec>| -> Vec<_> { faults.iter().map(ToString::to_string).collect() };
    json!({ "faults": texts(admin.service.faults()), "once": texts(admin.service.faults_once()) })
}

/// The request after which a reader continues: a browser that connects again says it in a header.
fn after(headers: &HeaderMap, parameter: Option<String>) -> Result<u64, Refusal> {
    let last_event =
        headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    last_event.or(parameter).as_deref().unwrap_or("0").parse().map_err(|_| {
        let message = "expected the id of a request in `after`".to_owned();
        Refusal(StatusCode::BAD_REQUEST, message)
    })
}

/// The requests after the request `after` and those to come, each as an event.
fn events<R: Registry>(
    admin: &Admin<R>,
    after: u64,
    text: impl Fn(&Recorded) -> String + Send + Sync + 'static,
) -> Result<Response<Body>, Refusal> {
    let requests = &admin.watch.recorder;
    // Before looking at those that are there, so that none is missed between the two.
    let receiver = requests.follow().ok_or_else(|| {
        let message = "too many readers follow the requests".to_owned();
        Refusal(StatusCode::SERVICE_UNAVAILABLE, message)
    })?;
    let since = requests.since(after);
    let last = since.requests.last().map_or(since.after, |recorded| recorded.summary.id);
    // One at a time, so that a reader that is slow takes no memory.
    let state = (since.requests.into_iter(), receiver, text);
    let events = stream::unfold(state, move |(mut missed, mut receiver, text)| async move {
        let frame = match missed.next() {
            Some(recorded) => event(&recorded, &text),
            None => loop {
                match tokio::time::timeout(KEEP_ALIVE, receiver.recv()).await {
                    Ok(Ok(Event::Request(recorded))) if recorded.summary.id <= last => {}
                    Ok(Ok(Event::Request(recorded))) => break event(&recorded, &text),
                    Ok(Ok(Event::Reset)) => break "event: reset\ndata:\n\n".to_owned(),
                    // The reader loads everything again.
                    Ok(Err(RecvError::Lagged(_))) => break "event: lagged\ndata:\n\n".to_owned(),
                    Ok(Err(RecvError::Closed)) => return None,
                    Err(_) => break ": still here\n\n".to_owned(),
                }
            },
        };
        Some((frame, (missed, receiver, text)))
    });
    // Even without a request to tell, so that a reader knows that it is connected.
    let first = stream::iter([": listening\n\n".to_owned()]);
    let frames = first.chain(events).map(|text| Ok(Frame::data(Bytes::from(text))));
    let body = StreamBody::new(frames).boxed_unsync();
    Ok(response(StatusCode::OK, EVENTS, body))
}

fn event(recorded: &Recorded, text: impl Fn(&Recorded) -> String) -> String {
    // A line break within the data would end it.
    let data = text(recorded).replace('\r', "").replace('\n', "\ndata: ");
    format!("id: {}\ndata: {data}\n\n", recorded.summary.id)
}

fn row(recorded: &Recorded) -> String {
    page::row(&recorded.summary, false).into_string()
}

/// A web page can point a name of its own at a loopback address and read what is there.
fn check_host<R>(admin: &Admin<R>, headers: &HeaderMap) -> Result<(), Refusal> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    };
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
    let is_own = if let Ok(address) = address {
        address.to_canonical().is_loopback() || !admin.address.ip().to_canonical().is_loopback()
    } else {
        // Other names can be anybody's.
        let mut own = admin.allowed_hosts.iter().map(String::as_str).chain(["localhost"]);
        own.any(|own| own.eq_ignore_ascii_case(name))
    };
    if is_own {
        return Ok(());
    }
    let message = format!(
        "expected the host localhost, an IP address of this machine or one of `--allow-host`, found \
         {host:?}"
    );
    Err(Refusal(StatusCode::MISDIRECTED_REQUEST, message))
}

/// A page of another origin must not change anything. Browsers say where a POST comes from; programs
/// say nothing.
fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("null"));
    let host = text(header::HOST).unwrap_or_default();
    let is_own_origin =
        text(header::ORIGIN).is_none_or(|origin| origin == format!("http://{host}"));
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if is_own_origin && site.is_none_or(|site| [&b"same-origin"[..], b"none"].contains(&site)) {
        return Ok(());
    }
    Err(Refusal(StatusCode::FORBIDDEN, "a page of another origin cannot change this server".into()))
}

fn html(page: maud::Markup) -> Response<Body> {
    asset("text/html; charset=utf-8", page.into_string())
}

fn asset(content_type: &'static str, text: impl Into<Bytes>) -> Response<Body> {
    response(StatusCode::OK, content_type, Full::new(text.into()).boxed_unsync())
}

fn with_text(status: StatusCode, text: String) -> Response<Body> {
    response(status, "text/plain; charset=utf-8", Full::new(text.into()).boxed_unsync())
}

fn with_json(status: StatusCode, json: &Value) -> Response<Body> {
    let body = Full::new(Bytes::from(escaped(&json.to_string()) + "\n"));
    response(status, "application/json", body.boxed_unsync())
}

fn see_other(path: &'static str) -> Response<Body> {
    let mut response = with_text(StatusCode::SEE_OTHER, String::new());
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(path));
    response
}

fn response(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
