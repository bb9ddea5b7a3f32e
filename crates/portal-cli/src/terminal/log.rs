//! What the layers below have to say, for whoever looks for a fault.

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::terminal::printer::Printer;

/// Writes to stderr what `PORTAL_LOG` asks for, such as `debug` or `portal_http=debug`. No secret
/// is ever logged.
pub(crate) fn start(printer: &Printer) {
    let Ok(filter) = std::env::var("PORTAL_LOG") else { return };
    match filter.parse::<Targets>() {
        Ok(filter) => install(filter),
        Err(error) => printer.warning(format_args!("PORTAL_LOG is not understood: {error}")),
    }
}

/// Writes warnings and errors of this project to stderr, unless `PORTAL_LOG` decides otherwise:
/// an operator must see what a server cannot report in its responses.
pub(crate) fn start_warnings() {
    if std::env::var_os("PORTAL_LOG").is_none() {
        let targets = ["portal_http", "portal_store"].map(|target| (target, Level::WARN));
        install(Targets::new().with_targets(targets));
    }
}

fn install(filter: Targets) {
    let lines = tracing_subscriber::fmt::layer().with_writer(anstream::stderr);
    tracing_subscriber::registry().with(lines).with(filter).init();
}
