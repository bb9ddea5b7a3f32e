//! How access tokens are issued and limited, and how their users end them.

use std::collections::HashSet;

use portal_model::oauth::OAuthError;
use portal_model::{Timestamp, server};

use super::{AccessTokenRow, By, Change, GrantKind, GrantRow, People, Row};
use crate::audit::AuditAction;
use crate::org::Principal;
use crate::token::{
    ACCESS_TOKEN_SECONDS, ALIVE_PER_REFRESH_TOKEN, GRANTS_PER_WINDOW, Hashed, HashedRequest,
    REFRESH_TOKENS_PER_USER, TokenRules, WINDOW_SECONDS,
};

impl People {
    /// Issues an access token to a client whose secret is right. A refusal changes nothing.
    pub(crate) fn issue_token(
        &mut self,
        request: &HashedRequest,
        rules: TokenRules,
        now: Timestamp,
    ) -> Result<(), OAuthError> {
        if let Some(code) = request.code {
            self.exchange(code, request, rules, now);
        }
        let (refresh_token, issued_at) = (request.refresh_token, now.unix_seconds());
        if self.usable(refresh_token, GrantKind::RefreshToken, &request.client_id).is_none() {
            return Err(OAuthError::new(OAuthError::INVALID_CODE));
        }
        if rules == TokenRules::ServiceLimits {
            self.limit(refresh_token, issued_at)?;
        }
        self.forget(refresh_token, issued_at);
        let expires_at = Some(issued_at.saturating_add(ACCESS_TOKEN_SECONDS));
        let hash = request.access_token;
        self.put(Row::AccessToken(AccessTokenRow { hash, refresh_token, issued_at, expires_at }));
        Ok(())
    }

    /// The refresh token or code, if the client can use it.
    fn usable(&self, hash: Hashed, kind: GrantKind, client_id: &str) -> Option<&GrantRow> {
        self.grants.get(&hash).filter(|grant| {
            grant.kind == kind && grant.client_id == client_id && grant.ended_at.is_none()
        })
    }

    /// Exchanges a code for a refresh token, if the code is valid.
    fn exchange(
        &mut self,
        code: Hashed,
        request: &HashedRequest,
        rules: TokenRules,
        now: Timestamp,
    ) {
        let at = now.unix_seconds();
        let code = self.usable(code, GrantKind::Code, &request.client_id);
        let Some(code) =
            code.filter(|code| at < code.created_at.saturating_add(rules.code_seconds()))
        else {
            return;
        };
        let (hash, kind) = (request.refresh_token, GrantKind::RefreshToken);
        let token = GrantRow { hash, kind, is_seeded: false, created_at: at, ..code.clone() };
        let used = GrantRow { ended_at: Some(at), ..code.clone() };
        let email = self.email(&token);
        let by = By { actor: &email, now };
        self.put(Row::Grant(used));
        self.put(Row::Grant(token.clone()));
        self.record_grant(by, AuditAction::CodeExchanged, &token);
        if rules == TokenRules::ServiceLimits {
            self.revoke_oldest(by, &token);
        }
    }

    /// Revokes the oldest refresh tokens of a user beyond the limit, but not the new one.
    fn revoke_oldest(&mut self, by: By<'_>, new: &GrantRow) {
        let mut others: Vec<_> = self
            .grants
            .values()
            .filter(|it| it.user == new.user && it.kind == new.kind && it.ended_at.is_none())
            .filter(|it| it.hash != new.hash)
            .map(|it| (!it.is_seeded, it.created_at, it.hash))
            .collect();
        others.sort_unstable();
        let excess = (others.len() + 1).saturating_sub(REFRESH_TOKENS_PER_USER);
        let oldest: HashSet<_> = others.into_iter().take(excess).map(|(.., hash)| hash).collect();
        self.end_all(by, |grant| oldest.contains(&grant.hash));
    }

    /// Applies the limits of the service to one more access token.
    fn limit(&mut self, refresh_token: Hashed, now: i64) -> Result<(), OAuthError> {
        let issued = self.issued(refresh_token);
        let recent = issued.iter().filter(|it| it.issued_at > now.saturating_sub(WINDOW_SECONDS));
        if recent.count() >= GRANTS_PER_WINDOW {
            return Err(server::tokens_rate_limited());
        }
        let alive = issued.iter().filter(|it| it.is_valid(now)).rev();
        let oldest: Vec<_> = alive.skip(ALIVE_PER_REFRESH_TOKEN - 1).cloned().collect();
        for token in oldest {
            self.put(Row::AccessToken(AccessTokenRow { expires_at: None, ..token }));
        }
        Ok(())
    }

    /// Forgets access tokens that are no longer valid and no longer count towards a limit.
    fn forget(&mut self, refresh_token: Hashed, now: i64) {
        let matters = |token: &AccessTokenRow| {
            token.is_valid(now) || token.issued_at > now.saturating_sub(WINDOW_SECONDS)
        };
        let issued = self.access_tokens.entry(refresh_token).or_default();
        for token in issued.extract_if(.., |token| !matters(token)) {
            self.refresh_tokens.remove(&token.hash);
            self.changes.push(Change::Forget(token.hash));
        }
    }

    /// Revokes a refresh token on behalf of its user. Returns `false` if there is none that is valid.
    pub(crate) fn revoke(&mut self, refresh_token: Hashed, now: Timestamp) -> bool {
        let Some(grant) = self.grants.get(&refresh_token) else { return false };
        let email = self.email(grant);
        let is_it =
            |grant: &GrantRow| grant.kind == GrantKind::RefreshToken && grant.hash == refresh_token;
        self.end_all(By { actor: &email, now }, is_it) > 0
    }

    /// The e-mail address of a grant's user, as the audit log has it.
    fn email(&self, grant: &GrantRow) -> String {
        self.holder(grant).map(|(_, user)| user.email.clone()).unwrap_or_default()
    }

    /// The access tokens of a refresh token, in the order of issue.
    fn issued(&self, refresh_token: Hashed) -> &[AccessTokenRow] {
        self.access_tokens.get(&refresh_token).map_or(&[], Vec::as_slice)
    }

    pub(super) fn access_token(&self, hash: Hashed) -> Option<&AccessTokenRow> {
        self.issued(*self.refresh_tokens.get(&hash)?).iter().find(|it| it.hash == hash)
    }

    /// Expires an access token. Returns `false` if there is none that is not.
    pub(crate) fn expire(&mut self, access_token: Hashed) -> bool {
        let token = self.access_token(access_token).filter(|it| it.expires_at.is_some()).cloned();
        let is_known = token.is_some();
        if let Some(token) = token {
            self.put(Row::AccessToken(AccessTokenRow { expires_at: None, ..token }));
        }
        is_known
    }

    /// The principal of an access token that is valid.
    pub(crate) fn principal(&self, access_token: Hashed, now: i64) -> Option<Principal> {
        let token = self.access_token(access_token).filter(|it| it.is_valid(now))?;
        let grant = self.grants.get(&token.refresh_token)?;
        let (org, user) = self.holder(grant)?;
        Some(Principal {
            org: org.clone(),
            user: user.clone(),
            scopes: grant.scopes.clone(),
            expires_at: Timestamp::from_unix_seconds(token.expires_at?)?,
            client_id: grant.client_id.clone(),
        })
    }
}

impl AccessTokenRow {
    fn is_valid(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|end| now < end)
    }
}
