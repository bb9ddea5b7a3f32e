//! The durable engines agree with the in-memory engine, which serves as their oracle.

use std::collections::HashMap;
use std::sync::Arc;

use portal_model::Portal;
use portal_model::oauth::{Grant, OAuthError, TokenRequest};
use portal_store::{
    CreateConflict, MemoryRegistry, Principal, Registry, RenameConflict, SqliteRegistry, TokenRules,
};
use proptest::prelude::*;

use crate::{ORGS, at, name, principal_of, refresh, seed};

/// Few names, so that calls conflict, and in different case.
const NAMES: [&str; 6] = ["PortalA", "portala", "PORTALB", "PortalB", "PortalC", "PortalD"];

#[derive(Clone, Debug)]
enum Step {
    Create { org: usize, name: usize },
    Rename { org: usize, old: usize, new: usize },
    Get { org: usize, name: usize },
    List { org: usize },
    Refresh { org: usize, rules: TokenRules },
    Exchange,
    Revoke { org: usize },
    End { token: prop::sample::Index },
    WhoIs { token: prop::sample::Index },
    Seed,
    Pass { seconds: i64 },
}

fn any_step() -> impl Strategy<Value = Step> {
    let (org, name) = (|| 0..ORGS.len(), || 0..NAMES.len());
    let rules = prop_oneof![Just(TokenRules::LifetimesOnly), Just(TokenRules::ServiceLimits)];
    prop_oneof![
        4 => (org(), name()).prop_map(|(org, name)| Step::Create { org, name }),
        4 => (org(), name(), name()).prop_map(|(org, old, new)| Step::Rename { org, old, new }),
        1 => (org(), name()).prop_map(|(org, name)| Step::Get { org, name }),
        2 => org().prop_map(|org| Step::List { org }),
        8 => (org(), rules).prop_map(|(org, rules)| Step::Refresh { org, rules }),
        1 => Just(Step::Exchange),
        1 => org().prop_map(|org| Step::Revoke { org }),
        1 => any::<prop::sample::Index>().prop_map(|token| Step::End { token }),
        4 => any::<prop::sample::Index>().prop_map(|token| Step::WhoIs { token }),
        1 => Just(Step::Seed),
        3 => prop_oneof![0..70_i64, 500..700_i64, 3000..3700_i64]
            .prop_map(|seconds| Step::Pass { seconds }),
    ]
}

/// The result of a step, without random values.
#[derive(Debug, PartialEq)]
enum Seen {
    Created(Result<(), CreateConflict>),
    Renamed(Result<Portal, RenameConflict>),
    Portals(Vec<Portal>),
    Granted(Result<(), OAuthError>),
    Ended(bool),
    Who(Option<Arc<Principal>>),
    Nothing,
}

struct Run<R> {
    registry: R,
    acting: Vec<Principal>,
    tokens: Vec<String>,
    second: i64,
}

impl<R: Registry> Run<R> {
    async fn new(registry: R) -> Self {
        registry.apply_seed(&seed(), at(0)).await.unwrap();
        let mut acting = Vec::new();
        for org in ORGS {
            acting.push(principal_of(&registry, org).await);
        }
        Self { registry, acting, tokens: vec!["1000.unknown".to_owned()], second: 0 }
    }

