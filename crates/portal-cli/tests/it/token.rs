//! Access tokens that the service rejects: one more refresh, in whatever words it does so, and out of the
//! cache that processes share.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use crate::orgs::Org;
use crate::support::{Home, Ran};

/// A service that grants `t1`, `t2` and so on.
#[derive(Default)]
struct Service {
    granted: usize,
    /// Rejects this token and those before it.
    rejected: usize,
    rejection: &'static str,
}

fn start(rejection: &'static str) -> (SocketAddr, Arc<Mutex<Service>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let service = Arc::new(Mutex::new(Service { rejection, ..Service::default() }));
    let shared = service.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut request = vec![0; 8192];
            let length = client.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let response = respond(&request, &mut shared.lock().unwrap());
            let _ = client.write_all(response.as_bytes());
        }
    });
    (address, service)
}

fn respond(request: &str, service: &mut Service) -> String {
    let response = |status: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    if request.starts_with("POST /oauth/v2/token") {
        service.granted += 1;
        let body = format!(r#"{{"access_token":"t{}","expires_in":3600}}"#, service.granted);
        return response("200 OK", &body);
    }
    let token = request.split("Zoho-oauthtoken t").nth(1).unwrap_or_default();
    let token = token.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    if token.parse::<usize>().unwrap_or(0) > service.rejected {
        return response("200 OK", r#"{"portals":[]}"#);
    }
    let (status, body) = service.rejection.split_once('\n').unwrap();
    response(status, body)
}

const REJECTIONS: [&str; 8] = [
    "401 Unauthorized\n{\"code\":\"INVALID_OAUTHTOKEN\",\"details\":{},\"message\":\"m\",\"status\":\"error\"}",
    "401 Unauthorized\n{\"code\":\"INVALID_OAUTHTOKEN\"}",
    "401 Unauthorized\n<html>",
    "401 Unauthorized\n",
    "401 Unauthorized\n{\"error\":\"invalid_token\"}",
    "401 Unauthorized\n{\"portals\":[{\"code\":\"AUTHENTICATION_FAILURE\",\"details\":{},\"message\":\"m\",\"status\":\"error\"}]}",
    "403 Forbidden\n{\"code\":\"INVALID_TOKEN\",\"details\":{},\"message\":\"m\",\"status\":\"error\"}",
    "400 Bad Request\n{\"code\":\"INVALID_TOKEN\",\"details\":{},\"message\":\"m\",\"status\":\"error\"}",
];

#[test]
fn cached_token_that_is_rejected_is_replaced_for_all() {
    for rejection in REJECTIONS {
        let (home, (address, service)) = (Home::new(), start(rejection));
        let list = || {
            let mut command = home.command(&["list"]);
            command.envs(Org::new("acme").environment(&format!("http://{address}")));
            Ran::of(&mut command).status
        };
        assert_eq!((list(), list()), (0, 0));
        assert_eq!(service.lock().unwrap().granted, 1, "it is shared");
        service.lock().unwrap().rejected = 1;
        assert_eq!((list(), list()), (0, 0), "{rejection}");
        assert_eq!(service.lock().unwrap().granted, 2, "{rejection}");
        service.lock().unwrap().rejected = usize::MAX;
        assert_eq!(list(), 3, "{rejection}");
        assert_eq!(service.lock().unwrap().granted, 3, "{rejection}");
    }
}
