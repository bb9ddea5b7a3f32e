//! A gateway before the API that keeps a create back, and passes it on even if the client is gone.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use crate::orgs::Orgs;
use crate::support::{Home, Ran, Served};

/// What it has seen and may do.
#[derive(Default)]
struct State {
    /// Creates that arrived.
    creates: usize,
    /// Lists that were passed on.
    lists: usize,
    /// How many creates are passed on at once.
    passes: usize,
    /// Whether every create is passed on.
    is_open: bool,
    list_mode: ListMode,
    first_list: Option<Vec<u8>>,
    org: OrgRequests,
    /// Whether a request for the org's id was kept back.
    kept_org_back: bool,
    /// Opens by itself once so many lists were passed on.
    opens_after: Option<usize>,
}

/// How the gateway responds to lists.
#[derive(Clone, Copy, Default, PartialEq)]
enum ListMode {
    #[default]
    Fresh,
    /// With an error of the gateway.
    Broken,
    /// Always with the first list.
    Stale,
    /// As a cache that says so.
    Cached,
}

/// What happens to requests for the org's id.
#[derive(Clone, Copy, Default, PartialEq)]
enum OrgRequests {
    #[default]
    Pass,
    /// Respond as to a token without that scope.
    Hidden,
    /// Hold back until the gateway is opened.
    Hang,
    /// Respond with an error of the gateway.
    Fail,
}

/// Listens until the process ends.
pub(crate) struct Gateway {
    url: String,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Gateway {
    /// A gateway before `server` that keeps every create back until it is opened.
    pub(crate) fn start(server: &Served) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::<(Mutex<State>, Condvar)>::default();
        let upstream = server.url().trim_start_matches("http://").to_owned();
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (upstream, shared) = (upstream.clone(), shared.clone());
                std::thread::spawn(move || pass_on(client, &upstream, &shared));
            }
        });
        Self { url, state }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Passes on the first `creates` at once.
    pub(crate) fn pass(&self, creates: usize) {
        self.state.0.lock().unwrap().passes = creates;
    }

    /// Responds to every list with an error from now on.
    pub(crate) fn break_lists(&self) {
        self.state.0.lock().unwrap().list_mode = ListMode::Broken;
    }

    /// Responds to every list with the first one.
    pub(crate) fn keep_first_list(&self) {
        self.state.0.lock().unwrap().list_mode = ListMode::Stale;
    }

    /// Responds to every list as a cache that says so.
    pub(crate) fn cache_lists(&self) {
        self.state.0.lock().unwrap().list_mode = ListMode::Cached;
    }

    /// Responds to every list as it is from now on.
    pub(crate) fn update_lists(&self) {
        self.state.0.lock().unwrap().list_mode = ListMode::Fresh;
    }

    /// Keeps back requests for the org's id.
    pub(crate) fn hang_org(&self) {
        self.state.0.lock().unwrap().org = OrgRequests::Hang;
    }

    /// Whether such a request was kept back.
    pub(crate) fn asked_for_org(&self) -> bool {
        self.state.0.lock().unwrap().kept_org_back
    }

    /// Hides the org's id from now on, as from a token without that scope.
    pub(crate) fn hide_org(&self) {
        self.state.0.lock().unwrap().org = OrgRequests::Hidden;
    }

    /// Fails every request for the org's id from now on.
    pub(crate) fn fail_org(&self) {
        self.state.0.lock().unwrap().org = OrgRequests::Fail;
    }

    /// Passes requests for the org's id on again.
    pub(crate) fn pass_org(&self) {
        self.state.0.lock().unwrap().org = OrgRequests::Pass;
    }

    /// Leads the API calls of the first profile through this gateway.
    pub(crate) fn lead(&self, orgs: &Orgs) {
        let config = orgs.config().join("config.toml");
        let text = fs::read_to_string(&config).unwrap();
        let api = |url| format!("api_domain = \"{url}\"");
        let text = text.replacen(&api(orgs.served.url()), &api(self.url()), 1);
        fs::write(&config, text).unwrap();
    }

    /// How many creates arrived.
    pub(crate) fn creates(&self) -> usize {
        self.state.0.lock().unwrap().creates
    }

    /// Passes on what was kept back and what comes.
    pub(crate) fn open(&self) {
        self.state.0.lock().unwrap().is_open = true;
        self.state.1.notify_all();
    }

    /// Opens once so many more lists were passed on.
    pub(crate) fn open_after_lists(&self, lists: usize) {
        let mut state = self.state.0.lock().unwrap();
        state.opens_after = Some(state.lists + lists);
    }

    /// `portal` on the org of `server`, through this gateway.
    pub(crate) fn command(
        &self,
        server: &Served,
        home: &Home,
        arguments: &[&str],
    ) -> std::process::Command {
        let mut command = server.command(home, arguments);
        command.env("PORTAL_API_DOMAIN", &self.url);
        command
    }

    pub(crate) fn run(&self, server: &Served, home: &Home, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(server, home, arguments))
    }
}

