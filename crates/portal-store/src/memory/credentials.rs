//! Clients, codes and tokens, by the hashes of their secrets.

use std::collections::HashMap;

use portal_model::Scope;
use portal_model::oauth::{AccessToken, Grant, OAuthError, TokenRequest};
use portal_model::server;

use crate::error::RegistryError;
use crate::org::UserId;
use crate::seed::{SeedCredential, SeedGrant};
use crate::token::{
    self, ACCESS_TOKEN_SECONDS, ALIVE_PER_REFRESH_TOKEN, CODE_SECONDS, GRANTS_PER_WINDOW, Hashed,
    TokenRules, WINDOW_SECONDS,
};

#[derive(Default)]
pub(super) struct Credentials {
    client_secrets: HashMap<String, Hashed>,
    refresh_tokens: HashMap<Hashed, RefreshToken>,
    codes: HashMap<Hashed, Code>,
    /// Maps an access token to the refresh token it was issued for.
    access_tokens: HashMap<Hashed, Hashed>,
}

/// The client that uses a code or refresh token, and the user and scopes of its access tokens.
#[derive(Clone)]
pub(super) struct Authority {
    pub(super) client_id: String,
    pub(super) user: UserId,
    pub(super) scopes: Vec<Scope>,
}

struct Code {
    authority: Authority,
    created_at: i64,
    is_used: bool,
}

struct RefreshToken {
    authority: Authority,
    is_revoked: bool,
    /// Oldest first.
    issued: Vec<Issued>,
}

struct Issued {
    hash: Hashed,
    at: i64,
    expires_at: i64,
}

impl Credentials {
    pub(super) fn add(&mut self, credential: &SeedCredential, user: UserId, now: i64) {
        let secret = Hashed::of(credential.client_secret.expose());
        self.client_secrets.entry(credential.client_id.clone()).or_insert(secret);
        let authority = Authority {
            client_id: credential.client_id.clone(),
            user,
            scopes: credential.scopes.clone(),
        };
        match &credential.grant {
            SeedGrant::RefreshToken(refresh_token) => {
                self.refresh_tokens
                    .entry(Hashed::of(refresh_token.expose()))
                    .or_insert_with(|| RefreshToken::new(authority));
            }
            SeedGrant::Code(code) => {
                self.codes.entry(Hashed::of(code.expose())).or_insert(Code {
                    authority,
                    created_at: now,
                    is_used: false,
                });
            }
        }
    }

    pub(super) fn issue_token(
        &mut self,
        request: &TokenRequest,
        rules: TokenRules,
        now: i64,
    ) -> Result<Result<AccessToken, OAuthError>, RegistryError> {
        let access_token = token::generate()?;
        let mut granted = AccessToken::new(access_token);
        if let Err(error) = self.check_client(request) {
            return Ok(Err(error));
        }
        let hash = match &request.grant {
            Grant::RefreshToken(refresh_token) => Hashed::of(refresh_token.expose()),
            Grant::AuthorizationCode { code, .. } => {
                let refresh_token = token::generate()?;
                let hash = Hashed::of(refresh_token.expose());
                let Some(authority) =
                    self.use_code(Hashed::of(code.expose()), &request.client_id, now)
                else {
                    return Ok(Err(OAuthError::new(OAuthError::INVALID_CODE)));
                };
                self.refresh_tokens.insert(hash, RefreshToken::new(authority));
                granted.refresh_token = Some(refresh_token);
                hash
            }
            _ => return Ok(Err(OAuthError::new(OAuthError::UNSUPPORTED_GRANT_TYPE))),
        };
        let refresh_token = self.refresh_tokens.get_mut(&hash).filter(|refresh_token| {
            refresh_token.authority.client_id == request.client_id && !refresh_token.is_revoked
        });
        let Some(refresh_token) = refresh_token else {
            return Ok(Err(OAuthError::new(OAuthError::INVALID_CODE)));
        };
        let forgotten = refresh_token.forget(now);
        let access_hash = Hashed::of(granted.access_token.expose());
        let issued = refresh_token.issue(access_hash, rules, now);
        for forgotten in forgotten {
            self.access_tokens.remove(&forgotten);
        }
        Ok(issued.map(|()| {
            self.access_tokens.insert(access_hash, hash);
            granted
        }))
    }

