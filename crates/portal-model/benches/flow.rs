//! What the decisions of a create cost on top of its encoding and decoding. The first number must
//! stay below twice the second of the same run.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use divan::{Bencher, black_box};
use portal_model::flow::{Event, Jitter, Policy, Step, TokenId};
use portal_model::{
    ApiVersion, CreateFlow, CreatePortal, Endpoint, ListPortals, Outcome, PortalName, Request,
    Response,
};

const NAME: &str = "PortalsAPItest100";

fn main() {
    divan::main();
}

fn responses() -> (Response, Response) {
    (ListPortals::response(&[]), CreatePortal::response(ApiVersion::V7, NAME))
}

#[divan::bench]
fn create_flow(bencher: Bencher<'_, '_>) {
    let (listed, created) = responses();
    bencher.bench(|| {
        let name = PortalName::parse(black_box(NAME)).unwrap();
        let mut flow = CreateFlow::new(name, Policy::default(), ApiVersion::V7);
        loop {
            let event = match flow.step(Duration::ZERO) {
                Step::Authenticate { .. } => Event::Token(TokenId(1)),
                Step::List { request, .. } => Event::Response(send(&request, &listed)),
                Step::Record(intent) => {
                    black_box(intent);
                    Event::Recorded
                }
                Step::Send { request, .. } => Event::Response(send(&request, &created)),
                Step::WaitUntil(_) => unreachable!(),
                Step::Done(outcome) => break outcome,
            };
            flow.handle(Duration::ZERO, Jitter::FULL, event).unwrap();
        }
    });
}

#[divan::bench]
fn encode_and_decode_only(bencher: Bencher<'_, '_>) {
    let (listed, created) = responses();
    bencher.bench(|| {
        let create = CreatePortal::new(PortalName::parse(black_box(NAME)).unwrap());
        let listed = send(&ListPortals.request(ApiVersion::V7), &listed);
        let portals = ListPortals.decode(&listed).unwrap();
        let created = send(&create.request(ApiVersion::V7), &created);
        create.decode(&created).unwrap();
        (portals, Outcome::Created { name: create.name, taken: Vec::new() })
    });
}

/// The least that a transport does: it takes the request and returns a response of its own.
fn send(request: &Request, response: &Response) -> Response {
    black_box(request);
    response.clone()
}