/// One request and its response.
fn pass_on(mut client: TcpStream, upstream: &str, shared: &(Mutex<State>, Condvar)) {
    let Some((head, body)) = read_request(&mut client) else { return };
    let is_portals = head.contains("/settings/portals");
    if is_portals && head.starts_with("POST") {
        let mut state = shared.0.lock().unwrap();
        state.creates += 1;
        let number = state.creates;
        drop(shared.1.wait_while(state, |state| number > state.passes && !state.is_open).unwrap());
    }
    if is_portals
        && head.starts_with("GET")
        && shared.0.lock().unwrap().list_mode == ListMode::Broken
    {
        let response = "HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let _ = client.write_all(response.as_bytes());
        return;
    }
    if head.contains("/org HTTP/") {
        let org = shared.0.lock().unwrap().org;
        if let Some(response) = org_response(org, shared) {
            let _ = client.write_all(response.as_bytes());
            return;
        }
    }
    let mut server = TcpStream::connect(upstream).unwrap();
    // Without keep-alive the response ends with the connection.
    let request = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    server.write_all(request.as_bytes()).unwrap();
    server.write_all(&body).unwrap();
    let mut response = Vec::new();
    server.read_to_end(&mut response).unwrap();
    if is_portals && head.starts_with("GET") {
        let mut state = shared.0.lock().unwrap();
        state.lists += 1;
        let first = state.first_list.get_or_insert_with(|| response.clone()).clone();
        if state.list_mode == ListMode::Stale {
            response = first;
        } else if state.list_mode == ListMode::Cached {
            let text = String::from_utf8(response).unwrap();
            response = text.replacen("\r\n", "\r\nage: 3600\r\n", 1).into_bytes();
        }
        if state.opens_after.is_some_and(|lists| state.lists >= lists) {
            state.is_open = true;
            shared.1.notify_all();
        }
    }
    // The client may be gone.
    let _ = client.write_all(&response);
}

/// The gateway's own response to a request for the org's id.
fn org_response(org: OrgRequests, shared: &(Mutex<State>, Condvar)) -> Option<&'static str> {
    match org {
        OrgRequests::Pass => None,
        OrgRequests::Hang => {
            let mut state = shared.0.lock().unwrap();
            state.kept_org_back = true;
            drop(shared.1.wait_while(state, |state| !state.is_open).unwrap());
            None
        }
        OrgRequests::Fail => {
            Some("HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        }
        OrgRequests::Hidden => Some(
            "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-type: \
            application/json\r\ncontent-length: 76\r\n\r\n\
            {\"code\":\"OAUTH_SCOPE_MISMATCH\",\"details\":{},\"message\":\"no\",\"status\":\"error\"}",
        ),
    }
}

/// The head with its empty line, and the body.
fn read_request(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    client.read_exact(&mut body).ok()?;
    Some((head, body))
}
