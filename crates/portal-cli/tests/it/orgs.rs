//! A server with many orgs, and a home whose profiles lead to them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use crate::support::{Home, Ran, Served};

/// An org of the seed file, and the profile of the same name.
#[derive(Clone, Debug)]
pub(crate) struct Org {
    pub(crate) name: String,
    pub(crate) environment: &'static str,
    pub(crate) permissions: &'static [&'static str],
    pub(crate) scopes: &'static [&'static str],
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
            scopes: &["ZohoCRM.settings.clientportal.CREATE", "ZohoCRM.settings.clientportal.READ"],
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

    fn seed(&self) -> String {
        let Self { name, environment, permissions, scopes, .. } = self;
        let credential = format!(
            "[[org.user.credential]]\nclient_id = \"{}\"\nclient_secret = \"{}\"\n\
             scopes = {scopes:?}\n",
            self.client_id(),
            self.client_secret(),
        );
        format!(
            "[[org]]\nname = \"{name}\"\nenvironment = \"{environment}\"\nportal_limit = 1\n\
             [[org.user]]\nname = \"Admin\"\nemail = \"admin@{name}.example\"\n\
             permissions = {permissions:?}\n\
             {credential}refresh_token = \"{}\"\n{credential}grant_code = \"{}\"\n",
            self.refresh_token(),
            self.code(),
        )
    }
}

/// The server and the home.
pub(crate) struct Orgs {
    pub(crate) home: Home,
    pub(crate) served: Served,
    pub(crate) seeded: Vec<Org>,
}

impl Orgs {
    pub(crate) fn start(orgs: Vec<Org>, arguments: &[&str]) -> Self {
        let home = Home::new();
        let seed: String = orgs.iter().map(Org::seed).collect();
        fs::write(home.path().join("seed.toml"), seed).unwrap();
        let served = Served::start(&home, &[&["--seed", "seed.toml"], arguments].concat());
        let this = Self { home, served, seeded: orgs };
        this.write_profiles();
        this
    }

    /// Writes the two files that `portal login` would.
    fn write_profiles(&self) {
        fs::create_dir_all(self.config()).unwrap();
        let (mut config, mut credentials) = (String::new(), String::new());
        let url = self.served.url();
        for org in self.seeded.iter().filter(|org| org.has_profile) {
            let _ = writeln!(
                config,
                "[profile.{}]\napi_domain = \"{url}\"\naccounts_url = \"{url}\"\n\
                 client_id = \"{}\"",
                org.name,
                org.client_id()
            );
            let _ = writeln!(
                credentials,
                "[{}]\nclient_secret = \"{}\"\nrefresh_token = \"{}\"",
                org.name,
                org.client_secret(),
                org.refresh_token()
            );
        }
        fs::write(self.config().join("config.toml"), config).unwrap();
        // Nobody else can read what `tempfile` makes.
        let mut file = tempfile::NamedTempFile::new_in(self.config()).unwrap();
        file.write_all(credentials.as_bytes()).unwrap();
        file.persist(self.config().join("credentials.toml")).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.home.path().join(".config/portal")
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.home.run(arguments)
    }

    /// Runs with `stdin` to read from.
    pub(crate) fn run_with(&self, arguments: &[&str], stdin: &str) -> Ran {
        let mut command = self.home.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        // It may end without having read everything.
        let _ = process.stdin.take().unwrap().write_all(stdin.as_bytes());
        Ran::from(process.wait_with_output().unwrap())
    }

    /// What a text says whichever port the server has.
    pub(crate) fn without_port(&self, text: &str) -> String {
        text.replace(self.served.url(), "http://127.0.0.1:PORT")
    }
}
