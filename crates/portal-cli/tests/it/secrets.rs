//! No secret is in what is logged, recorded or printed, in whatever form.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::orgs::{self, Org};
use crate::raw::{authorization, send};
use crate::support::{Home, Ran, Served};

/// What a text can have in place of a secret.
fn forms(secret: &str) -> BTreeSet<String> {
    let bytes = secret.as_bytes();
    let each = |form: &dyn Fn(u8) -> String| each_byte(secret, form);
    let special = |byte: u8, escaped: String| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { escaped }
    };
    let percent = each(&|byte| format!("%{byte:02X}"));
    let mut texts = vec![
        secret.to_owned(),
        percent.to_lowercase(),
        percent.replace('%', "%25"),
        percent,
        // As forms and URLs have it, once and twice.
        each(&|byte| special(byte, format!("%{byte:02X}"))),
        each(&|byte| special(byte, format!("%{byte:02x}"))),
        each(&|byte| special(byte, format!("%25{byte:02X}"))),
        // As JSON may have it.
        each(&|byte| format!("\\u{byte:04x}")),
        each(&|byte| special(byte, format!("\\u{byte:04x}"))),
        serde_json::to_string(secret).unwrap().trim_matches('"').to_owned(),
        secret.replace('/', "\\/"),
        secret.escape_debug().to_string(),
        // A dump.
        each(&|byte| format!("{byte:02x}")),
        each(&|byte| format!("{byte:02x} ")),
        each(&|byte| format!("{byte}, ")),
        // UTF-16, in both orders.
        each(&|byte| format!("{}\0", char::from(byte))),
        each(&|byte| format!("\0{}", char::from(byte))),
        each(&|byte| format!("{}\\u0000", char::from(byte))),
        secret.chars().rev().collect(),
    ];
    // Within a longer text it begins at any of three bits.
    for before in 0..3 {
        let whole = base64(&[&b"---"[..before], bytes].concat());
        // Characters that what is before or after shares.
        let own = &whole[[0, 2, 3][before]..whole.len() - 2];
        texts.extend([own.to_owned(), own.replace('+', "-").replace('/', "_")]);
    }
    texts.into_iter().collect()
}

/// A form of each byte.
fn each_byte(text: &str, form: impl Fn(u8) -> String) -> String {
    text.bytes().map(form).collect::<Vec<_>>().concat()
}

/// Without the padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = bytes.iter().flat_map(|byte| format!("{byte:08b}").chars().collect::<Vec<_>>());
    let digits: Vec<char> = bits.collect();
    let digit = |six: &[char]| {
        let six: String = six.iter().collect();
        char::from(DIGITS[usize::from_str_radix(&format!("{six:0<6}"), 2).unwrap()])
    };
    digits.chunks(6).map(digit).collect()
}

#[test]
fn forms_have_base64_within_text() {
    assert_eq!(base64(b"user:pass"), "dXNlcjpwYXNz");
    let forms = forms("a-secret/that+is=long");
    for text in ["xyza-secret/that+is=long", "xa-secret/that+is=longer", "xya-secret/that+is=long"]
    {
        let whole = base64(text.as_bytes());
        assert!(forms.iter().any(|form| whole.contains(form)), "{text}");
    }
}

#[track_caller]
fn assert_hidden(place: &str, shown: &str, secrets: &[String]) {
    for secret in secrets {
        for form in forms(secret) {
            let line = shown.lines().find(|line| line.contains(&form));
            assert_eq!(line, None, "{secret} is in {place}, as {form}");
        }
    }
}

/// Commands at the highest level of their log, and what they print.
struct Run {
    home: Home,
    url: String,
    acme: Org,
    secrets: Vec<String>,
    printed: String,
}

/// What is not a secret of the server, and used as one.
const WRONG: &str = "wr0ng/secret+=%41";
const PASSWORD: &str = "pr0xy/pass+word";
const ACCESS_TOKEN: &str = "1000.5f2a9c0e5f2a9c0e.77aa0177aa0177aa";

