//! What switches faults on and off: by the forms of the page, and as JSON.

use http::StatusCode;
use portal_http::server::FaultSpec;
use portal_store::Registry;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::inspector::Inspector;
use crate::page::{self, Frame};
use crate::request::ReceivedRequest;
use crate::response::{Refusal, RouteResult, bad_request, html, json, see_other, with_status};

/// Faults in force at once, those for one request included.
const MAX_FAULTS: usize = 100;

/// What a body must be.
const EXPECTED: &str = r#"expected JSON such as {"faults": ["POST committed:drop"], "once": []}"#;

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

impl<R: Registry> Inspector<R> {
    pub(crate) fn faults(&self) -> Value {
        let faults = self.service.faults().into_iter();
        let (once, others): (Vec<_>, Vec<_>) = faults.partition(FaultSpec::is_once);
        let texts =
            |faults: Vec<FaultSpec>| -> Vec<_> { faults.iter().map(ToString::to_string).collect() };
        json!({ "faults": texts(others), "once": texts(once) })
    }

    pub(crate) fn change_faults(&self, request: &ReceivedRequest) -> RouteResult {
        let invalid = |error: serde_json::Error| bad_request(format!("{EXPECTED}: {error}"));
        let changed: ChangedFaults = serde_json::from_slice(&request.body).map_err(invalid)?;
        let parse = |texts: Vec<String>| -> Result<Vec<FaultSpec>, Refusal> {
            texts.iter().map(|text| text.trim().parse().map_err(bad_request)).collect()
        };
        // All or nothing.
        let (faults, once) = (changed.faults.map(parse).transpose()?, parse(changed.once)?);
        self.update_faults(|in_force| {
            if let Some(faults) = faults {
                *in_force = faults;
            }
            in_force.extend(once.into_iter().map(FaultSpec::once));
        })?;
        Ok(json(&self.faults()))
    }

    /// The forms of the page.
    pub(crate) fn switch_fault(&self, request: &ReceivedRequest) -> RouteResult {
        let text = request.field("spec");
        let fault: FaultSpec = match text.trim().parse() {
            Ok(fault) => fault,
            Err(error) => {
                let page = html(page::faults(&Frame::of(self), Some((&text, &error))));
                return Ok(with_status(StatusCode::BAD_REQUEST, page));
            }
        };
        self.update_faults(|in_force| match &*request.field("action") {
            "once" => in_force.push(fault.once()),
            "remove" => in_force.retain(|other| *other != fault),
            "remove-once" => {
                let fault = fault.once();
                in_force.retain(|other| *other != fault);
            }
            _ if in_force.contains(&fault) => {}
            _ => in_force.push(fault),
        })?;
        Ok(see_other(page::section(&request.field("back"))))
    }

    /// Changes those in force, unless there would be too many.
    fn update_faults(&self, change: impl FnOnce(&mut Vec<FaultSpec>)) -> Result<(), Refusal> {
        let changed = self.service.update_faults(|in_force| {
            let before = in_force.clone();
            change(in_force);
            let count = in_force.len();
            if count > MAX_FAULTS {
                *in_force = before;
                let limit = format!("expected at most {MAX_FAULTS} faults in all, found {count}");
                return Err(bad_request(limit));
            }
            Ok(())
        });
        self.report_faults();
        changed
    }

    /// Invokes the callback with the faults in force.
    pub(crate) fn report_faults(&self) {
        if let Some(on_faults) = &self.about.on_faults {
            on_faults(&self.service.faults());
        }
    }
}
