//! No secret is in what is logged, recorded or printed.

use crate::raw::{authorization, send};
use crate::support::{Home, Served};

/// Every spelling that a client finds for a secret, in a request that the server logs and records.
#[test]
fn no_secret_is_logged_or_recorded() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let authorization = authorization(&server);
    let text = |key: &str| server.listening[key].as_str().unwrap();
    let (secret, token) = (text("client_secret"), text("refresh_token"));
    let escaped = token.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    for target in [
        format!("POST /oauth/v2/token&refresh_token={token}&client_secret={secret}"),
        format!("POST /oauth/v2/token%3Fclient_secret={secret}"),
        format!("POST //oauth/v2/token/revoke/{secret}"),
        format!("POST /oauth/v2/token/{escaped}"),
        format!("GET /crm/v7/settings/portals/{token}?page={token}"),
        format!("GET /crm/v7/org;client-secret={secret}"),
        format!("GET /{secret}?token={token}"),
    ] {
        send(server.url(), &target, &[&authorization], "");
    }
    for body in [
        format!("{{\"portals\":[{{\"name\":\"{token}\"}}]}}"),
        format!("{{\"header\":[{{\"key\":\"Authorization\",\"value\":\"{secret}\"}}]}}"),
        format!("{{\"%73ecret\":\"{secret}\"}}"),
        format!("Bearer {token}"),
        format!("client_secret={secret}"),
        format!("%74oken={escaped}"),
        format!("a letter, {secret}, and no more"),
        token.chars().flat_map(|c| [c, '\0']).collect(),
    ] {
        send(server.url(), "POST /crm/v7/settings/portals", &[&authorization], &body);
        send(server.url(), "POST /oauth/v2/token", &["Content-Type: text/plain"], &body);
    }
    let odd = [format!("X-Key: {secret}"), format!("User-Agent: curl {token}")];
    send(server.url(), "GET /", &[&odd[0], &odd[1]], "");
    let access_token = authorization.rsplit_once(' ').unwrap().1;
    let interleaved: String = token.chars().flat_map(|c| [c, '\0']).collect();
    let shown = server.log() + &server.recorded();
    for secret in [secret, token, access_token, &escaped, &interleaved] {
        assert!(!shown.contains(secret), "{secret} is in\n{shown}");
    }
}
