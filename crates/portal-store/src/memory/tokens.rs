//! [`Tokens`]: issuing and expiring access tokens.

use std::collections::HashMap;

use portal_model::oauth::OAuthError;
use portal_model::server;

use crate::people::{GrantKey, GrantRow, People, Row};
use crate::token::{
    ACCESS_TOKEN_SECONDS, ALIVE_PER_REFRESH_TOKEN, GRANTS_PER_WINDOW, Hashed, HashedRequest,
    REFRESH_TOKENS_PER_USER, TokenRules, WINDOW_SECONDS,
};

/// The access tokens, by the hashes of their secrets.
#[derive(Default)]
pub(super) struct Tokens {
    /// By refresh token; oldest first.
    issued: HashMap<Hashed, Vec<Issued>>,
    /// Maps an access token to the refresh token it was issued for.
    refresh_tokens: HashMap<Hashed, Hashed>,
}

struct Issued {
    hash: Hashed,
    at: i64,
    expires_at: i64,
}

/// Stands in for the expiry of an access token that was expired early.
const EXPIRED_EARLY: i64 = i64::MIN;

impl Tokens {
    pub(super) fn issue(
        &mut self,
        people: &mut People,
        request: &HashedRequest,
        rules: TokenRules,
        now: i64,
    ) -> Result<(), OAuthError> {
        request.check_client(people.client_secret(&request.client_id))?;
        if let Some(code) = request.code {
            exchange(people, code, request, rules, now);
        }
        let refresh_token = request.refresh_token;
        let grant = people.grant(GrantKey::RefreshToken(refresh_token));
        if !grant.is_some_and(|it| it.client_id == request.client_id && it.ended_at.is_none()) {
            return Err(OAuthError::new(OAuthError::INVALID_CODE));
        }
        let issued = self.issued.entry(refresh_token).or_default();
        for forgotten in forget(issued, now) {
            self.refresh_tokens.remove(&forgotten.hash);
        }
        if rules == TokenRules::ServiceLimits {
            limit(issued, now)?;
        }
        let user = grant.map(|grant| grant.user);
        let hash = request.access_token;
        let expires_at = now.saturating_add(ACCESS_TOKEN_SECONDS);
        issued.push(Issued { hash, at: now, expires_at });
        self.refresh_tokens.insert(hash, refresh_token);
        if let Some(user) = user.filter(|_| rules == TokenRules::ServiceLimits) {
            let alive = people.refresh_tokens(user);
            let excess = alive.len().saturating_sub(REFRESH_TOKENS_PER_USER as usize);
            for oldest in alive.into_iter().take(excess) {
                self.revoke(people, oldest, now);
            }
        }
        Ok(())
    }

    pub(super) fn revoke(&mut self, people: &mut People, refresh_token: Hashed, now: i64) -> bool {
        let grant = people.grant(GrantKey::RefreshToken(refresh_token));
        let Some(grant) = grant.filter(|grant| grant.ended_at.is_none()).cloned() else {
            return false;
        };
        people.load(Row::Grant(GrantRow { ended_at: Some(now), ..grant }));
        for issued in self.issued.remove(&refresh_token).into_iter().flatten() {
            self.refresh_tokens.remove(&issued.hash);
        }
        true
    }

    pub(super) fn expire(&mut self, access_token: Hashed) -> bool {
        let refresh_token = self.refresh_tokens.get(&access_token);
        let issued = refresh_token.and_then(|it| self.issued.get_mut(it)).and_then(|issued| {
            issued.iter_mut().find(|it| it.hash == access_token && it.expires_at > EXPIRED_EARLY)
        });
        issued.map(|issued| issued.expires_at = EXPIRED_EARLY).is_some()
    }

    /// The refresh token and expiry of an access token, if it is valid.
    pub(super) fn find(&self, access_token: Hashed, now: i64) -> Option<(GrantKey, i64)> {
        let refresh_token = self.refresh_tokens.get(&access_token)?;
        let issued = self.issued.get(refresh_token)?;
        let issued = issued.iter().find(|issued| issued.hash == access_token)?;
        (now < issued.expires_at)
            .then_some((GrantKey::RefreshToken(*refresh_token), issued.expires_at))
    }
}

/// Exchanges a code for a refresh token, if the code is valid.
fn exchange(
    people: &mut People,
    code: Hashed,
    request: &HashedRequest,
    rules: TokenRules,
    now: i64,
) {
    let Some(code) = people.grant(GrantKey::Code(code)).cloned() else { return };
    if code.ended_at.is_none()
        && code.client_id == request.client_id
        && now < code.created_at.saturating_add(rules.code_seconds())
    {
        people.load(Row::Grant(GrantRow { ended_at: Some(now), ..code.clone() }));
        let key = GrantKey::RefreshToken(request.refresh_token);
        people.load(Row::Grant(GrantRow { key, is_seeded: false, created_at: now, ..code }));
    }
}

/// Applies the limits of the service to one more access token.
fn limit(issued: &mut [Issued], now: i64) -> Result<(), OAuthError> {
    let recent = |issued: &&Issued| issued.at > now.saturating_sub(WINDOW_SECONDS);
    if issued.iter().filter(recent).count() >= GRANTS_PER_WINDOW as usize {
        return Err(server::tokens_rate_limited());
    }
    let alive = issued.iter_mut().filter(|issued| now < issued.expires_at);
    for issued in alive.rev().skip(ALIVE_PER_REFRESH_TOKEN as usize - 1) {
        issued.expires_at = EXPIRED_EARLY;
    }
    Ok(())
}

/// Removes access tokens that are no longer valid and no longer count towards a limit.
fn forget(issued: &mut Vec<Issued>, now: i64) -> impl Iterator<Item = Issued> {
    issued.extract_if(.., move |issued| {
        issued.expires_at <= now && issued.at <= now.saturating_sub(WINDOW_SECONDS)
    })
}
