//! A home directory for each test, and golden files.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portal_ledger::{Entry, Filter, Ledger};
use serde_json::Value;
use tempfile::TempDir;

use crate::schema;

/// The environment of a process that has nothing but the home directory `path`.
pub(crate) fn home_variables(path: &Path) -> Vec<(&'static str, PathBuf)> {
    let mut variables = vec![("HOME", path.to_owned())];
    if cfg!(windows) {
        variables.push(("USERPROFILE", path.to_owned()));
        variables.push(("APPDATA", path.join(".config")));
        variables.push(("LOCALAPPDATA", path.join(".local").join("state")));
        // Without it there are no sockets.
        variables.extend(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root.into())));
    }
    variables
}

/// A home directory, empty at first; it is gone when the test ends.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// `portal` with these arguments and nothing of the environment that the test runs in.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portal"));
        command.args(arguments).env_clear().envs(home_variables(self.path()));
        command.current_dir(self.path());
        // The test servers take effect at once: proof of absence need not take a minute.
        command.env("PORTAL_PROCESSING_TIME", "300ms").env("PORTAL_LIST_LAG", "0s");
        command
    }

    /// `portal` about another machine, of whose speed nothing is known.
    pub(crate) fn command_elsewhere(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env_remove("PORTAL_PROCESSING_TIME").env_remove("PORTAL_LIST_LAG");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    /// Runs with `stdin` to read from.
    pub(crate) fn run_with(&self, arguments: &[&str], stdin: &str) -> Ran {
        Ran::fed(&mut self.command(arguments), stdin)
    }

    /// The file of the ledger.
    pub(crate) fn ledger(&self) -> PathBuf {
        Ledger::path_in(self.path().join(".local").join("state").join("portal"))
    }

    /// The directory of cached access tokens.
    pub(crate) fn tokens(&self) -> PathBuf {
        let cache = if cfg!(windows) { ".local/state" } else { ".cache" };
        self.path().join(cache).join("portal/tokens")
    }

    /// What the ledger has, newest first.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let file = self.ledger();
        if !file.exists() {
            return Vec::new();
        }
        let ledger = Ledger::open(file.parent().unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // A thread of its own: a test may run in a runtime.
        let read = || runtime.block_on(ledger.entries(&Filter::default())).unwrap();
        std::thread::scope(|scope| scope.spawn(read).join().unwrap())
    }

    /// How many attempts were recorded, and may have been sent.
    pub(crate) fn attempts(&self) -> u32 {
        self.entries().iter().map(|entry| entry.attempts).sum()
    }

    /// What is unfinished, as `portal history --open` has it.
    pub(crate) fn unfinished(&self) -> Vec<Value> {
        self.run(&["--output", "json", "history", "--open"]).json()
    }
}

/// What a process said in the end.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Empty if they are not known.
    arguments: Vec<String>,
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let ran = Self {
            arguments: Vec::new(),
            status: output.status.code().expect("it was not killed"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        #[cfg(unix)]
        for text in [&ran.stdout, &ran.stderr] {
            crate::hints::check(text);
        }
        ran
    }
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self { arguments: texts(command), ..Self::from(output) }
    }

    /// With `stdin` to read from.
    pub(crate) fn fed(command: &mut Command, stdin: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        // It may end without having read everything.
        let _ = process.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = process.wait_with_output().unwrap();
        Self { arguments: texts(command), ..Self::from(output) }
    }

    /// The objects on stdout, one a line, each as it is documented.
    pub(crate) fn json(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).expect(line);
        let objects: Vec<Value> = self.stdout.lines().map(parse).collect();
        for object in &objects {
            schema::check(&self.arguments, object);
        }
        objects
    }
}

fn texts(command: &Command) -> Vec<String> {
    command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect()
}

/// A `portal serve` on a free port; it is killed when the test ends.
pub(crate) struct Served {
    process: Child,
    log: PathBuf,
    /// The first line on stdout.
    pub(crate) listening: Value,
}

