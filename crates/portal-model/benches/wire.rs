//! What the model costs per call. Compare the numbers of one run with each other only.
#![allow(missing_docs, clippy::unwrap_used)]

use divan::{Bencher, black_box};
use portal_model::{
    ApiError, ApiVersion, CreatePortal, Endpoint, ListPortals, Portal, PortalName, Refusal,
    Response,
};

const NAME: &str = "PortalsAPItest100";

fn main() {
    divan::main();
}

fn create() -> CreatePortal {
    CreatePortal::new(PortalName::parse(NAME).unwrap())
}

#[divan::bench(args = [NAME, "abcdef", "my portal!", ""])]
fn validate_a_name(name: &str) -> bool {
    PortalName::parse(black_box(name)).is_ok()
}

#[divan::bench]
fn encode_a_request(bencher: Bencher<'_, '_>) {
    let create = create();
    bencher.bench(|| black_box(&create).request(ApiVersion::V7));
}

#[divan::bench]
fn parse_a_request(bencher: Bencher<'_, '_>) {
    let body = create().request(ApiVersion::V7).body;
    bencher.bench(|| CreatePortal::parse(black_box(&body)));
}

#[divan::bench(args = ["success", "wrapped refusal", "bare refusal", "html"])]
fn decode_the_answer_to_a_create(bencher: Bencher<'_, '_>, answer: &str) {
    let create = create();
    let answer = match answer {
        "success" => CreatePortal::answer(ApiVersion::V7, NAME),
        "wrapped refusal" => Refusal::Item(ApiError::already_used()).response(),
        "bare refusal" => Refusal::Call(ApiError::invalid_token()).response(),
        _ => Response::new(502, "<html><body>502 Bad Gateway</body></html>"),
    };
    bencher.bench(|| create.decode(black_box(&answer)));
}

#[divan::bench(args = [0, 1, 100])]
fn decode_a_list(bencher: Bencher<'_, '_>, portals: usize) {
    let portals: Vec<_> = (0..portals).map(|n| Portal::new(format!("{NAME}{n}"))).collect();
    let answer = ListPortals::answer(&portals);
    bencher.bench(|| ListPortals.decode(black_box(&answer)));
}
