//! The embedded engine.

use portal_store::{Registry as _, SqliteRegistry};

use super::{access_token, at, refresh, seeded};

super::suite!(|directory| move || SqliteRegistry::open(&directory).unwrap());

#[tokio::test]
async fn foreign_revocation_takes_effect_after_second() {
    let directory = tempfile::tempdir().unwrap();
    let open = || SqliteRegistry::open(directory.path()).unwrap();
    let (registry, _) = seeded(open).await;
    let token = access_token(&registry, &refresh("acme"), 0).await.unwrap();
    assert!(registry.authenticate(&token, at(5)).await.unwrap().is_some());
    assert_eq!(open().revoke("1000.acme.all", at(5)).await, Ok(true));
    assert_eq!(registry.authenticate(&token, at(6)).await, Ok(None));
}