impl Run {
    fn command(&mut self, command: &mut Command, stdin: &str) -> i32 {
        let ran = Ran::fed(command.env("PORTAL_LOG", "trace"), stdin);
        self.printed += &(ran.stdout + &ran.stderr);
        ran.status
    }

    fn log_in(&mut self) {
        let (id, url) = (self.acme.client_id(), self.url.clone());
        let login = ["login", "--profile", "acme", "--client-id", &id, "--api-domain", &url];
        let login = [&login[..], &["--accounts-url", &url]].concat();
        let (secret, code) = (odd(&self.acme.client_secret()), odd(&self.acme.code()));
        let token = odd(&self.acme.refresh_token());
        let mut command = self.home.command(&login);
        assert_eq!(self.command(&mut command, &format!("{secret}\n{code}\n")), 0);
        let with_token = [&login[..], &["--refresh-token"]].concat();
        for (stdin, is_good) in [
            (format!("{secret}\n{token}\n"), true),
            (format!("{WRONG}\n{WRONG}\n"), false),
            (format!("\"{WRONG}\"\n{token}\n"), false),
            (format!("{secret} {token}\n{token}\n"), false),
            (format!("{secret}\n"), false),
        ] {
            let mut command = self.home.command(&with_token);
            assert_eq!(self.command(&mut command, &stdin) == 0, is_good, "{stdin}");
        }
    }

    /// What succeeds and what fails, alike.
    fn use_everything(&mut self) {
        fs::write(self.home.path().join("portals.csv"), "profile,name\nacme,AcmePortal\n").unwrap();
        for arguments in [
            &["serve", "profiles"][..],
            &["create", "AcmePortal", "--profile", "acme"],
            &["create", "AcmePortal", "--profile", "acme", "-v"],
            &["create", "LostPortal", "--profile", "acme", "--allow-another"],
            &["create", "AcmePortal", "--profile", "beta"],
            &["rename", "AcmePortal", "AcmeCustomers", "--profile", "acme"],
            &["batch", "portals.csv", "--yes"],
            &["rehearse", "portals.csv"],
            &["list", "--profile", "acme", "--output", "json"],
            &["doctor", "--output", "json"],
            &["profiles", "show", "acme"],
            &["recover"],
            &["history", "--output", "json"],
            &["requests", "--output", "json"],
            &["admin", "log", "--data", "kept"],
            &["admin", "credential", "list", "--data", "kept"],
            &["logout", "acme"],
            &["logout", "--profile", "acme"],
        ] {
            let mut command = self.home.command(arguments);
            self.command(&mut command, "");
        }
    }

    fn misuse_variables(&mut self) {
        for (name, value) in [
            ("PORTAL_ACCESS_TOKEN", ACCESS_TOKEN.to_owned()),
            ("PORTAL_ACCESS_TOKEN", format!("'{ACCESS_TOKEN}'")),
            ("PORTAL_CLIENT_SECRET", WRONG.to_owned()),
            ("PORTAL_CLIENT_SECRET", format!("\"{WRONG}\"")),
            ("PORTAL_REFRESH_TOKEN", format!("{WRONG}\n{WRONG}")),
            ("PORTAL_API_DOMAIN", format!("http://{WRONG}@127.0.0.1:1")),
            ("PORTAL_API_DOMAIN", format!("https://portals.example/?token={ACCESS_TOKEN}")),
            ("PORTAL_DATA_CENTER", ACCESS_TOKEN.to_owned()),
        ] {
            let mut command = self.home.command(&["list"]);
            if name == "PORTAL_ACCESS_TOKEN" {
                command.env("PORTAL_API_DOMAIN", &self.url).env("PORTAL_ACCOUNTS_URL", &self.url);
            } else {
                command.envs(self.acme.environment(&self.url));
            }
            assert_ne!(self.command(command.env(name, value), ""), 0, "{name}");
        }
        for proxy in [
            "http://user:PASS@127.0.0.1:1",
            "\"http://user:PASS@127.0.0.1:1\"",
            "user:PASS@[::1",
            "ftp://user:PASS@a",
        ] {
            let mut command = self.home.command(&["list", "--data-center", "eu"]);
            command.envs(self.acme.environment(&self.url).into_iter().skip(2));
            command.env("HTTPS_PROXY", proxy.replace("PASS", PASSWORD));
            assert_ne!(self.command(&mut command, ""), 0, "{proxy}");
        }
        for database in
            ["postgres://u:PASS@127.0.0.1:1/d", "postgres://u:PASS@[/d", "'postgres://u:PASS@/d'"]
        {
            let mut command =
                self.home.command(&["serve", "--listen", "127.0.0.1:0", "--", "true"]);
            command.env("PORTAL_DATABASE_URL", database.replace("PASS", PASSWORD));
            assert_ne!(self.command(&mut command, ""), 0, "{database}");
        }
    }

