//! What a failure says about its request: certainly not sent, or maybe.

use std::error::Error;
use std::io;

use http::Uri;
use portal_model::error::with_sources;
use portal_model::flow::{NoResponse, NotSent, TransportError};
use tokio::time::error::Elapsed;

use super::tls;
use crate::client::base_url::is_this_machine;

/// Why there is no connection, so that nothing was sent.
pub(super) fn not_connected(error: &(dyn Error + 'static), destination: &Uri) -> NotSent {
    if find::<Elapsed>(error).is_some() {
        return NotSent::ConnectTimedOut;
    }
    let why = with_sources(error);
    if is_permanent(error, &why, is_this_machine(destination)) {
        NotSent::Permanent(why)
    } else {
        NotSent::Connect(why)
    }
}

/// How a request failed on its connection. It certainly did not arrive if the connection closed
/// before the request left its queue, which hyper calls canceled.
pub(super) fn lost(error: &(dyn Error + 'static)) -> TransportError {
    if find::<hyper::Error>(error).is_some_and(hyper::Error::is_canceled) {
        NotSent::NotStarted("the connection closed before the request was written".to_owned())
            .into()
    } else {
        NoResponse::Broken(with_sources(error)).into()
    }
}

/// Whether a retry would fail the same way: an invalid certificate, an unknown host, or a port of
/// this machine without a listener. Other servers refuse connections while they restart.
fn is_permanent(error: &(dyn Error + 'static), why: &str, is_local: bool) -> bool {
    // `std` has no error kind for an unknown host; these are the messages of glibc, musl, macOS and
    // Windows.
    const UNKNOWN_HOST: [&str; 4] = [
        "Name or service not known",
        "Name does not resolve",
        "nodename nor servname provided",
        "No such host is known",
    ];
    let io = find::<io::Error>(error);
    let is_refused = io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused);
    chain(error).chain(io.and_then(innermost)).any(tls::is_permanent)
        || is_local && is_refused
        || UNKNOWN_HOST.iter().any(|text| why.contains(text))
}

/// Returns the innermost of nested `io::Error`s, as TLS layers create them; `source` skips it.
fn innermost(error: &io::Error) -> Option<&(dyn Error + 'static)> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<io::Error>().map_or(Some(inner), innermost)
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref::<E>())
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
