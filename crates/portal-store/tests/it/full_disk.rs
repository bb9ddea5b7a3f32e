//! A disk that is full: calls fail with that reason or are refused with their own, and all of it
//! works again once there is room.
//!
//! A child runs with a preloaded library, compiled here, that makes every write fail while a file
//! exists.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use portal_model::oauth::{OAuthError, TokenRequest};
use portal_store::{CreateConflict, Registry, RegistryError, SqliteRegistry, TokenRules};

use crate::{act, at, name, refresh, seed};

const ROOT: &str = "FULL_DISK_ROOT";
const FLAG: &str = "FULL_DISK_FLAG";

#[test]
fn child() {
    let (Some(root), Some(flag)) = (env::var_os(ROOT), env::var_os(FLAG)) else { return };
    let directory = Path::new(&root).join("data");
    let fill = || fs::write(&flag, "").unwrap();
    let make_room = || fs::remove_file(&flag).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        // A first start.
        fill();
        let message = refusal(&directory);
        assert!(message.starts_with("the disk is full under "), "{message}");
        make_room();

        let registry = SqliteRegistry::open(&directory).unwrap();
        registry.apply_seed(&seed(), at(0)).await.unwrap();
        let acme = act(&registry, "acme").await;
        let create = async |registry: &SqliteRegistry, text: &str| {
            registry.create_portal(acme.org.id, acme.user.id, &name(text), at(1)).await
        };
        let grant = async |request: &TokenRequest| {
            registry.grant(request, TokenRules::LifetimesOnly, at(1)).await
        };
        create(&registry, "BeforeIt").await.unwrap().unwrap();
        fill();
        for number in 0..3 {
            let error = create(&registry, &format!("Full{number}xx")).await.unwrap_err();
            assert!(error.to_string().contains("the disk is full under "), "{error}");
            let error = grant(&refresh("acme")).await.unwrap_err();
            assert!(error.to_string().contains("the disk is full under "), "{error}");
        }
        // What changes nothing needs no room.
        let taken = create(&registry, "BEFOREIT").await;
        assert_eq!(taken, Ok(Err(CreateConflict::NameTaken)));
        let wrong = TokenRequest::new("1000.NONE", "hush".to_owned(), refresh("acme").grant);
        let refused = grant(&wrong).await.unwrap().unwrap_err();
        assert_eq!(refused.error, OAuthError::INVALID_CLIENT);
        assert_eq!(registry.portals(acme.org.id).await.unwrap().len(), 1);

        make_room();
        create(&registry, "AfterIt").await.unwrap().unwrap();
        grant(&refresh("acme")).await.unwrap().unwrap();
        drop(registry);

        // A later start.
        fill();
        let message = refusal(&directory);
        assert!(message.starts_with("the disk is full under "), "{message}");
        make_room();
        let registry = SqliteRegistry::open(&directory).unwrap();
        create(&registry, "AtTheEnd").await.unwrap().unwrap();
        let portals = registry.portals(acme.org.id).await.unwrap();
        let names: Vec<_> = portals.iter().map(|portal| portal.name.as_str()).collect();
        assert_eq!(names, ["BeforeIt", "AfterIt", "AtTheEnd"]);
    });
}

fn refusal(directory: &Path) -> String {
    match SqliteRegistry::open(directory) {
        Err(RegistryError::NoRoom(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn full_disk_is_named_and_overcome() {
    let kept = tempfile::tempdir().unwrap();
    let kept = fs::canonicalize(kept.path()).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/full_disk/full_disk.c");
    let (library, root) = (kept.join("full_disk.so"), kept.join("root"));
    fs::create_dir(&root).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    assert!(compiled.expect("a C compiler, as SQLite needs one").success());
    let child = Command::new(env::current_exe().unwrap())
        .args(["full_disk::child", "--exact", "--nocapture"])
        .env(ROOT, &root)
        .env(FLAG, kept.join("full"))
        .env("LD_PRELOAD", &library)
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
}
