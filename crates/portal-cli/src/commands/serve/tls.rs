//! The certificate of the server, which is renewed while it runs.

use std::path::Path;
use std::time::Duration;

use portal_http::server::ServerTls;
use tokio::time::{MissedTickBehavior, interval};

use crate::report::failure::Failure;
use crate::terminal::printer::Printer;

/// How often to look whether the files have changed.
const INTERVAL: Duration = Duration::from_secs(5);

/// Reads the files, if there are any.
pub(super) fn read(
    certificate: Option<&Path>,
    key: Option<&Path>,
) -> Result<Option<ServerTls>, Failure> {
    let tls = certificate.zip(key).map(|(chain, key)| ServerTls::from_files(chain, key));
    tls.transpose().map_err(|error| Failure::usage(error.to_string()))
}

/// Reads the files again whenever they change.
pub(super) async fn reload(tls: ServerTls, printer: Printer) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failures = 0_u32;
    loop {
        ticks.tick().await;
        match tls.reload() {
            Ok(replaced) => {
                failures = 0;
                if replaced {
                    printer.note("the certificate was replaced");
                }
            }
            Err(error) => {
                failures += 1;
                // Once, and not at first: one file is replaced before the other.
                if failures == 2 {
                    printer.warning(format_args!("the server keeps its certificate: {error}"));
                }
            }
        }
    }
}
