//! Requests that wait for no disk: rejected creates, lists and gets.

use crate::benches::Effort;
use crate::exchange::{exchange, request};
use crate::figure::{Bound, Figure, Side};
use crate::load::{self, Load};
use crate::process::cores;
use crate::service::{CONNECTIONS, PORTALS, Server, Storage, create, directory};
use crate::store::new_name;
use crate::stub::Stub;

/// A name that no portal can have, and a token that nobody was given.
pub(super) fn rejects(effort: Effort) -> Vec<Figure> {
    let files = directory();
    let server = Server::start(files.path(), Storage::Disk, 1, &[]);
    let stub = Server::stub(cores());
    let bad_name = create(PORTALS, &server.token(1), "my portal!");
    let bad_token = create(PORTALS, "1000.00000000000000000000000000000000.0", &new_name());
    let rejected_by_stub = create(Stub::REJECT, "", "my portal!");
    let rounds = effort.rounds(|span| {
        let [name, token, stubs] = [&bad_name, &bad_token, &rejected_by_stub].map(Clone::clone);
        [
            load::run(&server, CONNECTIONS, span, 400, move || name.clone()),
            load::run(&server, CONNECTIONS, span, 401, move || token.clone()),
            load::run(&stub, CONNECTIONS, span, 400, move || stubs.clone()),
        ]
    });
    let limit = "raw hyper that reads the JSON";
    let what = ["rejected calls/s, invalid name", "rejected calls/s, invalid token"];
    figures(what, limit, &rounds)
        .map(|it| Figure { bar: Bound::AtLeast(0.7), aim: Bound::AtLeast(0.85), ..it })
        .into()
}

/// Of an org with one portal.
pub(super) fn reads(effort: Effort) -> Vec<Figure> {
    let files = directory();
    let server = Server::start(files.path(), Storage::Disk, 1, &[]);
    // As many workers as the server has.
    let stub = Server::stub(cores());
    let (token, name) = (server.token(1), new_name());
    let (status, body) = exchange(server.address, &create(PORTALS, &token, &name));
    assert_eq!(status, 200, "{body}");
    let list = request("GET", PORTALS, &token, "", "");
    let get = request("GET", &format!("{PORTALS}/{name}"), &token, "", "");
    let listed_by_stub = request("GET", Stub::LIST, "", "", "");
    let rounds = effort.rounds(|span| {
        let [list, get, stubs] = [&list, &get, &listed_by_stub].map(Clone::clone);
        [
            load::run(&server, CONNECTIONS, span, 200, move || list.clone()),
            load::run(&server, CONNECTIONS, span, 200, move || get.clone()),
            load::run(&stub, CONNECTIONS, span, 200, move || stubs.clone()),
        ]
    });
    let what = ["lists/s of an org with one portal", "gets/s of an org with one portal"];
    figures(what, "raw hyper, as many workers", &rounds).into()
}

/// The first two sides of each round, beside the third.
fn figures(what: [&'static str; 2], limit: &'static str, rounds: &[[Load; 3]]) -> [Figure; 2] {
    let side = |of: fn(&[Load; 3]) -> &Load| Side::speed(rounds, |round| of(round).speed);
    let [first, second] = what;
    [(first, side(|[it, ..]| it)), (second, side(|[_, it, _]| it))].map(|(what, ours)| Figure {
        what,
        ours,
        limit: Some((limit, side(|[.., it]| it))),
        bar: Bound::AtLeast(0.5),
        aim: Bound::AtLeast(0.6),
    })
}
