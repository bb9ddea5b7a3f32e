//! Durable creates, beside the stub that keeps nothing and beside bare inserts on the same disk.

use crate::benches::Effort;
use crate::figure::{Bound, Figure, Side, Unit};
use crate::load::{self, Load};
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
    let ours = |unit, of: fn(&Load) -> f64| Side::new(unit, rounds.iter().map(|(it, ..)| of(it)));
    let stub = |unit, of: fn(&Load) -> f64| Side::new(unit, rounds.iter().map(|(_, it, _)| of(it)));
    vec![
        Figure {
            what: "durable creates/s, 64 connections",
            ours: ours(Unit::PerSecond, |it| it.rate)
                .with_cpu(rounds.iter().map(|(it, ..)| it.cpu)),
            limit: Some((
                STUB,
                stub(Unit::PerSecond, |it| it.rate)
                    .with_cpu(rounds.iter().map(|(_, it, _)| it.cpu)),
            )),
            bar: Bound::AtLeast(0.30),
            aim: Bound::AtLeast(0.36),
        },
        Figure {
            what: "CPU time of the server per create",
            ours: ours(Unit::Seconds, |it| it.cpu),
            limit: Some((STUB, stub(Unit::Seconds, |it| it.cpu))),
            bar: Bound::AtMost(4.0),
            aim: Bound::AtMost(3.3),
        },
        Figure {
            what: "durable creates/s, 64 connections",
            ours: ours(Unit::PerSecond, |it| it.rate)
                .with_cpu(rounds.iter().map(|(it, ..)| it.cpu)),
            limit: Some((BARE, Side::new(Unit::PerSecond, rounds.iter().map(|(.., it)| it.rate)))),
            bar: Bound::AtLeast(0.6),
            aim: Bound::AtLeast(0.75),
        },
        Figure {
            what: "p99 of a create, 64 connections",
            ours: ours(Unit::Seconds, |it| it.p99),
            limit: Some(("p50 of that commit", commits(rounds.iter().map(|(.., it)| it.commit)))),
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
        ours: Side::new(Unit::Seconds, rounds.iter().map(|(ours, _)| *ours)),
        limit: Some(("p50 of a bare commit of one", commits(rounds.iter().map(|(_, it)| *it)))),
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
    let side = |at: fn(&[Load; 2]) -> &Load| {
        Side::new(Unit::PerSecond, rounds.iter().map(|round| at(round).rate))
            .with_cpu(rounds.iter().map(|round| at(round).cpu))
    };
    vec![Figure {
        what: "durable creates/s with the admin listener",
        ours: side(|[it, _]| it),
        limit: Some(("without it", side(|[_, it]| it))),
        bar: Bound::AtLeast(0.97),
        aim: Bound::AtLeast(0.99),
    }]
}

fn commits(values: impl Iterator<Item = f64>) -> Side {
    Side::new(Unit::Seconds, values)
}
