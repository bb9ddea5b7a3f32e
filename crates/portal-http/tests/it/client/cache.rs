//! Token caches that processes share.

use std::fs;
#[cfg(unix)]
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use portal_http::client::{
    BaseUrl, CacheKey, CachedToken, Client, FileTokenCache, TokenCache as _,
};
use portal_model::oauth::AccessToken;
use portal_model::server::rejections;
use portal_model::{ListPortals, Secret};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::peer::{Peer, client, plain};
use super::script::{LIST, Scripted, TOKEN, credential, none, refused};

fn cache(directory: &TempDir) -> FileTokenCache {
    FileTokenCache::new(directory.path().join("tokens"))
}

fn key(client_id: &str) -> CacheKey {
    let accounts_url: BaseUrl = "https://accounts.zoho.com".parse().unwrap();
    let [secret, refresh_token] = ["hush-secret", "hush-refresh"].map(Secret::new);
    CacheKey::new(&accounts_url, client_id, &secret, &refresh_token)
}

/// A client of another process.
fn another(service: &Scripted, directory: &TempDir) -> Client {
    service.builder().token_cache(cache(directory)).build(credential()).unwrap()
}

#[tokio::test]
async fn file_cache_is_shared_and_locked_by_key() {
    let is_free = async |cache: &FileTokenCache, key: &CacheKey| {
        timeout(Duration::from_millis(50), cache.lock(key)).await.is_ok()
    };
    let directory = TempDir::new().unwrap();
    let (one, other) = (cache(&directory), cache(&directory));
    let (first_key, second_key) = (key("1000.ONE"), key("1000.TWO"));
    let [first, second] = ["t1", "t2"]
        .map(|text| CachedToken::new(&AccessToken::new(text.to_owned()), SystemTime::now()));

    assert_eq!(one.load(&first_key).await.unwrap(), None);
    let lock = one.lock(&first_key).await.unwrap();
    assert!(!is_free(&other, &first_key).await);
    assert!(is_free(&other, &second_key).await);
    one.store(&first_key, &first).await.unwrap();
    assert_eq!(other.load(&first_key).await.unwrap(), Some(first));
    assert_eq!(other.load(&second_key).await.unwrap(), None);
    one.store(&first_key, &second).await.unwrap();
    drop(lock);
    // The call that timed out does not hold the lock either.
    drop(other.lock(&first_key).await.unwrap());
    assert_eq!(other.load(&first_key).await.unwrap(), Some(second));
    other.remove(&first_key).unwrap();
    other.remove(&first_key).unwrap();
    assert_eq!(one.load(&first_key).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn clients_sharing_cache_request_one_token() {
    let directory = TempDir::new().unwrap();
    let service = Scripted::granting(|_| none());
    let mut calls = JoinSet::new();
    for _ in 0..24 {
        let client = another(&service, &directory);
        calls.spawn(async move { client.call(&ListPortals).await });
    }
    while let Some(result) = calls.join_next().await {
        result.unwrap().unwrap();
    }
    assert_eq!(service.count(TOKEN), 1);
    assert_eq!(service.count(LIST), 24);
}

#[tokio::test(start_paused = true)]
async fn rejected_cached_token_is_replaced_once() {
    let directory = TempDir::new().unwrap();
    let service = Scripted::granting(|call| match call.token.as_deref() {
        Some("t1") => refused(rejections::invalid_token()),
        _ => none(),
    });
    for _ in 0..3 {
        assert!(another(&service, &directory).call(&ListPortals).await.is_ok());
    }
    assert_eq!(service.count(TOKEN), 2);
}

#[tokio::test(start_paused = true)]
async fn invalid_cache_file_counts_as_empty() {
    let directory = TempDir::new().unwrap();
    for invalid in ["", "{", "[]", r#"{"access_token":7}"#] {
        let service = Scripted::granting(|_| none());
        let client = another(&service, &directory);
        let file = format!("{}.json", key("1000.ID").as_str());
        let path = directory.path().join("tokens").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, invalid).unwrap();
        assert!(client.call(&ListPortals).await.is_ok());
        assert!(fs::read_to_string(&path).unwrap().contains(r#""access_token":"t1""#));
        assert_eq!(service.count(TOKEN), 1, "{invalid}");
    }
}

#[tokio::test(start_paused = true)]
async fn unusable_cache_is_skipped() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("tokens"), "a file in its place").unwrap();
    let service = Scripted::granting(|_| none());
    for _ in 0..2 {
        another(&service, &directory).call(&ListPortals).await.unwrap();
    }
    assert_eq!(service.count(TOKEN), 2);
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn cached_token_open_to_others_is_replaced() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = TempDir::new().unwrap();
    let service = Scripted::granting(|_| none());
    another(&service, &directory).authenticate().await.unwrap();
    let files = fs::read_dir(directory.path().join("tokens")).unwrap();
    let is_token = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    let token = files.map(|file| file.unwrap().path()).find(is_token).unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o640)).unwrap();
    another(&service, &directory).authenticate().await.unwrap();
    assert_eq!(service.count(TOKEN), 2);
    assert_eq!(fs::metadata(&token).unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn cached_token_is_readable_by_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = TempDir::new().unwrap();
    let service = Scripted::granting(|_| none());
    another(&service, &directory).authenticate().await.unwrap();
    let tokens = directory.path().join("tokens");
    assert_eq!(fs::metadata(&tokens).unwrap().permissions().mode() & 0o777, 0o700);
    for file in fs::read_dir(&tokens).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        let name = file.file_name().into_string().unwrap();
        assert!(!name.contains("hush") && !name.contains("1000.ID"), "{name}");
    }
}

/// Lists portals with the cache that the next test shares.
#[tokio::test]
#[ignore = "a process that another test starts"]
async fn process_sharing_cache() {
    let environment = |name| std::env::var(name).expect("another test starts it");
    let (url, directory) = (environment("IT_URL"), environment("IT_DIRECTORY"));
    let client = client(plain(), &url)
        .token_cache(FileTokenCache::new(directory))
        .build(credential())
        .unwrap();
    client.call(&ListPortals).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_at_once_cost_one_token() {
    let directory = TempDir::new().unwrap();
    let service = Peer::granting().await;
    let start = || -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "client::cache::process_sharing_cache"])
            .env("IT_URL", format!("http://{}", service.address))
            .env("IT_DIRECTORY", directory.path())
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
