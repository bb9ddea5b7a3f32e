//! What the layers below have to say, for whoever looks for a fault.

use tracing_subscriber::EnvFilter;

use crate::printer::Printer;

/// Writes to stderr what `PORTAL_LOG` asks for, such as `debug` or `portal_http=debug`. No secret
/// is ever logged.
pub(crate) fn start(printer: &Printer) {
    let Ok(filter) = std::env::var("PORTAL_LOG") else { return };
    match EnvFilter::try_new(&filter) {
        Ok(filter) => {
            tracing_subscriber::fmt().with_env_filter(filter).with_writer(anstream::stderr).init();
        }
        Err(error) => printer.warning(format_args!("PORTAL_LOG is not understood: {error}")),
    }
}
