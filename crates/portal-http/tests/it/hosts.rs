//! The example hosts of portal-ledger: they conform, and a create over each survives what a server does to
//! it.

use std::future::pending;
use std::time::Duration;

use portal_http::ledger::{ClaimRequest, Ended, EntryId, Filter, Host, Ledger, Wanted, run};
use portal_http::server::LocalServer;
use portal_model::flow::Policy;
use portal_model::{ApiVersion, CreateOperation, OrgIdentity, Outcome};
use tokio::task::spawn_blocking;

#[path = "../../../portal-ledger/examples/reqwest.rs"]
#[allow(dead_code, clippy::duplicate_mod, reason = "its main, and what both programs share")]
mod with_reqwest;
#[path = "../../../portal-ledger/examples/ureq.rs"]
#[allow(dead_code, clippy::duplicate_mod, reason = "its main, and what both programs share")]
mod with_ureq;

use with_reqwest::Async;
use with_ureq::Blocking;

#[tokio::test]
async fn example_hosts_conform() {
    use portal_http::client::conformance;

    // The check rejects this token once.
    fn token() -> portal_model::Secret {
        portal_model::Secret::new("t1")
    }
    conformance::host(|url| Async::new(url, token())).await.unwrap();
    let blocking = || pollster::block_on(conformance::host(|url| Blocking::new(url, token())));
    spawn_blocking(blocking).await.unwrap().unwrap();
}

/// Creates a portal with `host` and a ledger.
async fn create(host: &mut impl Host, url: &str, ledger: &Ledger) -> Ended {
    let create = CreateOperation::new("AcmePortal".parse().unwrap());
    let org = OrgIdentity::new(url, "it");
    let id = EntryId::random().unwrap();
    let mut request = ClaimRequest::new(id, org, Wanted::Do(create.into()));
    request.policy = Policy::rehearsal();
    request.policy.backoff_base = Duration::from_millis(10);
    run(ledger, request, ApiVersion::V7, host, pending()).await
}

#[tokio::test]
async fn lost_response_is_verified_by_any_host() {
    for fault in ["drop", "cut", "html", "500"] {
        for is_blocking in [false, true] {
            let fault = format!("POST committed:{fault}").parse().unwrap();
            let server = LocalServer::builder().fault(fault).start().await.unwrap();
            let (url, token) = (server.url().to_owned(), server.access_token().await.unwrap());
            let ledger = Ledger::in_memory();
            let shared = ledger.clone();
            let ended = if is_blocking {
                let work = move || {
                    let mut host = Blocking::new(&url, token);
                    pollster::block_on(create(&mut host, &url, &shared))
                };
                spawn_blocking(work).await.unwrap()
            } else {
                create(&mut Async::new(&url, token), &url, &shared).await
            };
            assert!(matches!(ended.outcome, Outcome::Present { .. }), "{:?}", ended.outcome);
            assert!(ended.outcome.is_ours() && ended.entry.is_some());
            assert_eq!(server.portals().await.unwrap().len(), 1);
            assert_eq!(ledger.entries(&Filter::default()).await.unwrap().len(), 1);
        }
    }
}
