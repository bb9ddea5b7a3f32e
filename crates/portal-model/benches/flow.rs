//! What the decisions of a create cost on top of its encoding and decoding. The first number is to
//! stay below twice the second of the same run.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use divan::{Bencher, black_box};
use portal_model::flow::{Jitter, Policy, Report, Step, TokenId};
use portal_model::{
    ApiVersion, CreateFlow, CreatePortal, Endpoint, ListPortals, Outcome, PortalName, Response,
};

const NAME: &str = "PortalsAPItest100";

fn main() {
    divan::main();
}

fn answers() -> (Response, Response) {
    (ListPortals::answer(&[]), CreatePortal::answer(ApiVersion::V7, NAME))
}

#[divan::bench]
fn a_whole_create(bencher: Bencher<'_, '_>) {
    let (listed, created) = answers();
    bencher.bench(|| {
        let name = PortalName::parse(black_box(NAME)).unwrap();
        let mut flow = CreateFlow::new(name, Policy::default(), ApiVersion::V7);
        loop {
            let report = match flow.step(Duration::ZERO) {
                Step::Authenticate { .. } => Report::Token(TokenId(1)),
                Step::LookUp(request) => answer(&request, &listed),
                Step::Send(request) => answer(&request, &created),
                Step::Wait(_) => continue,
                Step::Done(outcome) => break outcome,
            };
            flow.report(Duration::ZERO, Jitter::FULL, report).unwrap();
        }
    });
}

#[divan::bench]
fn its_encoding_and_decoding(bencher: Bencher<'_, '_>) {
    let (listed, created) = answers();
    bencher.bench(|| {
        let create = CreatePortal::new(PortalName::parse(black_box(NAME)).unwrap());
        let Report::Answer(listed) = answer(&ListPortals.request(ApiVersion::V7), &listed) else {
            unreachable!()
        };
        let portals = ListPortals.decode(&listed).unwrap();
        let Report::Answer(created) = answer(&create.request(ApiVersion::V7), &created) else {
            unreachable!()
        };
        create.decode(&created).unwrap();
        (portals, Outcome::Created { name: create.name })
    });
}

/// What a transport would do at least: take the request and hand over an answer of its own.
fn answer(request: &portal_model::Request, answer: &Response) -> Report {
    black_box(request);
    Report::Answer(answer.clone())
}
