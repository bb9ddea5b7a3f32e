//! `portal requests`: what a server of this machine has served.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use portal_http::server::RequestRecord;
use serde::{Deserialize, Serialize};

use crate::org::running::Running;
use crate::report::failure::{ExitClass, Failure};
use crate::terminal::printer::Printer;
use crate::terminal::served_request;

/// Show the requests that `portal serve` has served on this machine
///
/// Its page, whose address `portal serve` prints, shows each request in full.
///
/// # Examples
///
///     portal requests
///     portal requests --follow --output json
///
/// # See also
/// serve
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Follow new requests until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// The port of the server [default: the one that runs]
    #[arg(long)]
    port: Option<u16>,
}

#[derive(Serialize, Deserialize)]
struct Listed {
    id: u64,
    #[serde(flatten)]
    record: RequestRecord,
}

/// What a server has served.
#[derive(Serialize, Deserialize)]
struct Requests {
    /// The last ones.
    requests: Vec<Listed>,
    /// How many were served so fast that they are not among them.
    not_recorded: u64,
}

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let running = Running::find(args.port)?;
    let Some(admin) = running.admin.as_deref() else {
        let message = format!("the server at {} has no admin listener", running.url);
        return Err(Failure::usage(message).hint("start it without `--admin-listen none`"));
    };
    if args.follow {
        follow(admin, printer).await?;
        return Ok(ExitClass::Success);
    }
    let body = get(admin, "/api/requests").await?.collect().await.context(LOST)?.to_bytes();
    let all: Requests = serde_json::from_slice(&body).context(NOT_UNDERSTOOD)?;
    if printer.is_json() {
        printer.json(&all);
        return Ok(ExitClass::Success);
    }
    for request in &all.requests {
        printer.text(served_request::text(&request.record));
    }
    if all.requests.is_empty() {
        printer.note(format_args!("No request yet at {}", running.url));
    }
    if all.not_recorded > 0 {
        printer.note(format_args!("{} more were served too fast to be kept", all.not_recorded));
    }
    Ok(ExitClass::Success)
}

/// Prints each request, those that are kept first, until the server ends or the reader is gone.
async fn follow(admin: &str, printer: &Printer) -> anyhow::Result<()> {
    let mut last = 0;
    let mut events = get(admin, EVENTS).await?;
    loop {
        let before = last;
        show(events.into_body(), &mut last, printer).await?;
        if !printer.is_delivered() {
            return Ok(());
        }
        // A reader that was too slow begins again, with what is still kept. One that got nothing has
        // no reason to.
        match get(admin, &format!("{EVENTS}?after={last}")).await {
            Ok(again) if last > before => events = again,
            _ => {
                printer.note("The server ended");
                return Ok(());
            }
        }
    }
}

/// Prints requests until the events end or some were left out. `last` is the id of the last one.
async fn show(mut events: Incoming, last: &mut u64, printer: &Printer) -> anyhow::Result<()> {
    let (mut text, mut may_miss) = (Vec::new(), *last > 0);
    while let Some(frame) = events.frame().await {
        let Ok(frame) = frame else { break };
        text.extend_from_slice(frame.data_ref().map(|data| &data[..]).unwrap_or_default());
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            if line == b"event: lagged\n" {
                return Ok(());
            }
            let Some(data) = line.strip_prefix(b"data: ") else { continue };
            let request: Listed = serde_json::from_slice(data).context(NOT_UNDERSTOOD)?;
            let missed = request.id.saturating_sub(*last + 1);
            if may_miss && missed > 0 {
                printer.warning(format_args!(
                    "{missed} requests before this one came too fast to be shown"
                ));
            }
            may_miss = false;
            *last = (*last).max(request.id);
            printer.result(served_request::text(&request.record), &request);
            if !printer.is_delivered() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Requests `path` of the admin listener.
async fn get(admin: &str, path: &str) -> anyhow::Result<Response<Incoming>> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = client.get(format!("{admin}{path}").parse()?).await.map_err(|error| {
        let is_unreachable = error.is_connect();
        let why = format!("cannot connect to the admin listener at {admin}");
        anyhow::Error::new(error).context(if is_unreachable { why } else { LOST.to_owned() })
    })?;
    if !response.status().is_success() {
        bail!("the admin listener at {admin} refused: {}", response.status());
    }
    Ok(response)
}

const EVENTS: &str = "/api/requests/events";
const LOST: &str = "the admin listener closed the connection";
const NOT_UNDERSTOOD: &str = "the admin listener sent something else than requests";
