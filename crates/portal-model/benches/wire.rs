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
fn parse_name(name: &str) -> bool {
    PortalName::parse(black_box(name)).is_ok()
}

#[divan::bench]
fn encode_request(bencher: Bencher<'_, '_>) {
    let create = create();
    bencher.bench(|| black_box(&create).request(ApiVersion::V7));
}

#[divan::bench]
fn parse_request(bencher: Bencher<'_, '_>) {
    let body = create().request(ApiVersion::V7).body;
    bencher.bench(|| CreatePortal::parse(black_box(&body)));
}

#[divan::bench(args = ["success", "wrapped rejection", "bare rejection", "html"])]
fn decode_create_response(bencher: Bencher<'_, '_>, response: &str) {
    let create = create();
    let response = match response {
        "success" => CreatePortal::response(ApiVersion::V7, NAME),
        "wrapped rejection" => Refusal::Item(ApiError::already_used()).response(),
        "bare rejection" => Refusal::Request(ApiError::invalid_token()).response(),
        _ => Response::new(502, "<html><body>502 Bad Gateway</body></html>"),
    };
    bencher.bench(|| create.decode(black_box(&response)));
}

#[divan::bench(args = [0, 1, 100])]
fn decode_list(bencher: Bencher<'_, '_>, portals: usize) {
    let portals: Vec<_> = (0..portals).map(|n| Portal::new(format!("{NAME}{n}"))).collect();
    let response = ListPortals::response(&portals);
    bencher.bench(|| ListPortals.decode(black_box(&response)));
}
