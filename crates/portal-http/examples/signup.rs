//! A service with a sign-up form: each sign-up gets a portal, and a crash at any moment makes no second
//! one.
//!
//! ```text
//! portal serve &
//! eval "$(portal serve env)"
//! cargo run -p portal-http --features sqlite --example signup
//! curl -d name=AcmePortal http://127.0.0.1:3000/signups/4711
//! ```

use std::env::var;
use std::error::Error;
use std::io;
use std::time::Duration;

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Router, serve};
use portal_http::client::{Client, Credential, SafeClient};
use portal_http::ledger::Ledger;
use portal_http::model::flow::NameTaken;
use portal_http::model::{Outcome, PortalName};
use tokio::net::TcpListener;
use tokio::time::timeout;

/// How long a browser waits. The create goes on, and the same form, sent again, waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(serde::Deserialize)]
struct SignUp {
    name: String,
}

async fn sign_up(
    State(portals): State<SafeClient>,
    Path(id): Path<String>,
    Form(form): Form<SignUp>,
) -> (StatusCode, String) {
    let name = match PortalName::parse(&form.name) {
        Ok(name) => name,
        Err(error) => return (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
    };
    // Sent twice, or again after a crash, the sign-up is the same operation: its id is the key.
    let create = portals.create(name).key(id).allow_another().name_taken(NameTaken::AtOnce);
    let Ok(ended) = timeout(PATIENCE, create.start()).await else {
        return (StatusCode::ACCEPTED, "This takes a while: reload the page.".to_owned());
    };
    let status = match &ended.outcome {
        outcome if outcome.is_ours() => StatusCode::CREATED,
        Outcome::Present { .. } | Outcome::NameTaken { .. } => StatusCode::CONFLICT,
        Outcome::Unknown { .. } => StatusCode::ACCEPTED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, ended.outcome.to_string())
}

/// Serves until `stop`.
pub(crate) async fn run(
    portals: SafeClient,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    tokio::spawn(portals.recover());
    let service = Router::new().route("/signups/{id}", post(sign_up)).with_state(portals.clone());
    serve(listener, service).with_graceful_shutdown(stop).await?;
    // What is still in doubt then is recovered at the next start.
    portals.shutdown(Duration::from_secs(20)).await.map(drop).map_err(io::Error::other)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (secret, token) = (var("PORTAL_CLIENT_SECRET")?, var("PORTAL_REFRESH_TOKEN")?);
    let credential = Credential::refresh_token(var("PORTAL_CLIENT_ID")?, secret, token);
    let client = Client::builder().accounts_url(var("PORTAL_ACCOUNTS_URL")?).build(credential)?;
    let portals = SafeClient::new(client, Ledger::open("signup-data")?);
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    Ok(run(portals, listener, async { drop(tokio::signal::ctrl_c().await) }).await?)
}