    fn check_client(&self, request: &TokenRequest) -> Result<(), OAuthError> {
        match self.client_secrets.get(&request.client_id) {
            None => Err(OAuthError::new(OAuthError::INVALID_CLIENT)),
            Some(kept) if kept.matches(Hashed::of(request.client_secret.expose())) => Ok(()),
            Some(_) => Err(OAuthError::new(token::INVALID_CLIENT_SECRET)),
        }
    }

    fn use_code(&mut self, hash: Hashed, client_id: &str, now: i64) -> Option<Authority> {
        let code = self.codes.get_mut(&hash).filter(|code| {
            !code.is_used
                && code.authority.client_id == client_id
                && now < code.created_at.saturating_add(CODE_SECONDS)
        })?;
        code.is_used = true;
        Some(code.authority.clone())
    }

    pub(super) fn revoke(&mut self, refresh_token: &str) -> bool {
        let found = self.refresh_tokens.get_mut(&Hashed::of(refresh_token));
        let Some(refresh_token) = found.filter(|refresh_token| !refresh_token.is_revoked) else {
            return false;
        };
        refresh_token.is_revoked = true;
        for issued in refresh_token.issued.drain(..) {
            self.access_tokens.remove(&issued.hash);
        }
        true
    }

    pub(super) fn expire(&mut self, access_token: &str) -> bool {
        let hash = Hashed::of(access_token);
        let found =
            self.access_tokens.get(&hash).and_then(|from| self.refresh_tokens.get_mut(from));
        let issued = found
            .and_then(|from| from.issued.iter_mut().find(|issued| issued.hash == hash))
            .filter(|issued| issued.expires_at > EXPIRED_EARLY);
        issued.map(|issued| issued.expires_at = EXPIRED_EARLY).is_some()
    }

    /// The expiry of an access token and its authority, if the token is valid.
    pub(super) fn bearer(&self, access_token: &str, now: i64) -> Option<(i64, &Authority)> {
        let hash = Hashed::of(access_token);
        let from = self.refresh_tokens.get(self.access_tokens.get(&hash)?)?;
        let issued = from.issued.iter().find(|issued| issued.hash == hash)?;
        (now < issued.expires_at).then_some((issued.expires_at, &from.authority))
    }
}

/// Stands in for the expiry of an access token that was expired early.
const EXPIRED_EARLY: i64 = i64::MIN;

impl RefreshToken {
    fn new(authority: Authority) -> Self {
        Self { authority, is_revoked: false, issued: Vec::new() }
    }

    fn issue(&mut self, hash: Hashed, rules: TokenRules, now: i64) -> Result<(), OAuthError> {
        if rules == TokenRules::ServiceLimits {
            let recent = |issued: &&Issued| issued.at > now.saturating_sub(WINDOW_SECONDS);
            if self.issued.iter().filter(recent).count() >= GRANTS_PER_WINDOW as usize {
                return Err(server::tokens_rate_limited());
            }
            let alive = self.issued.iter_mut().filter(|issued| now < issued.expires_at);
            for issued in alive.rev().skip(ALIVE_PER_REFRESH_TOKEN as usize - 1) {
                issued.expires_at = EXPIRED_EARLY;
            }
        }
        let expires_at = now.saturating_add(ACCESS_TOKEN_SECONDS);
        self.issued.push(Issued { hash, at: now, expires_at });
        Ok(())
    }

    /// Drops access tokens that are no longer valid and no longer count towards a limit. Returns
    /// their hashes.
    fn forget(&mut self, now: i64) -> Vec<Hashed> {
        self.issued
            .extract_if(.., |issued| {
                issued.expires_at <= now && issued.at <= now.saturating_sub(WINDOW_SECONDS)
            })
            .map(|issued| issued.hash)
            .collect()
    }
}