    /// The access tokens that were granted.
    fn cached_tokens(&self) -> Vec<String> {
        let tokens = fs::read_dir(self.home.path().join(".cache/portal/tokens")).unwrap();
        let read = tokens.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
        let parse = |text: String| serde_json::from_str(&text).unwrap_or_default();
        let token = |cached: serde_json::Value| cached["access_token"].as_str().map(str::to_owned);
        read.map(parse).filter_map(token).collect()
    }
}

/// Of a server at the highest level of its log, and of all that the commands do with it.
#[test]
fn run_of_everything_shows_no_secret() {
    let home = Home::new();
    let mut all = [Org::new("acme"), Org::new("beta")];
    all[0].scopes =
        &["ZohoCRM.settings.clientportal.ALL", "ZohoCRM.org.READ", "ZohoCRM.users.READ"];
    fs::write(home.path().join("seed.toml"), odd(&orgs::seed(&all))).unwrap();
    let mut traced = Command::new("env");
    traced.args(["PORTAL_LOG=trace", env!("CARGO_BIN_EXE_portal")]);
    let faults = ["--fault", "POST committed:drop:@2", "--fault", "TOKEN request:500:@9"];
    let arguments = [&["--seed", "seed.toml", "--data", "kept"][..], &faults].concat();
    let server = Served::start_by(traced, &home, &arguments);
    let of_org = |org: &Org| [org.client_secret(), org.refresh_token(), org.code()];
    let mut secrets: Vec<_> = all.iter().flat_map(of_org).map(|secret| odd(&secret)).collect();
    secrets.extend([WRONG, PASSWORD, ACCESS_TOKEN].map(str::to_owned));
    let (url, acme) = (server.url().to_owned(), all[0].clone());
    let mut run = Run { home, url, acme, secrets, printed: String::new() };
    run.log_in();
    run.use_everything();
    run.misuse_variables();
    run.secrets.extend(run.cached_tokens());
    assert!(run.secrets.len() > 9, "{:?}", run.secrets);
    for secret in &run.secrets {
        misplace(&run.url, secret);
    }
    let log = server.log();
    assert!(log.contains("AcmePortal") && run.printed.contains(" TRACE "));
    assert_hidden("the log", &log, &run.secrets);
    assert_hidden("what commands print", &run.printed, &run.secrets);
    let admin = server.listening["admin"].as_str().unwrap();
    assert!(server.recorded().contains("AcmePortal"));
    assert_hidden("the recorder", &server.recorded(), &run.secrets);
    for path in ["/orgs", "/orgs?secrets=shown", "/faults", "/metrics"] {
        let body = send(admin, &format!("GET {path}"), &[], "").body;
        assert_hidden(path, &body, &run.secrets);
    }
}

/// With what forms, URLs and JSON escape.
fn odd(text: &str) -> String {
    text.replace("hush-", "hu/sh+")
}

