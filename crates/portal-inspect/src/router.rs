//! The routes, what each responds, and what every response has.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use maud::Markup;
use portal_model::neutral::escaped;
use portal_store::{Registry, RegistryError};
use serde_json::json;
use tokio::time::timeout;

use crate::filter;
use crate::har;
use crate::inspector::Inspector;
use crate::page::{self, Frame};
use crate::recorder::{Recorded, Since};
use crate::request::ReceivedRequest;
use crate::response::{
    Body, Refusal, RouteResult, html, json, plain, see_other, text, with_status,
};

/// A probe gets its response before it gives up.
const READY_TIMEOUT: Duration = Duration::from_secs(2);
/// Orgs that a page shows: more are for `portal admin`.
const MAX_ORGS: usize = 500;

/// What every response has.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Not `no-referrer`, with which a form of the page itself has the origin `null`.
    (header::REFERRER_POLICY, "same-origin"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src \
         'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
];

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl<R: Registry> Inspector<R> {
    /// Responds, also to a request that is refused.
    pub(crate) async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        let is_api = request.uri().path().starts_with("/api/");
        let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let is_page = accepted.is_some_and(|accepted| accepted.contains("text/html"));
        let mut response = self.route(request).await.unwrap_or_else(|Refusal(status, message)| {
            let refused = match (is_api, is_page) {
                (true, _) => json(&json!({ "error": message })),
                (false, true) => html(page::refused(&Frame::of(self), &message)),
                (false, false) => plain(message),
            };
            with_status(status, refused)
        });
        let headers = HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value)));
        response.headers_mut().extend(headers);
        response
    }

    async fn route(&self, request: Request<Incoming>) -> RouteResult {
        let request = &ReceivedRequest::receive(request, &self.about).await?;
        let frame = || Frame::of(self);
        // The last segment may be the id of a request.
        let (parent, id) = request.path().rsplit_once('/').unwrap_or_default();
        match (request.is_post(), request.path()) {
            (false, "/") => Ok(html(self.page_of_requests(request))),
            (false, "/requests/events") => self.events(request, row),
            (false, "/orgs") => self.page_of_orgs(request).await,
            (false, "/faults") => Ok(html(page::faults(&frame(), None))),
            (false, "/icon.svg") => Ok(text("image/svg+xml", page::ICON)),
            (false, "/style.css") => Ok(text("text/css; charset=utf-8", page::STYLE)),
            (false, "/script.js") => Ok(text("text/javascript; charset=utf-8", page::SCRIPT)),
            (false, "/api/requests") => self.api_requests(request),
            (false, "/api/requests.har") => self.archive(request),
            (false, "/api/requests/events") => self.events(request, line),
            (false, "/api/faults") => Ok(json(&self.faults())),
            (false, "/openapi.json") => Ok(json(&self.about.openapi())),
            (false, "/healthz") => Ok(plain("ok")),
            (false, "/readyz") => self.ready().await,
            (false, "/metrics") => Ok(text(OPEN_METRICS, self.watch.metrics.text())),
            (true, "/faults") => self.switch_fault(request),
            (true, "/reset") => self.reset().map(|()| back(request)),
            (true, "/clear") => Ok(self.clear(back(request))),
            (true, "/api/faults") => self.change_faults(request),
            (true, "/api/clear") => Ok(self.clear(json(&json!({ "cleared": true })))),
            (true, "/api/reset") => self.reset().map(|()| json(&json!({ "reset": true }))),
            (false, _) if parent == "/requests" => {
                Ok(html(page::request(&frame(), &*self.get(id)?)))
            }
            (false, _) if parent == "/api/requests" => Ok(json(&json!(*self.get(id)?))),
            _ => Err(nothing_here()),
        }
    }

    fn page_of_requests(&self, request: &ReceivedRequest) -> Markup {
        let filter = request.parameter("q").unwrap_or_default();
        page::requests(&Frame::of(self), &self.watch.recorder.since(0), &filter)
    }

    fn api_requests(&self, request: &ReceivedRequest) -> RouteResult {
        let since = self.matching(request)?;
        let requests: Vec<_> = since.requests.iter().map(|recorded| recorded.listed()).collect();
        Ok(json(&json!({ "requests": requests, "not_recorded": since.skipped })))
    }

    /// The same requests in full, as browsers' developer tools and HTTP clients import them.
    fn archive(&self, request: &ReceivedRequest) -> RouteResult {
        Ok(json(&har::archive(&self.matching(request)?.requests, &self.about.url)))
    }

    /// The requests that a reader asks for.
    fn matching(&self, request: &ReceivedRequest) -> Result<Since, Refusal> {
        let mut since = self.watch.recorder.since(request.after()?);
        let filter = request.parameter("q").unwrap_or_default();
        since.requests.retain(|recorded| filter::matches(&recorded.record, &filter));
        Ok(since)
    }

    fn get(&self, id: &str) -> Result<Arc<Recorded>, Refusal> {
        let id = id.parse().map_err(|_| nothing_here())?;
        self.watch.recorder.get(id).ok_or_else(|| {
            Refusal(StatusCode::NOT_FOUND, format!("the request {id} is not kept any more"))
        })
    }

    async fn page_of_orgs(&self, request: &ReceivedRequest) -> RouteResult {
        let failed =
            |error: RegistryError| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
        let shows_secrets = request.parameter("secrets").as_deref() == Some("shown");
        let registry = self.service.registry();
        let orgs = registry.orgs().await.map_err(failed)?;
        let count = orgs.len();
        let mut shown = Vec::new();
        for org in orgs.into_iter().take(MAX_ORGS) {
            let users = registry.users(org.id).await.map_err(failed)?;
            let portals = registry.portals(org.id).await.map_err(failed)?;
            shown.push((org, users, portals));
        }
        Ok(html(page::orgs(&Frame::of(self), &shown, count, shows_secrets)))
    }

    /// Begins anew with the orgs and the faults of the start.
    fn reset(&self) -> Result<(), Refusal> {
        let Some((registry, seed)) = &self.about.throwaway else {
            let message = "this server keeps its data: only one in memory can begin anew";
            return Err(Refusal(StatusCode::CONFLICT, message.to_owned()));
        };
        registry.reset(seed, self.service.now());
        self.service.restart_faults();
        self.report_faults();
        self.watch.recorder.clear();
        Ok(())
    }

    /// Forgets the requests, and responds.
    fn clear(&self, response: Response<Body>) -> Response<Body> {
        self.watch.recorder.clear();
        response
    }

    /// Whether requests can be served now.
    async fn ready(&self) -> RouteResult {
        let unready = if self.watch.is_draining.load(Ordering::Relaxed) {
            "shutting down".to_owned()
        } else {
            // Of no token: a change that changes nothing, which every engine has to carry out. A read
            // succeeds while the files of the registry are gone.
            let changed = self.service.registry().expire_access_token("readiness");
            match timeout(READY_TIMEOUT, changed).await {
                Ok(Ok(_)) => return Ok(plain("ready")),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "timed out waiting for the registry".to_owned(),
            }
        };
        Ok(with_status(StatusCode::SERVICE_UNAVAILABLE, plain(unready)))
    }
}

/// To the section that a form names.
fn back(request: &ReceivedRequest) -> Response<Body> {
    see_other(page::section(&request.field("back")))
}

fn nothing_here() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "there is nothing here".to_owned())
}

/// A request as the page lists it.
fn row(recorded: &Recorded) -> String {
    page::row(recorded, false).into_string()
}

/// A request as JSON in one line.
fn line(recorded: &Recorded) -> String {
    escaped(&recorded.listed().to_string())
}
