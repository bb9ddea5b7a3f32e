//! On a full disk, writes fail with that reason, refusals are still returned, and everything works
//! again once there is room.
//!
//! A child process runs under a preloaded library, compiled here, that fails every write while a
//! file exists.

use std::env;
use std::fs;
use std::path::Path;

use portal_model::oauth::{OAuthError, TokenRequest};
use portal_store::{CreateConflict, Registry, RegistryError, SqliteRegistry, TokenRules};

use crate::children::run_preloaded;
use crate::{at, name, principal_of, refresh, seed};

const ROOT: &str = "FULL_DISK_ROOT";
const FLAG: &str = "FULL_DISK_FLAG";

#[test]
#[ignore = "a process that another test starts"]
fn child() {
    let root = env::var_os(ROOT).expect("set by the parent");
    let flag = env::var_os(FLAG).unwrap();
    let directory = Path::new(&root).join("data");
    let fill = || fs::write(&flag, "").unwrap();
    let make_room = || fs::remove_file(&flag).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        // On the first start.
        fill();
        let message = refusal(&directory);
        assert!(message.starts_with("the disk is full under "), "{message}");
        make_room();

        let registry = SqliteRegistry::open(&directory).unwrap();
        registry.apply_seed(&seed(), at(0)).await.unwrap();
        let acme = principal_of(&registry, "acme").await;
        let create = async |registry: &SqliteRegistry, text: &str| {
            registry.create_portal(acme.user.id, &name(text), at(1)).await
        };
        let grant = async |request: &TokenRequest| {
            registry.issue_token(request, TokenRules::LifetimesOnly, at(1)).await
        };
        create(&registry, "BeforeIt").await.unwrap().unwrap();
        fill();
        for number in 0..3 {
            let error = create(&registry, &format!("Full{number}xx")).await.unwrap_err();
            assert!(error.to_string().contains("the disk is full under "), "{error}");
            let error = grant(&refresh("acme")).await.unwrap_err();
            assert!(error.to_string().contains("the disk is full under "), "{error}");
        }
        // A refusal writes nothing.
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

        // On a later start.
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
    let (root, flag) = (kept.join("root"), kept.join("full"));
    fs::create_dir(&root).unwrap();
    let variables = [(ROOT, root.as_os_str()), (FLAG, flag.as_os_str())];
    run_preloaded("full_disk::child", "full_disk/full_disk.c", &kept, &variables);
}
