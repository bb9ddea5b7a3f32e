//! A server with many orgs, and a home whose profiles lead to them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use portal_http::server::{LocalServer, ServedRequest};

use crate::support::{Home, Ran, Served, kill_once};

/// An org of the seed file, and the profile of the same name.
#[derive(Clone, Debug)]
pub(crate) struct Org {
    pub(crate) name: String,
    pub(crate) environment: &'static str,
    pub(crate) permissions: &'static [&'static str],
    pub(crate) scopes: &'static [&'static str],
    /// Whether it may have one portal only.
    pub(crate) portal_limit: bool,
    /// Whether the home has a profile for it.
    pub(crate) has_profile: bool,
}

impl Org {
    /// One in which everything is as it should be.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            environment: "production",
            permissions: &["manage_portal", "manage_portal_users"],
            scopes: &[
                "ZohoCRM.settings.clientportal.CREATE",
                "ZohoCRM.settings.clientportal.READ",
                "ZohoCRM.org.READ",
            ],
            portal_limit: true,
            has_profile: true,
        }
    }

    pub(crate) fn client_id(&self) -> String {
        format!("1000.CLIENT.{}", self.name)
    }

    pub(crate) fn client_secret(&self) -> String {
        format!("hush-secret-{}", self.name)
    }

    pub(crate) fn refresh_token(&self) -> String {
        format!("1000.hush-refresh.{}", self.name)
    }

    pub(crate) fn code(&self) -> String {
        format!("1000.hush-code.{}", self.name)
    }

    /// `org000`, `org001` and so on.
    pub(crate) fn many(count: usize) -> Vec<Self> {
        (0..count).map(|number| Self::new(format!("org{number:03}"))).collect()
    }

    /// The environment that leads to it on the server at `url`.
    pub(crate) fn environment(&self, url: &str) -> [(&'static str, String); 5] {
        [
            ("PORTAL_API_DOMAIN", url.to_owned()),
            ("PORTAL_ACCOUNTS_URL", url.to_owned()),
            ("PORTAL_CLIENT_ID", self.client_id()),
            ("PORTAL_CLIENT_SECRET", self.client_secret()),
            ("PORTAL_REFRESH_TOKEN", self.refresh_token()),
        ]
    }

    fn seed(&self) -> String {
        let Self { name, environment, permissions, scopes, .. } = self;
        let limit = if self.portal_limit { "portal_limit = 1" } else { "" };
        let credential = format!(
            "[[org.user.credential]]\nclient_id = \"{}\"\nclient_secret = \"{}\"\n\
             scopes = {scopes:?}\n",
            self.client_id(),
            self.client_secret(),
        );
        format!(
            "[[org]]\nname = \"{name}\"\nenvironment = \"{environment}\"\n{limit}\n\
             [[org.user]]\nname = \"Admin\"\nemail = \"admin@{name}.example\"\n\
             permissions = {permissions:?}\n\
             {credential}refresh_token = \"{}\"\n{credential}grant_code = \"{}\"\n",
            self.refresh_token(),
            self.code(),
        )
    }
}

/// The text of a seed file with these orgs.
pub(crate) fn seed(orgs: &[Org]) -> String {
    orgs.iter().map(Org::seed).collect()
}

/// Starts a server whose seed file, `seed.toml` in `home`, has these orgs.
pub(crate) fn serve(home: &Home, orgs: &[Org], arguments: &[&str]) -> Served {
    fs::write(home.path().join("seed.toml"), seed(orgs)).unwrap();
    Served::start(home, &[&["--seed", "seed.toml"], arguments].concat())
}

