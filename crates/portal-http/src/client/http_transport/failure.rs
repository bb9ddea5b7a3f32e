//! What a failure says about its request: certainly not sent, or maybe; and why, in one clause.

use std::error::Error;
use std::io::{self, ErrorKind};

use http::Uri;
use portal_model::error::with_sources;
use portal_model::flow::{NoResponse, NotSent, TransportError};

use super::layer::Kind;
use super::tls;

/// Why a host was not reached, so that nothing was sent. `peer` names it.
pub(super) fn unreachable(
    peer: impl std::fmt::Display,
    is_this_machine: bool,
    error: &(dyn Error + 'static),
) -> NotSent {
    let (kind, why) = cause(error, is_this_machine);
    kind(format!("cannot reach {peer}: {why}"))
}

fn cause(error: &(dyn Error + 'static), is_this_machine: bool) -> (Kind, String) {
    // `std` has no error kind for an unknown host; these are the messages of glibc, musl, macOS and
    // Windows.
    const UNKNOWN_HOST: [&str; 4] = [
        "Name or service not known",
        "Name does not resolve",
        "nodename nor servname provided",
        "No such host is known",
    ];
    let io = find::<io::Error>(error);
    if let Some(cause) = chain(error).chain(io.and_then(innermost)).find_map(tls::cause) {
        return cause;
    }
    let text = with_sources(error);
    if UNKNOWN_HOST.iter().any(|unknown| text.contains(unknown)) {
        return (NotSent::Permanent, "its name can't be resolved".to_owned());
    }
    if text.contains("failed to lookup address") {
        let why = "its name can't be resolved at the moment; is this machine online?";
        return (NotSent::Connect, why.to_owned());
    }
    match find::<hyper::Error>(error) {
        // hyper has a method for that, but only with its server.
        Some(_) if text.contains("message head is too large") => {
            return (NotSent::Connect, "the head of its response is too long".to_owned());
        }
        Some(error) if error.is_parse() => {
            return (NotSent::Connect, "its response is not HTTP/1.1".to_owned());
        }
        Some(error) if error.is_incomplete_message() => {
            return (NotSent::Connect, "it closed the connection".to_owned());
        }
        _ => {}
    }
    let why = match io.map(io::Error::kind) {
        Some(ErrorKind::ConnectionRefused) if is_this_machine => {
            return (NotSent::NoListener, "nothing listens there".to_owned());
        }
        Some(ErrorKind::ConnectionRefused) => "connection refused",
        Some(ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted) => "connection reset",
        Some(ErrorKind::UnexpectedEof) => "it closed the connection",
        Some(ErrorKind::TimedOut) => "connection timed out",
        Some(ErrorKind::NetworkUnreachable) => "no network leads there",
        Some(ErrorKind::HostUnreachable) => "no route leads there",
        _ => return (NotSent::Connect, io.map_or(text, message)),
    };
    (NotSent::Connect, why.to_owned())
}

/// The message of a system without the number of the error.
fn message(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// How a request to `host` failed on its connection. It certainly did not arrive if the connection
/// closed before the request left its queue, which hyper calls canceled.
pub(super) fn lost(host: &Uri, error: &(dyn Error + 'static)) -> TransportError {
    let host = host.authority().map_or("", |authority| authority.as_str());
    let why = match find::<hyper::Error>(error) {
        Some(error) if error.is_canceled() => {
            let why = "the connection closed before the request was written";
            return NotSent::NotStarted(why.to_owned()).into();
        }
        Some(error) if error.is_incomplete_message() => "closed the connection".to_owned(),
        Some(error) if error.is_parse() => format!("sent something other than HTTP ({error})"),
        Some(error) if error.to_string().starts_with("received unexpected message") => {
            "sent something other than HTTP".to_owned()
        }
        _ => match find::<io::Error>(error) {
            Some(io) if io.kind() == ErrorKind::ConnectionReset => {
                "closed the connection".to_owned()
            }
            _ => with_sources(error),
        },
    };
    NoResponse::Broken(format!("{host} {why}")).into()
}

/// Returns the innermost of nested `io::Error`s, as TLS layers create them; `source` skips it.
fn innermost(error: &io::Error) -> Option<&(dyn Error + 'static)> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<io::Error>().map_or(Some(inner), innermost)
}

pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref::<E>())
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
