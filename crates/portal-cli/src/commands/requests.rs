//! `portal requests`: what a server of this machine has served.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use portal_http::client::{Bounds, HttpTransport, Proxy, Transport as _};
use portal_http::server::RequestRecord;
use portal_model::flow::TransportError;
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
#[derive(Deserialize)]
struct Requests {
    /// The last ones, as far as they are kept.
    requests: Vec<Listed>,
    /// How many were served so fast that they are not among them.
    not_recorded: u64,
}

/// How often a follower asks for new requests. A server keeps the last thousand.
const INTERVAL: Duration = Duration::from_millis(100);

pub(crate) async fn run(args: &Args, printer: &Printer) -> Result<ExitClass, Failure> {
    let running = Running::find(args.port)?;
    let Some(admin) = running.admin.as_deref() else {
        let message = format!("the server at {} has no admin listener", running.url);
        return Err(Failure::usage(message).hint("start it without `--admin-listen none`"));
    };
    let transport = HttpTransport::builder().proxy(Proxy::none()).build()?;
    let all = requests(&transport, admin, 0).await?;
    if args.follow {
        follow(&transport, admin, all, printer).await?;
        return Ok(ExitClass::Success);
    }
    for request in &all.requests {
        printer.result(served_request::text(&request.record), request);
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
async fn follow(
    transport: &HttpTransport,
    admin: &str,
    mut new: Requests,
    printer: &Printer,
) -> anyhow::Result<()> {
    let mut last = None;
    loop {
        for request in &new.requests {
            let missed = last.map_or(0, |last: u64| request.id.saturating_sub(last + 1));
            if missed > 0 {
                printer.warning(format_args!(
                    "{missed} requests before this one came too fast to be shown"
                ));
            }
            last = Some(request.id);
            printer.result(served_request::text(&request.record), request);
        }
        if !printer.is_delivered() {
            return Ok(());
        }
        tokio::time::sleep(INTERVAL).await;
        match requests(transport, admin, last.unwrap_or_default()).await {
            Ok(later) => new = later,
            Err(error) if error.is::<TransportError>() => {
                printer.note("The server ended");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

/// The requests after the one with the id `after`.
async fn requests(transport: &HttpTransport, admin: &str, after: u64) -> anyhow::Result<Requests> {
    let url = format!("{admin}/api/requests?after={after}");
    let request = http::Request::get(url).body(Bytes::new())?;
    let response = transport.send(request, Bounds::of_list(Duration::from_secs(30))).await;
    let response = response.with_context(|| format!("cannot ask the admin listener at {admin}"))?;
    let status = response.status();
    anyhow::ensure!(status.is_success(), "the admin listener at {admin} refused: {status}");
    serde_json::from_slice(response.body()).context("invalid response from the admin listener")
}
