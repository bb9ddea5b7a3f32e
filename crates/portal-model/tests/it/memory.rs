//! What a hostile response costs in memory.

use std::process::Command;

use portal_model::endpoint::UnreadableReason;
use portal_model::{CreatePortal, Endpoint, ListPortals, PortalName, Response, ResponseError};

const BODY: usize = 4 << 20;

/// Bodies of [`BODY`] bytes, of which a tree of values takes ninety times as much.
fn bodies() -> impl Iterator<Item = String> {
    let shapes = [
        (r#"{"portals":[{"name":"AcmePortal","x":["#, "]}]}"),
        (r#"{"portals":[{"name":"AcmePortal"},{"name":"Another","active":["#, "]}]}"),
        (r#"{"portals":[{"name":"AcmePortal"}],"info":{"next":["#, "]}}"),
        (r#"{"portals":[{"code":"X","status":"error","details":{"x":["#, "]}}]}"),
    ];
    shapes.into_iter().map(|(start, end)| {
        let mut body = String::with_capacity(BODY);
        body.push_str(start);
        while body.len() + end.len() + 8 < BODY {
            body.push_str(r#"{"":0},"#);
        }
        body.push('0');
        body + end
    })
}

#[test]
fn hostile_body_takes_little_memory() {
    // `ulimit -d` counts what is allocated: here 32 MiB beside the body and the test itself.
    let limited = Command::new("sh")
        .args([
            "-c",
            "ulimit -d 36864 && exec \"$0\" --exact memory::decode_hostile_bodies --ignored",
        ])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    assert!(limited.status.success(), "{limited:?}");
    assert!(String::from_utf8_lossy(&limited.stdout).contains("1 passed"), "{limited:?}");
}

#[test]
#[ignore = "a process that another test starts"]
fn decode_hostile_bodies() {
    let create = CreatePortal::new(PortalName::parse("AcmePortal").unwrap());
    for body in bodies() {
        let is_error = body.contains("details");
        let response = Response::new(200, body);
        let decoded = if is_error {
            create.decode(&response).map(|_| ())
        } else {
            ListPortals.decode(&response).map(|_| ())
        };
        match decoded {
            Ok(()) | Err(ResponseError::Api(_)) => {}
            Err(ResponseError::Unreadable(list)) => {
                assert_eq!(
                    list.why,
                    UnreadableReason::IncompleteList(
                        "it comes with something that is not known here"
                    )
                );
            }
            Err(error) => panic!("{error}"),
        }
    }
}
