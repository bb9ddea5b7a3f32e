//! The fingerprint of a credential.

use portal_model::datacenter::origin;

use super::credential::Credential;
use super::token_cache::digest;

impl Credential {
    /// 16 hexadecimal digits that tell credentials of the accounts server apart and can't be traced back to
    /// one: what the ledger has of it. The client secret does not count, because it can be renewed.
    ///
    /// ```
    /// use portal_http::client::Credential;
    ///
    /// let accounts = Some("https://accounts.zoho.eu");
    /// let of = |secret: &str| {
    ///     let credential = Credential::refresh_token("1000.A", secret.to_owned(), "1000.r".to_owned());
    ///     credential.fingerprint(accounts)
    /// };
    /// assert_eq!(of("secret"), of("renewed"));
    /// ```
    pub fn fingerprint(&self, accounts_url: Option<&str>) -> String {
        let accounts = accounts_url.map(origin).unwrap_or_default();
        let mut digits = match self {
            Self::RefreshToken { client_id, refresh_token, .. } => {
                digest(&["refresh", &accounts, client_id, refresh_token.expose()])
            }
            Self::AccessToken(token) => digest(&["access", token.expose()]),
        };
        digits.truncate(16);
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_covers_client_and_accounts_server() {
        let of = |accounts, client: &str, secret: &str, token: &str| {
            let credential = Credential::refresh_token(client, secret.to_owned(), token.to_owned());
            credential.fingerprint(Some(accounts))
        };
        let accounts = "https://accounts.zoho.eu";
        let one = of(accounts, "1000.A", "hush", "1000.r");
        assert_eq!(one, of(accounts, "1000.A", "renewed", "1000.r"));
        assert_eq!(one.len(), 16);
        let others = [
            of(accounts, "1000.B", "hush", "1000.r"),
            of(accounts, "1000.A", "hush", "1000.s"),
            of("https://accounts.zoho.in", "1000.A", "hush", "1000.r"),
            Credential::access_token("1000.r".to_owned()).fingerprint(Some(accounts)),
        ];
        assert!(!others.contains(&one));
    }
}
