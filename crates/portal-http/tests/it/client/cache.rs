//! Tokens that processes share.

use std::fs;
#[cfg(unix)]
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use portal_http::client::{BaseUrl, CacheKey, Client, FileTokenCache, conformance};
use portal_model::oauth::AccessToken;
use portal_model::{ApiError, ListPortals, Secret};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::peer::{LISTED, Peer, client, plain};
use super::script::{LIST, Scripted, TOKEN, credential, none, refused};

fn cache(folder: &TempDir) -> FileTokenCache {
    FileTokenCache::new(folder.path().join("tokens"))
}

/// A client as another process would have it.
fn another(service: &Scripted, folder: &TempDir) -> Client {
    service.builder().token_cache(cache(folder)).build(credential()).unwrap()
}

#[tokio::test]
async fn the_file_cache_keeps_the_promises_of_a_cache() {
    let folder = TempDir::new().unwrap();
    conformance::token_cache(&cache(&folder), &cache(&folder)).await.unwrap();
}

#[tokio::test]
async fn the_http_transport_and_a_tower_service_keep_the_promises_of_a_transport() {
    conformance::transport(&plain().build().unwrap()).await.unwrap();
    let tower = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .retry_canceled_requests(false)
        .build_http();
    conformance::transport(&tower).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_all_who_share_a_cache_one_asks_for_a_token() {
    let folder = TempDir::new().unwrap();
    let service = Scripted::granting(|_| none());
    let mut calls = JoinSet::new();
    for _ in 0..24 {
        let client = another(&service, &folder);
        calls.spawn(async move { client.call(&ListPortals).await });
    }
    while let Some(result) = calls.join_next().await {
        result.unwrap().unwrap();
    }
    assert_eq!(service.count(TOKEN), 1);
    assert_eq!(service.count(LIST), 24);
}

#[tokio::test(start_paused = true)]
async fn a_cached_token_that_the_service_refuses_is_replaced_once_for_all() {
    let folder = TempDir::new().unwrap();
    let service = Scripted::granting(|call| match call.token.as_deref() {
        Some("t1") => refused(ApiError::invalid_token()),
        _ => none(),
    });
    for _ in 0..3 {
        assert!(another(&service, &folder).call(&ListPortals).await.is_ok());
    }
    assert_eq!(service.count(TOKEN), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cache_file_that_is_no_token_counts_as_empty() {
    let folder = TempDir::new().unwrap();
    for rubbish in ["", "{", "[]", r#"{"access_token":7}"#] {
        let service = Scripted::granting(|_| none());
        let client = another(&service, &folder);
        let key = CacheKey::new(
            &"https://accounts.zoho.com".parse::<BaseUrl>().unwrap(),
            "1000.ID",
            &Secret::new("hush-secret"),
            &Secret::new("hush-refresh"),
        );
        let path = folder.path().join("tokens").join(format!("{}.json", key.as_str()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, rubbish).unwrap();
        assert!(client.call(&ListPortals).await.is_ok());
        assert!(fs::read_to_string(&path).unwrap().contains(r#""access_token":"t1""#));
        assert_eq!(service.count(TOKEN), 1, "{rubbish}");
    }
}

#[tokio::test(start_paused = true)]
async fn unusable_cache_is_gone_without() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("tokens"), "a file in its place").unwrap();
    let service = Scripted::granting(|_| none());
    for _ in 0..2 {
        another(&service, &folder).call(&ListPortals).await.unwrap();
    }
    assert_eq!(service.count(TOKEN), 2);
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn cached_token_open_to_others_is_replaced() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let service = Scripted::granting(|_| none());
    another(&service, &folder).authenticate().await.unwrap();
    let files = fs::read_dir(folder.path().join("tokens")).unwrap();
    let is_token = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    let token = files.map(|file| file.unwrap().path()).find(is_token).unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o640)).unwrap();
    another(&service, &folder).authenticate().await.unwrap();
    assert_eq!(service.count(TOKEN), 2);
    assert_eq!(fs::metadata(&token).unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn nobody_else_can_read_a_cached_token() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let service = Scripted::granting(|_| none());
    another(&service, &folder).authenticate().await.unwrap();
    let tokens = folder.path().join("tokens");
    assert_eq!(fs::metadata(&tokens).unwrap().permissions().mode() & 0o777, 0o700);
    for file in fs::read_dir(&tokens).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        let name = file.file_name().into_string().unwrap();
        assert!(!name.contains("hush") && !name.contains("1000.ID"), "{name}");
    }
}

/// Grants tokens and lists nothing.
async fn service() -> Peer {
    Peer::start(|mut connection| async move {
        while let Some(head) = connection.request().await {
            if head.starts_with("POST /oauth") {
                let token = AccessToken::new("t1".to_owned()).response().body;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", token.len());
                connection.write(&[head.as_bytes(), &token].concat()).await;
            } else {
                connection.write(LISTED).await;
            }
        }
    })
    .await
}

/// What the processes of the next test do.
#[tokio::test]
#[ignore = "a process that another test starts"]
async fn a_process_that_shares_the_cache() {
    let environment = |name| std::env::var(name).expect("another test starts it");
    let (url, folder) = (environment("IT_URL"), environment("IT_FOLDER"));
    let client =
        client(plain(), &url).token_cache(FileTokenCache::new(folder)).build(credential()).unwrap();
    client.call(&ListPortals).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_at_once_cost_one_token() {
    let folder = TempDir::new().unwrap();
    let service = service().await;
    let start = || -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "client::cache::a_process_that_shares_the_cache"])
            .env("IT_URL", format!("http://{}", service.address))
            .env("IT_FOLDER", folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..8).map(|_| start()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(service.posts(), 1);
    assert_eq!(service.heads().len(), 9);
}
