//! What the model needs for a name, a request and a response, beside `serde_json` that reads the same
//! JSON into its own `Value`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use portal_model::flow::{Event, Flow, Jitter, Policy, Step, TokenId};
use portal_model::server;
use portal_model::{
    ApiVersion, CreateOperation, CreatePortal, Endpoint as _, ListPortals, Outcome, Portal,
    PortalName, Request, Response, Timestamp, UserRef,
};
use serde_json::Value;

use crate::benches::Effort;
use crate::figure::{Bound, Figure, Side, Unit};

const NAME: &str = "PortalsAPItest100";

pub(super) fn wire(effort: Effort) -> Vec<Figure> {
    let name = || PortalName::parse(black_box(NAME)).expect("a valid name");
    let create = CreatePortal::new(name());
    let request = create.request(ApiVersion::V7);
    let response = server::created(ApiVersion::V7, NAME);
    let portals: Vec<_> = (0..100).map(documented).collect();
    let list = server::list(&portals);
    let value = |json: &[u8]| serde_json::from_slice::<Value>(black_box(json)).expect("JSON");
    let rounds = effort.rounds(|span| {
        let span = span / 8;
        let value_of_request = time(span, || value(&request.body));
        [
            (time(span, name), value_of_request),
            (time(span, || server::parse_create(black_box(&request.body))), value_of_request),
            (time(span, || black_box(&create).request(ApiVersion::V7)), value_of_request),
            (
                time(span, || create.decode(black_box(&response))),
                time(span, || value(&response.body)),
            ),
            (time(span, || ListPortals.decode(black_box(&list))), time(span, || value(&list.body))),
        ]
    });
    let whats = [
        "validation of a name",
        "parse of a request",
        "encode of a request",
        "decode of a response",
        "decode of a list of 100 portals",
    ];
    let figure = |(at, what)| {
        let sides: Vec<_> = rounds.iter().filter_map(|round| round.get(at)).collect();
        Figure {
            what,
            ours: Side::new(Unit::Seconds, &sides, |(ours, _)| *ours),
            limit: Some(("Value", Side::new(Unit::Seconds, &sides, |(_, value)| *value))),
            bar: Bound::AtMost(1.0),
            aim: Bound::AtMost(0.5),
        }
    };
    whats.into_iter().enumerate().map(figure).chain([decisions(effort)]).collect()
}

/// With every field that a list documents.
fn documented(n: u32) -> Portal {
    let mut portal = Portal::new(format!("{NAME}{n}"));
    let (time, user) = (Timestamp::from_unix_seconds(1_637_836_413), UserRef::new("Ada", "7"));
    (portal.created_time, portal.modified_time) = (time, time);
    (portal.created_by, portal.modified_by) = (Some(user.clone()), Some(user));
    (portal.active, portal.zaid) = (Some(true), Some("3652397000000186017".to_owned()));
    portal
}

/// The decisions of a create, beside the encoding and decoding in it.
fn decisions(effort: Effort) -> Figure {
    let (listed, created) = (server::list(&[]), server::created(ApiVersion::V7, NAME));
    let rounds = effort.rounds(|span| {
        let flow = time(span / 8, || flow(&listed, &created));
        (flow, time(span / 8, || encode_and_decode(&listed, &created)))
    });
    Figure {
        what: "flow of a create",
        ours: Side::new(Unit::Seconds, &rounds, |(flow, _)| *flow),
        limit: Some((
            "its encoding and decoding",
            Side::new(Unit::Seconds, &rounds, |(_, wire)| *wire),
        )),
        bar: Bound::AtMost(2.0),
        aim: Bound::AtMost(1.5),
    }
}

fn flow(listed: &Response, created: &Response) -> Outcome {
    let name = PortalName::parse(black_box(NAME)).expect("a valid name");
    let create = CreateOperation::new(name);
    let mut flow = Flow::new(create.into(), Policy::default(), ApiVersion::V7);
    loop {
        let event = match flow.step(Duration::ZERO) {
            Step::Authenticate { .. } => Event::Token(TokenId(1)),
            Step::List { request, .. } => Event::Response(send(&request, listed)),
            Step::Record(intent) => {
                black_box(intent);
                Event::Recorded
            }
            Step::Send { request, .. } => Event::Response(send(&request, created)),
            Step::WaitUntil(_) => unreachable!("every response is at once"),
            Step::Done(outcome) => break *outcome,
        };
        flow.handle(Duration::ZERO, Jitter::FULL, event).expect("the event of the step");
    }
}

fn encode_and_decode(listed: &Response, created: &Response) -> (Vec<Portal>, Outcome) {
    let create = CreatePortal::new(PortalName::parse(black_box(NAME)).expect("a valid name"));
    let listed = send(&ListPortals.request(ApiVersion::V7), listed);
    let portals = ListPortals.decode(&listed).expect("a list");
    let created = send(&create.request(ApiVersion::V7), created);
    create.decode(&created).expect("a success");
    (portals, Outcome::Created { name: create.name, taken: Vec::new() })
}

/// The least that a transport does: it takes the request and returns a response of its own.
fn send(request: &Request, response: &Response) -> Response {
    black_box(request);
    response.clone()
}

/// Repeats `work` for `span`; gives the time of one, in seconds.
fn time<T>(span: Duration, mut work: impl FnMut() -> T) -> f64 {
    const AT_ONCE: u32 = 500;
    let (began, mut times) = (Instant::now(), 0.0);
    while began.elapsed() < span {
        for _ in 0..AT_ONCE {
            black_box(work());
        }
        times += f64::from(AT_ONCE);
    }
    began.elapsed().as_secs_f64() / times
}
