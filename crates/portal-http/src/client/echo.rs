//! What a service or a gateway echoes of the request's own secrets: an error may be quoted to people,
//! logged, and kept in a ledger.

use portal_model::{Response, Secret};

/// Shorter secrets are left, since a word of an error code may be one. The service's have 64 characters
/// and more.
const MIN_LEN: usize = 16;
const MASK: &str = "•••";

/// The response without the secrets of its request.
pub(super) fn without(mut response: Response, secrets: &[&Secret]) -> Response {
    for secret in secrets.iter().map(|secret| secret.expose()).filter(|it| it.len() >= MIN_LEN) {
        let text = String::from_utf8_lossy(&response.body);
        if text.contains(secret) {
            response.body = text.replace(secret, MASK).into();
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_request_are_masked_and_nothing_else() {
        let [token, short] = ["1000.0123456789abcdef.fedcba", "secret"].map(Secret::new);
        let masked = |body: &[u8]| without(Response::new(400, body), &[&token, &short]).body;
        let echo = b"<p>Zoho-oauthtoken 1000.0123456789abcdef.fedcba secret\xff";
        assert_eq!(masked(echo), "<p>Zoho-oauthtoken ••• secret\u{fffd}".as_bytes());
        for other in [&b""[..], b"invalid_client_secret \xff", b"1000.0123456789abcdef.fedcb"] {
            assert_eq!(masked(other), other);
        }
    }
}
