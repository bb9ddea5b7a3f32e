//! Lifetimes and limits of tokens, and the form in which secrets are stored.

use portal_model::Secret;
use portal_model::oauth::{AccessToken, Grant, OAuthError, TokenRequest};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::error::RegistryError;

/// Lifetime of an access token: one hour.
pub(crate) const ACCESS_TOKEN_SECONDS: i64 = 3600;
/// Window in which a refresh token yields [`GRANTS_PER_WINDOW`] access tokens: ten minutes.
pub(crate) const WINDOW_SECONDS: i64 = 600;
/// Including the access token that was issued with the code.
pub(crate) const GRANTS_PER_WINDOW: usize = 10;
/// Maximum number of valid access tokens per refresh token; issuing one more expires the oldest.
pub(crate) const ALIVE_PER_REFRESH_TOKEN: usize = 15;

/// Maximum number of valid refresh tokens per user; one more revokes the oldest.
pub(crate) const REFRESH_TOKENS_PER_USER: usize = 20;

/// Which limits apply when a token is issued. The figures are from Zoho's documentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenRules {
    /// An access token expires after an hour; a code after one use.
    #[default]
    LifetimesOnly,
    /// A code expires after three minutes, too. And the limits per refresh token: 10 new access tokens in 10 minutes, and 15 valid ones; a
    /// sixteenth expires the oldest. And 20 refresh tokens per user; the twenty-first revokes the
    /// oldest, seeded ones first.
    ServiceLimits,
}

impl TokenRules {
    /// How many seconds after the seed was applied a code can be exchanged: with the lifetimes only
    /// for a century, so that a seed is as good on the second day of a server as in its first minutes.
    pub(crate) const fn code_seconds(self) -> i64 {
        match self {
            Self::LifetimesOnly => 100 * 365 * 24 * 60 * 60,
            Self::ServiceLimits => 180,
        }
    }
}

/// Generates a token in the format of the service, `1000.<32 hex>.<32 hex>`: 256 random bits.
///
/// # Errors
/// [`RegistryError::NotApplied`] if the operating system can't provide random bytes.
pub fn generate() -> Result<Secret, RegistryError> {
    Ok(Secret::new(format!("1000.{:032x}.{:032x}", random()?, random()?)))
}

/// Generates a client id in the format of the service.
///
/// # Errors
/// [`RegistryError::NotApplied`] if the operating system can't provide random bytes.
pub fn generate_client_id() -> Result<String, RegistryError> {
    Ok(format!("1000.{:032X}", random()?))
}

/// Generates a client secret: 256 random bits.
///
/// # Errors
/// [`RegistryError::NotApplied`] if the operating system can't provide random bytes.
pub fn generate_client_secret() -> Result<Secret, RegistryError> {
    Ok(Secret::new(format!("{:032x}{:032x}", random()?, random()?)))
}

fn random() -> Result<u128, RegistryError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        RegistryError::NotApplied(format!("failed to read random bytes: {error}"))
    })?;
    Ok(u128::from_be_bytes(bytes))
}

/// A token request with hashed secrets.
pub(crate) struct HashedRequest {
    pub(crate) client_id: String,
    client_secret: Hashed,
    /// The given refresh token, or the one to be issued for the code.
    pub(crate) refresh_token: Hashed,
    pub(crate) code: Option<Hashed>,
    /// The access token to be issued.
    pub(crate) access_token: Hashed,
}

impl HashedRequest {
    /// Also returns what is granted if the request succeeds.
    pub(crate) fn new(
        request: &TokenRequest,
    ) -> Result<Result<(Self, AccessToken), OAuthError>, RegistryError> {
        let mut granted = AccessToken::new(generate()?);
        let (refresh_token, code) = match &request.grant {
            Grant::RefreshToken(refresh_token) => (Hashed::of(refresh_token.expose()), None),
            Grant::AuthorizationCode { code, .. } => {
                let refresh_token = generate()?;
                let hash = Hashed::of(refresh_token.expose());
                granted.refresh_token = Some(refresh_token);
                (hash, Some(Hashed::of(code.expose())))
            }
            _ => return Ok(Err(OAuthError::new(OAuthError::UNSUPPORTED_GRANT_TYPE))),
        };
        let hashed = Self {
            client_id: request.client_id.clone(),
            client_secret: Hashed::of(request.client_secret.expose()),
            refresh_token,
            code,
            access_token: Hashed::of(granted.access_token.expose()),
        };
        Ok(Ok((hashed, granted)))
    }

    /// Compares the secret with the one of the client, if there is such a client.
    pub(crate) fn check_client(&self, stored: Option<Hashed>) -> Result<(), OAuthError> {
        match stored {
            None => Err(OAuthError::new(OAuthError::INVALID_CLIENT)),
            Some(stored) if stored.matches(self.client_secret) => Ok(()),
            Some(_) => Err(OAuthError::new(OAuthError::INVALID_CLIENT_SECRET)),
        }
    }
}

/// The SHA-256 of a secret, the only form in which secrets are stored.
///
/// Safe as a lookup key: the time of the lookup depends on the hash, not on the secret. To verify a
/// secret against a stored hash, use [`matches`](Self::matches).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Hashed(pub(crate) [u8; 32]);

impl Hashed {
    pub(crate) fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// The first twelve hexadecimal digits, by which people tell tokens apart.
    pub(crate) fn fingerprint(self) -> String {
        self.0[..6].iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// Compares two hashes in constant time.
    pub(crate) fn matches(self, other: Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_service_format_and_differ() {
        let tokens =
            [generate().unwrap(), generate().unwrap()].map(|token| token.expose().to_owned());
        assert_ne!(tokens[0], tokens[1]);
        for token in tokens {
            let parts: Vec<&str> = token.split('.').collect();
            assert_eq!(parts[0], "1000");
            assert_eq!(parts.len(), 3);
            for part in &parts[1..] {
                assert_eq!(part.len(), 32);
                assert!(part.bytes().all(|byte| byte.is_ascii_hexdigit()));
            }
        }
    }

    #[test]
    fn access_token_lifetime_matches_expires_in() {
        let granted = AccessToken::new(String::new());
        assert_eq!(granted.expires_in.as_secs(), ACCESS_TOKEN_SECONDS.unsigned_abs());
    }

    #[test]
    fn secret_matches_by_its_sha_256() {
        assert!(Hashed::of("acme-secret").matches(Hashed::of("acme-secret")));
        assert!(!Hashed::of("acme-secret").matches(Hashed::of("acme-secreT")));
        assert_eq!(Hashed::of("").0[..4], [0xe3, 0xb0, 0xc4, 0x42]);
    }
}
