//! Requests that wait for no disk: rejected creates, lists and gets.

use crate::benches::Effort;
use crate::benches::creates::create;
use crate::exchange::{exchange, request};
use crate::figure::{Bound, Figure, Side, Unit};
use crate::load;
use crate::process::cores;
use crate::service::{PORTALS, Server, Serves as _, StubServer, directory};
use crate::store::new_name;
use crate::stub::Stub;

const CONNECTIONS: u32 = 64;

const NAME: &str = "PortalsAPItest100";

/// A name that no portal can have, and a token that nobody was given.
pub(super) fn rejects(effort: Effort) -> Vec<Figure> {
    let files = directory();
    let server = Server::start(files.path());
    let stub = StubServer::start(cores());
    let bad_name = create(PORTALS, &server.token, "my portal!");
    let bad_token = create(PORTALS, "1000.00000000000000000000000000000000.0", NAME);
    let rejected_by_stub = create(Stub::REJECT, "", "my portal!");
    let rounds = effort.rounds(|span| {
        let [name, token, stubs] = [&bad_name, &bad_token, &rejected_by_stub].map(Clone::clone);
        [
            load::run(&server, CONNECTIONS, span, 400, move || name.clone()).rate,
            load::run(&server, CONNECTIONS, span, 401, move || token.clone()).rate,
            load::run(&stub, CONNECTIONS, span, 400, move || stubs.clone()).rate,
        ]
    });
    let figure = |what, ours: fn(&[f64; 3]) -> f64| Figure {
        what,
        ours: Side::new(Unit::PerSecond, rounds.iter().map(ours)),
        limit: Some((
            "raw hyper that reads the JSON",
            Side::new(Unit::PerSecond, rounds.iter().map(|[.., stub]| *stub)),
        )),
        bar: Bound::AtLeast(0.7),
        aim: Bound::AtLeast(0.85),
    };
    vec![
        figure("rejected calls/s, invalid name", |[name, ..]| *name),
        figure("rejected calls/s, invalid token", |[_, token, _]| *token),
    ]
}

/// Of an org with one portal.
pub(super) fn reads(effort: Effort) -> Vec<Figure> {
    let files = directory();
    let server = Server::start(files.path());
    // As many workers as the server has.
    let stub = StubServer::start(cores().saturating_sub(1).max(1));
    let name = new_name();
    let (status, body) = exchange(server.address(), &create(PORTALS, &server.second_token, &name));
    assert_eq!(status, 200, "{body}");
    let list = request("GET", PORTALS, &server.second_token, "", "");
    let get = request("GET", &format!("{PORTALS}/{name}"), &server.second_token, "", "");
    let stubs = request("GET", Stub::LIST, "", "", "");
    let rounds = effort.rounds(|span| {
        let [list, get, stubs] = [&list, &get, &stubs].map(Clone::clone);
        [
            load::run(&server, CONNECTIONS, span, 200, move || list.clone()).rate,
            load::run(&server, CONNECTIONS, span, 200, move || get.clone()).rate,
            load::run(&stub, CONNECTIONS, span, 200, move || stubs.clone()).rate,
        ]
    });
    let figure = |what, ours: fn(&[f64; 3]) -> f64| Figure {
        what,
        ours: Side::new(Unit::PerSecond, rounds.iter().map(ours)),
        limit: Some((
            "raw hyper, as many workers",
            Side::new(Unit::PerSecond, rounds.iter().map(|[.., stub]| *stub)),
        )),
        bar: Bound::AtLeast(0.5),
        aim: Bound::AtLeast(0.6),
    };
    vec![
        figure("lists/s of an org with one portal", |[list, ..]| *list),
        figure("gets/s of an org with one portal", |[_, get, _]| *get),
    ]
}
