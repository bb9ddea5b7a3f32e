//! `--dry-run`: the requests of a create, as they would be sent.

use std::fmt::Write as _;

use portal_http::client::Credential;
use portal_model::oauth::{Grant, TokenRequest};
use portal_model::{
    CreateOperation, CreatePortal, Endpoint as _, ListPortals, PortalName, Request, Secret,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::org::destination::Destination;
use crate::report::exit::ExitClass;
use crate::terminal::printer::Printer;

/// What stands for every secret.
const REDACTED: &str = "REDACTED";
/// What stands for the URL of a server that is not running yet.
const LOCAL: &str = "http://127.0.0.1:PORT";

/// The requests of a create as they would be sent, without their secrets.
#[derive(Serialize, JsonSchema)]
pub(in crate::commands) struct DryRun<'a> {
    name: &'a str,
    /// The profile whose org it is about; null without one.
    profile: Option<&'a str>,
    #[schemars(extend("const" = "dry_run"))]
    outcome: &'static str,
    /// In their order; the later ones are sent only if they are needed.
    #[schemars(length(min = 1))]
    requests: Vec<Shown>,
}

/// A request without its secrets.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "request")]
struct Shown {
    #[serde(skip)]
    why: &'static str,
    #[schemars(extend("enum" = ["GET", "POST"]))]
    method: &'static str,
    url: String,
    /// Pairs of name and value.
    headers: Vec<(&'static str, String)>,
    body: String,
}

pub(super) fn run(
    wish: &CreateOperation,
    destination: &Destination,
    printer: &Printer,
) -> ExitClass {
    let requests = requests(wish, destination);
    let profile = destination.place().profile();
    let text: String = requests.iter().map(Shown::text).collect();
    let shown = DryRun { name: wish.name.as_str(), profile, outcome: "dry_run", requests };
    printer.result(text.trim_end(), &shown);
    ExitClass::Success
}

fn requests(wish: &CreateOperation, destination: &Destination) -> Vec<Shown> {
    let secret = || Secret::new(REDACTED.to_owned());
    let (version, api, accounts, client_id) = match destination {
        Destination::Local(version) => {
            (*version, LOCAL.to_owned(), LOCAL.to_owned(), Some("LOCAL".to_owned()))
        }
        Destination::Remote(target) => (
            target.version,
            target.api.url().unwrap_or_else(|| "API-DOMAIN-OF-THE-TOKEN".to_owned()),
            target.accounts.clone().unwrap_or_default(),
            match &target.credential {
                Credential::RefreshToken { client_id, .. } => Some(client_id.clone()),
                _ => None,
            },
        ),
    };
    let token = client_id.map(|client_id| {
        let request = TokenRequest::new(client_id, secret(), Grant::RefreshToken(secret()));
        Shown::new("An access token, unless a valid one is cached:", &accounts, request.request())
    });
    let list = Shown::new(
        "The org's portals; if this one is among them, nothing else is sent:",
        &api,
        ListPortals.request(version).authorized(&secret()),
    );
    let create = |why, name: &PortalName| {
        let request = CreatePortal::new(name.clone()).request(version);
        Shown::new(why, &api, request.authorized(&secret()))
    };
    let others = wish
        .fallbacks
        .iter()
        .map(|name| create("If the name before belongs to another organization:", name));
    token.into_iter().chain([list, create("The create:", &wish.name)]).chain(others).collect()
}

impl Shown {
    fn new(why: &'static str, base: &str, request: Request) -> Self {
        Self {
            why,
            method: request.method.as_str(),
            url: format!("{}{}", base.trim_end_matches('/'), request.path),
            headers: request.headers,
            body: String::from_utf8_lossy(&request.body).into_owned(),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("# {}\n{} {}\n", self.why, self.method, self.url);
        for (name, value) in &self.headers {
            let _ = writeln!(text, "{name}: {value}");
        }
        if !self.body.is_empty() {
            let _ = write!(text, "\n{}\n", self.body);
        }
        text.push('\n');
        text
    }
}