/// Writes the two files that `portal login` would, for the server at `url`.
pub(crate) fn write_profiles(home: &Home, url: &str, orgs: &[Org]) {
    let directory = home.path().join(".config/portal");
    fs::create_dir_all(&directory).unwrap();
    let (mut config, mut credentials) = (String::new(), String::new());
    for org in orgs.iter().filter(|org| org.has_profile) {
        let (name, id) = (&org.name, org.client_id());
        let _ = writeln!(
            config,
            "[profile.{name}]\napi_domain = \"{url}\"\naccounts_url = \"{url}\"\n\
             client_id = \"{id}\""
        );
        let (secret, token) = (org.client_secret(), org.refresh_token());
        let _ = writeln!(
            credentials,
            "[{name}]\nclient_secret = \"{secret}\"\nrefresh_token = \"{token}\""
        );
    }
    fs::write(directory.join("config.toml"), config).unwrap();
    // Nobody else can read what `tempfile` makes.
    let mut file = tempfile::NamedTempFile::new_in(&directory).unwrap();
    file.write_all(credentials.as_bytes()).unwrap();
    file.persist(directory.join("credentials.toml")).unwrap();
}

/// How many calls had which method and status.
pub(crate) type Calls = Arc<Mutex<BTreeMap<(String, Option<u16>), usize>>>;

/// A server in this process that counts its calls.
pub(crate) async fn counting_server(orgs: &[Org]) -> (LocalServer, Calls) {
    let calls = Calls::default();
    let counted = calls.clone();
    let count = move |request: &ServedRequest<'_>| {
        let kind = (request.method().to_string(), request.status());
        *counted.lock().unwrap().entry(kind).or_default() += 1;
    };
    let builder = LocalServer::builder().seed(seed(orgs).parse().unwrap());
    (builder.on_request(count).start().await.unwrap(), calls)
}

/// A server with many orgs, and a home whose profiles lead to them.
pub(crate) struct Orgs {
    pub(crate) home: Home,
    pub(crate) served: Served,
    pub(crate) seeded: Vec<Org>,
}

impl Orgs {
    pub(crate) fn start(seeded: Vec<Org>, arguments: &[&str]) -> Self {
        let home = Home::new();
        let served = serve(&home, &seeded, arguments);
        write_profiles(&home, served.url(), &seeded);
        Self { home, served, seeded }
    }

    /// A new access token of the org `name`.
    pub(crate) fn access_token(&self, name: &str) -> String {
        let org = self.seeded.iter().find(|org| org.name == name).unwrap();
        let host = self.served.url().trim_start_matches("http://");
        let form = format!(
            "grant_type=refresh_token&client_id={}&client_secret={}&refresh_token={}",
            org.client_id(),
            org.client_secret(),
            org.refresh_token()
        );
        let mut server = std::net::TcpStream::connect(host).unwrap();
        let request = format!(
            "POST /oauth/v2/token HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        );
        server.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        server.read_to_string(&mut response).unwrap();
        let body = response.split_once("\r\n\r\n").unwrap().1;
        let json: serde_json::Value = serde_json::from_str(body).expect(&response);
        json["access_token"].as_str().expect(&response).to_owned()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.home.path().join(".config/portal")
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.home.path().join(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.home.path().join(name)).unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.home.run(arguments)
    }

    pub(crate) fn run_with(&self, arguments: &[&str], stdin: &str) -> Ran {
        self.home.run_with(arguments, stdin)
    }

    /// Runs `portal create AcmePortal` until the server has created it, and kills it: the server must
    /// withhold the response.
    pub(crate) fn kill_create(&self, profile: &str) {
        let create = ["create", "AcmePortal", "--profile", profile];
        kill_once(self.home.command(&create), || {
            self.run(&["list", "--profile", profile]).stdout.contains("AcmePortal")
        });
    }

    /// `text` without what differs from server to server: its port, and the numbers of its orgs.
    pub(crate) fn without_numbers(&self, text: &str) -> String {
        let mut text = text.replace(self.served.url(), "http://127.0.0.1:PORT");
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut numbers = text.match_indices('(').filter(|(at, _)| digits(&text[at + 1..]) == 19);
        if let Some(at) = numbers.next().map(|(at, _)| at + 1) {
            text.replace_range(at..at + 19, "ORG");
        }
        text
    }
}