    async fn step(&mut self, step: &Step) -> Seen {
        let now = at(self.second);
        let registry = &self.registry;
        match step {
            Step::Create { org, name: at } => {
                let by = &self.acting[*org];
                let wanted = name(NAMES[*at]);
                let created = registry.create_portal(by.user.id, &wanted, now);
                Seen::Created(created.await.unwrap())
            }
            Step::Rename { org, old, new } => {
                let by = &self.acting[*org];
                let (old, new) = (NAMES[*old], name(NAMES[*new]));
                let renamed = registry.rename_portal(by.user.id, old, &new, now);
                Seen::Renamed(renamed.await.unwrap())
            }
            Step::Get { org, name } => {
                let found = registry.portal(self.acting[*org].org.id, NAMES[*name]).await;
                Seen::Portals(found.unwrap().into_iter().collect())
            }
            Step::List { org } => {
                Seen::Portals(registry.portals(self.acting[*org].org.id).await.unwrap())
            }
            Step::Refresh { org, rules } => self.issue_token(&refresh(ORGS[*org]), *rules).await,
            Step::Exchange => {
                let (code, redirect_uri) = ("acme.code".to_owned().into(), None);
                let grant = Grant::AuthorizationCode { code, redirect_uri };
                let request = TokenRequest::new("1000.CLIENT", "hush".to_owned(), grant);
                self.issue_token(&request, TokenRules::LifetimesOnly).await
            }
            Step::Revoke { org } => {
                let token = format!("{}.token", ORGS[*org]);
                Seen::Ended(registry.revoke(&token, now).await.unwrap())
            }
            Step::End { token } => {
                let token = token.get(&self.tokens);
                Seen::Ended(registry.expire_access_token(token).await.unwrap())
            }
            Step::WhoIs { token } => {
                let token = token.get(&self.tokens);
                Seen::Who(registry.authenticate(token, now).await.unwrap())
            }
            Step::Seed => {
                registry.apply_seed(&seed(), now).await.unwrap();
                Seen::Nothing
            }
            Step::Pass { seconds } => {
                self.second += seconds;
                Seen::Nothing
            }
        }
    }

    async fn issue_token(&mut self, request: &TokenRequest, rules: TokenRules) -> Seen {
        let granted = self.registry.issue_token(request, rules, at(self.second)).await.unwrap();
        Seen::Granted(granted.map(|granted| {
            self.tokens.push(granted.access_token.expose().to_owned());
        }))
    }
}

/// Numbers of orgs, users and portals by order of appearance: those of two registries differ, and
/// `PostgreSQL`'s have gaps.
#[derive(Default)]
struct Numbers(HashMap<String, usize>);

impl Numbers {
    fn replace(&mut self, seen: &Seen) -> String {
        let seen = format!("{seen:?} ");
        let (mut replaced, mut digits) = (String::new(), String::new());
        for c in seen.chars() {
            if c.is_ascii_digit() {
                digits.push(c);
                continue;
            }
            let next = self.0.len();
            let digits = std::mem::take(&mut digits);
            if digits.len() < 11 {
                replaced.push_str(&digits);
            } else {
                replaced += "#";
                replaced += &self.0.entry(digits).or_insert(next).to_string();
            }
            replaced.push(c);
        }
        replaced
    }
}

/// Takes the steps in both registries.
async fn compare(
    steps: &[Step],
    oracle: MemoryRegistry,
    tried: impl Registry,
) -> Result<(), TestCaseError> {
    let (mut oracle, mut tried) = (Run::new(oracle).await, Run::new(tried).await);
    let (mut expected, mut found) = (Numbers::default(), Numbers::default());
    for step in steps {
        let expected = expected.replace(&oracle.step(step).await);
        prop_assert_eq!(expected, found.replace(&tried.step(step).await), "{:?}", step);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn both_engines_agree(steps in prop::collection::vec(any_step(), 1..80)) {
        let kept = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let tried = SqliteRegistry::open(kept.path()).unwrap();
        runtime.block_on(compare(&steps, MemoryRegistry::new(), tried))?;
    }
}

#[cfg(all(unix, feature = "postgres"))]
mod postgres {
    use portal_store::PostgresRegistry;
    use portal_testkit::{Database, needs};

    use super::*;

    proptest! {
        // Each case creates a database.
        #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

        #[needs(postgresql)]
        #[test]
        fn postgres_agrees(steps in prop::collection::vec(any_step(), 1..160)) {
            let database = Database::create();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let tried = PostgresRegistry::open(&database.url()).await.unwrap();
                compare(&steps, MemoryRegistry::new(), tried).await
            })?;
        }
    }
}
