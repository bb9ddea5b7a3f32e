//! Ten million portals in 100,000 orgs, beside a registry with those of one org.

use crate::benches::Effort;
use crate::exchange::request;
use crate::figure::{Bound, Figure, Side, Unit};
use crate::load::{self, Load};
use crate::service::{CONNECTIONS, DATA, PORTALS, Server, Storage, create, directory};
use crate::store::{fill, new_name};

/// Portals of each org.
const PORTALS_OF_ORG: u32 = 100;

pub(super) fn registry(effort: Effort) -> Vec<Figure> {
    let (large, small) = (directory(), directory());
    let orgs = if effort.is_quick() { 100 } else { 100_000 };
    let [large, small] = [(large.path(), orgs), (small.path(), 1)].map(|(directory, orgs)| {
        drop(Server::start(directory, Storage::Disk, 2, &[]));
        let name = fill(&directory.join(DATA), orgs, PORTALS_OF_ORG);
        let server = Server::start(directory, Storage::Disk, 2, &[]);
        // What is created does not make the lists of the first org longer.
        let tokens = [server.token(1), server.token(2)];
        (server, tokens, name)
    });
    let rounds = effort.rounds(|span| {
        let round = |(server, [token, of_second], name): &(Server, [String; 2], String)| {
            let (list, get) = (
                request("GET", PORTALS, token, "", ""),
                request("GET", &format!("{PORTALS}/{name}"), token, "", ""),
            );
            let token = of_second.clone();
            [
                load::run(server, CONNECTIONS, span, 200, move || {
                    create(PORTALS, &token, &new_name())
                }),
                load::run(server, CONNECTIONS, span, 200, move || list.clone()),
                load::run(server, CONNECTIONS, span, 200, move || get.clone()),
            ]
        };
        (round(&large), round(&small))
    });
    let figure = |what, unit, of: fn(&[Load; 3]) -> f64, bar, aim| Figure {
        what,
        ours: Side::new(unit, &rounds, |(large, _)| of(large)),
        limit: Some(("a registry of one org", Side::new(unit, &rounds, |(_, small)| of(small)))),
        bar,
        aim,
    };
    let reads = (Bound::AtMost(1.5), Bound::AtMost(1.2));
    vec![
        figure(
            "creates/s on 10 million portals",
            Unit::PerSecond,
            |[creates, ..]| creates.speed.rate,
            Bound::AtLeast(0.6),
            Bound::AtLeast(0.8),
        ),
        figure("p50 of a list there", Unit::Seconds, |[_, list, _]| list.p50, reads.0, reads.1),
        figure("p50 of a get there", Unit::Seconds, |[.., get]| get.p50, reads.0, reads.1),
    ]
}
