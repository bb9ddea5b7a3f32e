//! The admin listener as the arguments of `portal serve` want it.

use portal_store::{MemoryRegistry, Seed};
use tokio::net::TcpListener;

use super::address::AdminListen;
use crate::admin_listener::{self, Reset};
use crate::org::data_directory;
use crate::report::failure::Failure;
use crate::terminal::printer::Printer;

/// Binds where it is wanted; without an argument on a free port of loopback.
pub(super) async fn bind(
    listen: Option<AdminListen>,
    printer: &Printer,
) -> Result<Option<TcpListener>, Failure> {
    let address = match listen {
        None | Some(AdminListen::Free) => None,
        Some(AdminListen::Off) => return Ok(None),
        Some(AdminListen::At(address)) => Some(address),
    };
    match (admin_listener::bind(address).await, address) {
        (Ok(listener), address) => {
            if address.is_some_and(|address| !address.ip().to_canonical().is_loopback()) {
                printer.warning(
                    "the admin listener asks nobody who they are: all who can reach it can look in",
                );
            }
            Ok(Some(listener))
        }
        (Err(error), Some(address)) => {
            let message = format!("cannot listen on {address} for `--admin-listen`: {error}");
            Err(Failure::usage(message).hint("pass another address, or `none`"))
        }
        // Nobody asked for it, and the service does without.
        (Err(error), None) => {
            printer.warning(format_args!("no admin listener: {error}"));
            Ok(None)
        }
    }
}

/// What a registry in memory began with, and how it begins anew.
pub(super) fn throwaway(registry: &MemoryRegistry, seed: Seed) -> (Seed, Reset) {
    let registry = registry.clone();
    let first = seed.clone();
    let reset = move || {
        registry.reset(&first, data_directory::now()?);
        Ok(())
    };
    (seed, Box::new(reset))
}

/// Opens the page in a browser.
pub(super) fn open(url: Option<&str>, printer: &Printer) {
    let opened = match url {
        Some(url) => open::that_detached(url).map_err(|error| error.to_string()),
        None => Err("there is no admin listener".to_owned()),
    };
    if let Err(why) = opened {
        printer.warning(format_args!("the page was not opened: {why}"));
    }
}
