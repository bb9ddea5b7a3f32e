//! Durable creates, beside the stub that keeps nothing and beside bare inserts on the same disk.

use crate::benches::Effort;
use crate::figure::{Bound, Figure, Side, Unit};
use crate::load;
use crate::process::cores;
use crate::service::{CONNECTIONS, PORTALS, Server, Storage, create, directory};
use crate::store::{BareInserts, new_name};
use crate::stub::Stub;

const STUB: &str = "raw hyper";
const BARE: &str = "bare inserts, 64 a commit";

/// Over 64 connections.
pub(super) fn many(effort: Effort) -> Vec<Figure> {
    let (files, bare_files) = (directory(), directory());
    let server = Server::start(files.path(), Storage::Disk, 1, &[]);
    let stub = Server::stub(cores());
    let token = server.token(1);
    let mut bare = BareInserts::new(bare_files.path());
    let rounds = effort.rounds(|span| {
        let token = token.clone();
        let ours = load::run(&server, CONNECTIONS, span, 200, move || {
            create(PORTALS, &token, &new_name())
        });
        let stub =
            load::run(&stub, CONNECTIONS, span, 200, || create(Stub::CREATE, "", &new_name()));
        (ours, stub, bare.run(span, CONNECTIONS))
    });
    let ours = Side::speed(&rounds, |(it, ..)| it.speed);
    vec![
        Figure {
            what: "durable creates/s, 64 connections",
            ours: ours.clone(),
            limit: Some((STUB, Side::speed(&rounds, |(_, it, _)| it.speed))),
            bar: Bound::AtLeast(0.30),
            aim: Bound::AtLeast(0.36),
        },
        Figure {
            what: "CPU time of the server per create",
            ours: Side::new(Unit::Seconds, &rounds, |(it, ..)| it.speed.cpu),
            limit: Some((STUB, Side::new(Unit::Seconds, &rounds, |(_, it, _)| it.speed.cpu))),
            bar: Bound::AtMost(4.0),
            aim: Bound::AtMost(3.3),
        },
        Figure {
            what: "durable creates/s, 64 connections",
            ours,
            limit: Some((BARE, Side::new(Unit::PerSecond, &rounds, |(.., it)| it.rate))),
            bar: Bound::AtLeast(0.6),
            aim: Bound::AtLeast(0.75),
        },
        Figure {
            what: "p99 of a create, 64 connections",
            ours: Side::new(Unit::Seconds, &rounds, |(it, ..)| it.p99),
            limit: Some((
                "p50 of that commit",
                Side::new(Unit::Seconds, &rounds, |(.., it)| it.commit),
            )),
            bar: Bound::AtMost(8.0),
            aim: Bound::AtMost(5.0),
        },
    ]
}

/// Over one connection, one at a time.
pub(super) fn one(effort: Effort) -> Vec<Figure> {
    let (files, bare_files) = (directory(), directory());
    let server = Server::start(files.path(), Storage::Disk, 1, &[]);
    let token = server.token(1);
    let mut bare = BareInserts::new(bare_files.path());
    let rounds = effort.rounds(|span| {
        let token = token.clone();
        let ours = load::run(&server, 1, span, 200, move || create(PORTALS, &token, &new_name()));
        (ours.p50, bare.run(span, 1).commit)
    });
    vec![Figure {
        what: "p50 of a create, one connection",
        ours: Side::new(Unit::Seconds, &rounds, |(ours, _)| *ours),
        limit: Some((
            "p50 of a bare commit of one",
            Side::new(Unit::Seconds, &rounds, |(_, it)| *it),
        )),
        bar: Bound::AtMost(2.2),
        aim: Bound::AtMost(1.7),
    }]
}

/// Over 64 connections. The admin listener counts every request and records some.
pub(super) fn with_admin_listener(effort: Effort) -> Vec<Figure> {
    let arguments: [&[&str]; 2] = [&["--admin-listen", "127.0.0.1:0"], &["--admin-listen", "none"]];
    let servers = arguments.map(|arguments| {
        let files = directory();
        let server = Server::start(files.path(), Storage::Disk, 1, arguments);
        let token = server.token(1);
        (server, token, files)
    });
    // A difference of a few percent takes more and shorter turns to show.
    let effort = Effort { rounds: effort.rounds * 8, span: effort.span / 4 };
    let rounds = effort.rounds(|span| {
        servers.each_ref().map(|(server, token, _)| {
            let token = token.clone();
            load::run(server, CONNECTIONS, span, 200, move || create(PORTALS, &token, &new_name()))
        })
    });
    vec![Figure {
        what: "durable creates/s with the admin listener",
        ours: Side::speed(&rounds, |[it, _]| it.speed),
        limit: Some(("without it", Side::speed(&rounds, |[_, it]| it.speed))),
        bar: Bound::AtLeast(0.97),
        aim: Bound::AtLeast(0.99),
    }]
}
