//! What `portal serve` needs before the first request and for the first million portals.

use std::time::Instant;

use crate::benches::Effort;
use crate::exchange::{exchange, request};
use crate::figure::{Bound, Figure, Side, Unit};
use crate::load;
use crate::service::{CONNECTIONS, PORTALS, Server, Storage, create, directory};
use crate::store::new_name;

/// Starts with an empty data directory that exists.
pub(super) fn starts(effort: Effort) -> Vec<Figure> {
    let files = directory();
    let first = Server::start(files.path(), Storage::Disk, 1, &[]);
    let list = request("GET", &format!("{PORTALS}/Missing"), &first.token(1), "", "");
    drop(first);
    let rounds = effort.rounds(|_| {
        let began = Instant::now();
        let server = Server::start(files.path(), Storage::Disk, 1, &[]);
        let (status, body) = exchange(server.address, &list);
        let elapsed = began.elapsed().as_secs_f64();
        assert_eq!(status, 204, "{body}");
        (elapsed, server.process.memory())
    });
    vec![
        Figure {
            what: "server: start to first response",
            ours: Side::new(Unit::Seconds, &rounds, |(start, _)| *start),
            limit: None,
            bar: Bound::AtMost(0.030),
            aim: Bound::AtMost(0.010),
        },
        Figure {
            what: "server: memory at rest",
            ours: Side::new(Unit::Mebibytes, &rounds, |(_, memory)| *memory),
            limit: None,
            bar: Bound::AtMost(12.0),
            aim: Bound::AtMost(8.0),
        },
    ]
}

/// A million creates, or a few in a quick run.
pub(super) fn memory(effort: Effort) -> Vec<Figure> {
    let files = directory();
    let server = Server::start(files.path(), Storage::Disk, 1, &[]);
    let token = server.token(1);
    let mut creates = 0.0;
    while creates < if effort.is_quick() { 1e3 } else { 1e6 } {
        let token = token.clone();
        let next = move || create(PORTALS, &token, &new_name());
        creates += load::run(&server, CONNECTIONS, effort.span, 200, next).count;
    }
    vec![Figure {
        what: "server: memory after a million creates",
        ours: Side::new(Unit::Mebibytes, &[server.process.memory()], |memory| *memory),
        limit: None,
        bar: Bound::AtMost(64.0),
        aim: Bound::AtMost(40.0),
    }]
}
