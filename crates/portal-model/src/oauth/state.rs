//! When to renew a token: [`TokenState`].

use std::time::Duration;

/// What to do with an access token of a certain age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// Use it.
    Fresh,
    /// Use it, and get a new one meanwhile: it expires soon.
    Due,
    /// Don't use it: it has expired, or would before a request with it arrives.
    Dead,
}

impl TokenState {
    /// A token is due in the last tenth of its lifetime, at most this long before its end: 5 minutes.
    pub const DUE_BEFORE_END: Duration = Duration::from_secs(300);
    /// A token is dead in the last fiftieth of its lifetime, at most this long before its end: 30
    /// seconds, for latency and clock skew.
    pub const SKEW: Duration = Duration::from_secs(30);

    /// The state of a token that was granted for `expires_in`, `age` after its response came.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portal_model::oauth::TokenState;
    ///
    /// let at = |minutes| TokenState::at(Duration::from_mins(minutes), Duration::from_hours(1));
    /// assert_eq!([at(0), at(54), at(56), at(60)],
    ///     [TokenState::Fresh, TokenState::Fresh, TokenState::Due, TokenState::Dead]);
    /// ```
    pub fn at(age: Duration, expires_in: Duration) -> Self {
        let left = expires_in.saturating_sub(age);
        if left <= Self::SKEW.min(expires_in / 50) {
            Self::Dead
        } else if left <= Self::DUE_BEFORE_END.min(expires_in / 10) {
            Self::Due
        } else {
            Self::Fresh
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_never_gets_younger(lifetime in 0..10_000_u64, a in 0..10_000_u64, b in 0..10_000_u64) {
            let rank = |age| match TokenState::at(
                Duration::from_secs(age), Duration::from_secs(lifetime),
            ) {
                TokenState::Fresh => 0,
                TokenState::Due => 1,
                TokenState::Dead => 2,
            };
            prop_assert!(rank(a.min(b)) <= rank(a.max(b)));
            prop_assert_eq!(rank(lifetime), 2);
        }
    }
}