/// Sends a secret wherever a client can put it.
fn misplace(url: &str, secret: &str) {
    let percent = each_byte(secret, |byte| format!("%{byte:02X}"));
    let json = each_byte(secret, |byte| format!("\\u{byte:04x}"));
    let basic = format!("Authorization: Basic {}", base64(format!("1000.X:{secret}").as_bytes()));
    let bearer = format!("Authorization: Bearer {secret}");
    for target in [
        format!("POST /oauth/v2/token&refresh_token={secret}&client_secret={secret}"),
        format!("POST /oauth/v2/token%3Fclient_secret={percent}"),
        format!("POST /oauth/v2/token?client_secret={percent}"),
        format!("POST //oauth/v2/token/revoke/{secret}"),
        format!("POST /oauth/v2/token/{percent}"),
        format!("GET /crm/v7/settings/portals?access_token={secret}&page=1"),
        format!("GET /crm/v7/org;client-secret={secret}"),
        format!("GET /crm/v7/org?client%5Fsecret={percent}"),
    ] {
        send(url, &target, &[&basic], "");
        send(url, &target, &[&bearer], "");
    }
    for body in [
        format!("{{\"refresh_token\":\"{secret}\"}}"),
        format!("{{\"refresh_token\":\"{json}\"}}"),
        format!("{{\"header\":[{{\"key\":\"Authorization\",\"value\":\"{secret}\"}}]}}"),
        format!("{{\"%73ecret\":\"{secret}\"}}"),
        format!("Bearer {secret}"),
        format!("client_secret={secret}"),
        format!("%74oken={percent}"),
        format!(
            "--X\r\nContent-Disposition: form-data; name=\"code\"\r\n\r\n{secret}\r\n--X--\r\n"
        ),
        format!("t\0o\0k\0e\0n\0=\0{}", secret.chars().flat_map(|c| [c, '\0']).collect::<String>()),
    ] {
        for content_type in [
            "Content-Type: application/json",
            "Content-Type: application/x-www-form-urlencoded",
            "Content-Type: multipart/form-data; boundary=X",
            "Content-Type: text/plain",
        ] {
            send(url, "POST /crm/v7/settings/portals", &[&bearer, content_type], &body);
            send(url, "POST /oauth/v2/token", &[content_type], &body);
        }
    }
    let odd = [
        format!("X-Key: {secret}"),
        format!("Cookie: session={secret}"),
        format!("Zoho-oauthtoken: {secret}"),
    ];
    send(url, "GET /", &[&odd[0], &odd[1], &odd[2]], "");
}

/// Tokens of the service are known by their form, whatever they stand in.
#[test]
fn token_without_name_is_masked() {
    let home = Home::new();
    let server = Served::start(&home, &[]);
    let authorization = authorization(&server);
    let text = |key: &str| server.listening[key].as_str().unwrap();
    let (secret, token) = (text("client_secret"), text("refresh_token"));
    let escaped = each_byte(token, |byte| format!("%{byte:02X}"));
    for target in [
        format!("GET /crm/v7/settings/portals/{token}?page={token}"),
        format!("GET /crm/v7/settings/portals/{escaped}"),
        format!("GET /{secret}?token={token}"),
    ] {
        send(server.url(), &target, &[&authorization], "");
    }
    for body in [
        format!("{{\"portals\":[{{\"name\":\"{token}\"}}]}}"),
        format!("a letter, {secret}, and no more"),
        token.chars().flat_map(|c| [c, '\0']).collect(),
    ] {
        send(server.url(), "POST /crm/v7/settings/portals", &[&authorization], &body);
        send(server.url(), "POST /oauth/v2/token", &["Content-Type: text/plain"], &body);
    }
    let agent = format!("User-Agent: curl {token}");
    send(server.url(), "GET /", &[&agent], "");
    let access_token = authorization.rsplit_once(' ').unwrap().1;
    let secrets = [secret, token, access_token].map(str::to_owned);
    assert_hidden("the log", &server.log(), &secrets);
    assert_hidden("the recorder", &server.recorded(), &secrets);
}
