//! [`Credential`]: what authenticates a client.

use portal_model::Secret;

/// What authenticates a client. Its `Debug` output contains no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// A refresh token of a registered client; access tokens are requested as needed.
    RefreshToken {
        /// The client id.
        client_id: String,
        /// The client secret.
        client_secret: Secret,
        /// The refresh token, which does not expire.
        refresh_token: Secret,
    },
    /// An access token, which expires after an hour and can't be renewed.
    AccessToken(Secret),
}

impl Credential {
    /// Authenticates with a refresh token of a registered client.
    pub fn refresh_token(
        client_id: impl Into<String>,
        client_secret: impl Into<Secret>,
        refresh_token: impl Into<Secret>,
    ) -> Self {
        Self::RefreshToken {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            refresh_token: refresh_token.into(),
        }
    }

    /// Authenticates with an access token.
    pub fn access_token(token: impl Into<Secret>) -> Self {
        Self::AccessToken(token.into())
    }

    /// Returns a part of a credential as it was typed, piped or put into a variable, without the blanks
    /// and the byte-order mark around it.
    ///
    /// ```
    /// use portal_http::client::Credential;
    ///
    /// assert_eq!(Credential::part("access token", "1000.a.b\r\n"), Ok("1000.a.b"));
    /// let quoted = Credential::part("access token", "'1000.a.b'").unwrap_err();
    /// assert_eq!(quoted.to_string(), "the access token has a quote");
    /// ```
    ///
    /// # Errors
    /// [`InvalidCredential`] with `name` if something else is not a part of it.
    pub fn part<'a>(name: &'static str, text: &'a str) -> Result<&'a str, InvalidCredential> {
        let is_around = |c: char| c.is_whitespace() || c == '\u{feff}';
        let text = text.trim_matches(is_around);
        let is_scheme = |word: &&str| text.to_ascii_lowercase().starts_with(&format!("{word} "));
        let what = if text.is_empty() {
            "is empty"
        } else if ["zoho-oauthtoken", "bearer"].iter().any(is_scheme) {
            "begins with the scheme of a header: expected what follows it"
        } else if text.contains(['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']) {
            "has a quote"
        } else if text.contains(['<', '>', '{', '}', '$', ',', ';']) {
            "has a bracket, a dollar sign, a comma or a semicolon: expected its value alone"
        } else if text.contains(is_around) {
            "has a blank or a line break in it"
        } else if !text.chars().all(|c| c.is_ascii_graphic()) {
            "has a control character, or a letter that is not ASCII"
        } else {
            return Ok(text);
        };
        Err(InvalidCredential { name, what })
    }

    /// Fails if a part of it can't be sent.
    pub(super) fn check(&self) -> Result<(), InvalidCredential> {
        let check = |name, text: &str| match Self::part(name, text)? {
            whole if whole == text => Ok(()),
            _ => Err(InvalidCredential { name, what: "has blanks around it" }),
        };
        match self {
            Self::RefreshToken { client_id, client_secret, refresh_token } => {
                check("client id", client_id)?;
                check("client secret", client_secret.expose())?;
                check("refresh token", refresh_token.expose())
            }
            Self::AccessToken(token) => check("access token", token.expose()),
        }
    }
}

/// A part of a credential that can't be one. It is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {name} {what}")]
pub struct InvalidCredential {
    name: &'static str,
    what: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blanks_around_part_are_cut() {
        for text in ["1000.a.b", " 1000.a.b\r\n", "\u{feff}1000.a.b\n", "\t1000.a.b\u{a0}"] {
            assert_eq!(Credential::part("access token", text), Ok("1000.a.b"), "{text:?}");
        }
        for text in [
            "\"1000.a.b\"",
            "“1000.a.b”",
            "<1000.a.b>",
            "1000.a.b,",
            "1000.a.b;",
            "${{ secrets.1000 }}",
            "\u{200b}1000.a.b",
            "1000.a.b # of acme",
            "Zoho-oauthtoken 1000.a.b",
            "bearer 1000.a.b",
            "1000.a b",
            "1000.a\r\n1000.b",
            "1000.a\u{0}b",
            "1000.ä",
            " \r\n",
            "",
        ] {
            let error = Credential::part("access token", text).unwrap_err().to_string();
            assert!(error.starts_with("the access token "), "{error}");
            assert!(!error.contains("1000"), "{error}");
            let parts = [Credential::access_token("1000.a\n".to_owned())];
            assert!(parts.iter().all(|credential| credential.check().is_err()));
        }
    }
}
