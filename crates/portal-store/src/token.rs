//! Tokens: how long they live, how many there may be, and how they are kept.

use portal_model::Secret;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::error::RegistryError;

/// An access token lives one hour.
pub(crate) const ACCESS_TOKEN_SECONDS: i64 = 3600;
/// A code is good for three minutes.
pub(crate) const CODE_SECONDS: i64 = 180;
/// The time in which a refresh token yields [`GRANTS_PER_WINDOW`] access tokens: ten minutes.
pub(crate) const WINDOW_SECONDS: i64 = 600;
/// The one that came with a code included.
pub(crate) const GRANTS_PER_WINDOW: u32 = 10;
/// One more access token of the same refresh token ends the oldest.
pub(crate) const ALIVE_PER_REFRESH_TOKEN: u32 = 15;

/// Which limits hold for the grant of a token. The figures are from the documentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenRules {
    /// An access token lives for an hour; a code is good once, for three minutes.
    #[default]
    LifetimesOnly,
    /// Also the limits per refresh token: 10 new access tokens in 10 minutes, and 15 valid ones; a
    /// sixteenth ends the oldest.
    AsTheService,
}

/// A new token in the form of the service, `1000.<32 hex>.<32 hex>`: 256 random bits.
///
/// # Errors
/// [`RegistryError::NotApplied`] if the system provides no random numbers.
pub fn generate() -> Result<Secret, RegistryError> {
    Ok(Secret::new(format!("1000.{:032x}.{:032x}", random()?, random()?)))
}

/// A new client id in the form of the service.
pub(crate) fn generate_client_id() -> Result<String, RegistryError> {
    Ok(format!("1000.{:032X}", random()?))
}

/// A new client secret: 256 random bits.
///
/// # Errors
/// [`RegistryError::NotApplied`] if the system provides no random numbers.
pub fn generate_client_secret() -> Result<Secret, RegistryError> {
    Ok(Secret::new(format!("{:032x}{:032x}", random()?, random()?)))
}

fn random() -> Result<u128, RegistryError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        RegistryError::NotApplied(format!("the system provides no random numbers: {error}"))
    })?;
    Ok(u128::from_be_bytes(bytes))
}

/// The error code for a client secret that does not belong to the client id.
pub(crate) const INVALID_CLIENT_SECRET: &str = "invalid_client_secret";

/// The form in which a secret is kept: its SHA-256.
///
/// As a key it can be looked up by any means, because the time that takes depends on the hash, not
/// on the secret; a secret is compared with the one kept by [`matches`](Self::matches).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Hashed(pub(crate) [u8; 32]);

impl Hashed {
    pub(crate) fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Twelve hexadecimal digits, by which people tell one token from another.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn fingerprint(self) -> String {
        self.0[..6].iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// Whether both are of one secret, in constant time.
    pub(crate) fn matches(self, other: Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_the_form_of_the_service_and_differ() {
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
    fn access_token_lives_as_long_as_its_response_says() {
        let granted = portal_model::oauth::AccessToken::new(String::new());
        assert_eq!(granted.expires_in.as_secs(), ACCESS_TOKEN_SECONDS.unsigned_abs());
    }

    #[test]
    fn secret_matches_by_its_sha_256() {
        assert!(Hashed::of("acme-secret").matches(Hashed::of("acme-secret")));
        assert!(!Hashed::of("acme-secret").matches(Hashed::of("acme-secreT")));
        assert_eq!(Hashed::of("").0[..4], [0xe3, 0xb0, 0xc4, 0x42]);
    }
}
