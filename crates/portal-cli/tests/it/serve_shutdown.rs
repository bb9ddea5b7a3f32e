//! How `serve` ends: by a signal, or with the process that started it.

use std::process::{Command, Stdio};

use portal_testkit::{Signal, signal};

use crate::raw::request;
use crate::support::{Home, Ran, Served, first_line, wait_until};

/// A server with an open request, whose response is delayed beyond any test.
fn with_open_request(home: &Home, arguments: &[&str]) -> (Served, std::net::TcpStream) {
    use std::io::{Read as _, Write as _};
    let fault = ["--fault", "TOKEN request:delay=10m"];
    let server = Served::start(home, &[&fault, arguments].concat());
    let address = server.url().trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /oauth/v2/token HTTP/1.1\r\nHost: {address}\r\nContent-Length: 1\r\n\
         Expect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server has the head then, and waits for the body.
    stream.read_exact(&mut [0; "HTTP/1.1 100 Continue\r\n\r\n".len()]).unwrap();
    stream.write_all(b"x").unwrap();
    (server, stream)
}

#[test]
fn shutdown_that_cuts_requests_off_is_one_line_on_stderr() {
    let home = Home::new();
    let (server, _open) = with_open_request(&home, &["--shutdown-timeout", "100ms"]);
    server.signal(Signal::TERM);
    let (status, log) = server.wait();
    assert_eq!(status, Some(0), "{log}");
    let line = "shutdown timed out: closing connections with open requests";
    assert_eq!(log.matches(line).count(), 1, "{log}");
}

#[test]
fn second_signal_ends_shutdown() {
    let home = Home::new();
    let (server, _open) = with_open_request(&home, &[]);
    server.signal(Signal::TERM);
    let address = server.url().trim_start_matches("http://").to_owned();
    wait_until(|| std::net::TcpStream::connect(&address).is_err());
    server.signal(Signal::INT);
    assert_eq!(server.wait().0, Some(130));
}

#[test]
fn half_head_does_not_delay_shutdown() {
    use std::io::Write as _;
    let home = Home::new();
    let server = Served::start(&home, &["--shutdown-timeout", "10m"]);
    let address = server.url().trim_start_matches("http://");
    let mut half = std::net::TcpStream::connect(address).unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost: local").unwrap();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().0, Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn sighup_shuts_down_unless_ignored() {
    for (disposition, is_ignored) in
        [("--default-signal=HUP", false), ("--ignore-signal=HUP", true)]
    {
        let home = Home::new();
        let mut env = Command::new("env");
        env.args([disposition, env!("CARGO_BIN_EXE_portal")]);
        let server = Served::start_by(env, &home, &[]);
        server.signal(Signal::HUP);
        if is_ignored {
            let response = request(server.url(), "GET", "/nowhere", "localhost");
            assert!(response.starts_with("HTTP/1.1 404"), "{response}");
            server.signal(Signal::TERM);
        }
        assert_eq!(server.wait().0, Some(0));
    }
}

#[test]
fn sigterm_exits_0_and_stdout_has_one_line() {
    let home = Home::new();
    let mut serve = home
        .command(&["serve", "--listen", "127.0.0.1:0", "--log", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = serve.stdout.take().unwrap();
    let line = first_line(&mut stdout);
    assert!(line.starts_with("Listening on http://127.0.0.1:"), "{line}");
    let address = line.trim().trim_start_matches("Listening on http://");
    let response = request(address, "GET", "/nowhere?token=hush", address);
    assert!(response.starts_with("HTTP/1.1 404"), "{response}");
    signal(&serve, Signal::TERM);
    let rest = std::io::read_to_string(stdout).unwrap();
    let ran = Ran::from(serve.wait_with_output().unwrap());
    assert_eq!((ran.status, rest.as_str()), (0, ""));
    let call: serde_json::Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(call["code"], "INVALID_URL_PATTERN");
    assert_eq!(call["path"], "/nowhere");
    assert!(!ran.stderr.contains("hush"));
}

/// A process that starts the server, and is killed then.
#[test]
fn server_ends_with_parent_that_is_killed() {
    let home = Home::new();
    let script = "\"$0\" serve --listen 127.0.0.1:0 --exit-with-parent; exit";
    let mut parent = Command::new("sh");
    parent.args(["-c", script, env!("CARGO_BIN_EXE_portal")]).env_clear().env("HOME", home.path());
    let mut parent = parent.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdout = parent.stdout.take().unwrap();
    let line = first_line(&mut stdout);
    let address = line.trim().trim_start_matches("Listening on http://");
    assert!(std::net::TcpStream::connect(address).is_ok());
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until(|| std::net::TcpStream::connect(address).is_err());
    // It has ended once nobody has the pipe open.
    assert_eq!(std::io::read_to_string(stdout).unwrap(), "");
}

#[test]
fn server_whose_parent_lives_goes_on() {
    let home = Home::new();
    // The parent is this process, not the thread that starts it.
    let start = || Served::start(&home, &["--exit-with-parent"]);
    let server = std::thread::scope(|scope| scope.spawn(start).join().unwrap());
    let response = request(server.url(), "GET", "/nowhere", "localhost");
    assert!(response.starts_with("HTTP/1.1 404"), "{response}");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().0, Some(0));
}