impl Served {
    pub(crate) fn start(home: &Home, arguments: &[&str]) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_portal")), home, arguments)
    }

    /// `command` runs `portal` with the arguments that are added to it.
    pub(crate) fn start_by(mut command: Command, home: &Home, arguments: &[&str]) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let free_port: &[_] =
            if arguments.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        let mut process = command
            .args(["serve", "--output", "json"])
            .args(free_port)
            .args(arguments)
            .args(["--log", "json"])
            .env_clear()
            .env("PATH", path)
            .envs(home_variables(home.path()))
            .env("PORTAL_ADMIN_LISTEN", "0")
            .current_dir(home.path())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(home.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let log = home.path().join("log");
        Self { process, log, listening: serde_json::from_str(&line).expect("it listens") }
    }

    /// What it has written to stderr.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// All that its admin listener has of requests.
    pub(crate) fn recorded(&self) -> String {
        let Some(admin) = self.listening["admin"].as_str() else { return String::new() };
        let get = |path: &str| crate::raw::send(admin, &format!("GET {path}"), &[], "");
        let all = get("/api/requests");
        let requests = all.json()["requests"].as_array().cloned().unwrap_or_default();
        let each = requests.iter().map(|it| get(&format!("/api/requests/{}", it["id"])).body);
        each.collect::<String>() + &all.body + &get("/api/requests.har").body + &get("/").body
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: portal_testkit::Signal) {
        portal_testkit::signal(&self.process, signal);
    }

    pub(crate) fn url(&self) -> &str {
        self.listening["url"].as_str().unwrap()
    }

    /// Returns how many requests for `path` it has received.
    pub(crate) fn requests(&self, path: &str) -> usize {
        self.log().lines().filter(|line| line.contains(&format!("\"path\":\"{path}\""))).count()
    }

    /// The environment that leads to its org.
    pub(crate) fn environment(&self) -> [(&'static str, &str); 5] {
        let text = |key: &str| self.listening[key].as_str().unwrap();
        [
            ("PORTAL_API_DOMAIN", self.url()),
            ("PORTAL_ACCOUNTS_URL", self.url()),
            ("PORTAL_CLIENT_ID", text("client_id")),
            ("PORTAL_CLIENT_SECRET", text("client_secret")),
            ("PORTAL_REFRESH_TOKEN", text("refresh_token")),
        ]
    }

    /// `portal` on this server's org.
    pub(crate) fn command(&self, home: &Home, arguments: &[&str]) -> Command {
        let mut command = home.command(arguments);
        command.envs(self.environment());
        command
    }

    pub(crate) fn run(&self, home: &Home, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(home, arguments))
    }

    /// Waits until it ends by itself; gives its exit status and what it said on stderr.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let mut status = None;
        wait_until(|| {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        (status.unwrap().code(), std::fs::read_to_string(&self.log).unwrap())
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A command that runs; it is killed when the test ends.
pub(crate) struct Running {
    process: Child,
    arguments: Vec<String>,
    stderr: BufReader<ChildStderr>,
    /// What was read of stderr.
    read: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        Self { process, arguments: texts(&command), stderr, read: String::new() }
    }

    /// Waits for a line on stderr that contains `text`.
    pub(crate) fn wait_for_line(&mut self, text: &str) {
        loop {
            let start = self.read.len();
            let count = self.stderr.read_line(&mut self.read).unwrap();
            assert_ne!(count, 0, "it ended before it wrote {text:?}: {}", self.read);
            if self.read[start..].contains(text) {
                return;
            }
        }
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: portal_testkit::Signal) {
        portal_testkit::signal(&self.process, signal);
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> Ran {
        let stdout = self.process.stdout.take().unwrap();
        let stdout = std::thread::spawn(move || std::io::read_to_string(stdout).unwrap());
        self.stderr.read_to_string(&mut self.read).unwrap();
        let output = Output {
            status: self.process.wait().unwrap(),
            stdout: stdout.join().unwrap().into_bytes(),
            stderr: std::mem::take(&mut self.read).into_bytes(),
        };
        Ran { arguments: std::mem::take(&mut self.arguments), ..Ran::from(output) }
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        let status = self.process.wait().unwrap();
        assert!(status.code().is_none() || cfg!(windows), "it ended before it was killed");
    }

    /// The same of one that may have ended.
    pub(crate) fn kill_even_if_ended(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a command, and kills it once `condition` holds: what it has sent by then is in doubt.
pub(crate) fn kill_once(command: Command, condition: impl FnMut() -> bool) {
    let running = Running::start(command);
    wait_until(condition);
    running.kill();
}

/// How many tests of [`at_kill_points`] run at once, each against an org of its own.
pub(crate) const AT_ONCE: usize = 4;

/// Runs `test` for each point at which it kills something: `PORTAL_KILL_POINTS` of them, else 10.
pub(crate) fn at_kill_points(test: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let points = || std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
    let worker = || points().take_while(|point| *point < kill_points()).for_each(&test);
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(worker))));
}

pub(crate) fn kill_points() -> usize {
    std::env::var("PORTAL_KILL_POINTS").map_or(10, |points| points.parse().unwrap())
}

/// A random number from 0 to 1.
pub(crate) fn random_share() -> f64 {
    f64::from(getrandom::u32().unwrap()) / f64::from(u32::MAX)
}

/// Waits until `condition` holds; a test that waits for a minute fails.
#[track_caller]
pub(crate) fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it took a minute");
        std::thread::yield_now();
    }
}

/// Compares with `tests/it/golden/NAME.txt`; `BLESS=1` writes it instead.
pub(crate) fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/golden/{name}.txt"));
    if std::env::var_os("BLESS").is_some() {
        return std::fs::write(path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert_eq!(text, expected, "{} differs; BLESS=1 writes it anew", path.display());
}

/// Reads no further than the line, so that the rest can be read later.
pub(crate) fn first_line(reader: &mut impl std::io::Read) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while reader.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}
