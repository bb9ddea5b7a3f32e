//! [`Cluster`]: a PostgreSQL server of one test or of one test binary.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::programs;

/// A private server. It is gone, with its files, when this is dropped or the process ends, by
/// whatever means.
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    /// Stops the server and removes the folder once the pipe to it is closed.
    undertaker: Child,
}

/// The user who owns everything.
const USER: &str = "portal";

/// It outlives a Ctrl-C, and reads until the writing end is closed by the end of the process.
const UNDERTAKER: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
"$@" >/dev/null 2>&1
rm -rf "$FOLDER"
"#;

impl Cluster {
    /// Starts one that listens on a socket in its folder.
    ///
    /// # Panics
    /// If the machine has no PostgreSQL programs.
    pub fn start() -> Self {
        Self::new("", 5432, |_| String::new())
    }

    /// Starts one that listens on a free port of this machine too, over TLS with this certificate
    /// and key.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_with_tls(certificate: &Path, key: &Path) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its port").port();
        drop(listener);
        Self::new("127.0.0.1", port, |cluster| {
            let mut settings = "ssl = on\n".to_owned();
            for (setting, from) in [("ssl_cert_file", certificate), ("ssl_key_file", key)] {
                let kept = cluster.folder.join(setting);
                fs::copy(from, &kept).expect("the certificate can be copied");
                make_private(&kept);
                give_away(&kept);
                writeln!(settings, "{setting} = '{}'", kept.display()).expect("a string");
            }
            settings
        })
    }

    fn new(addresses: &str, port: u16, more: impl FnOnce(&Self) -> String) -> Self {
        let programs = programs::postgresql().expect("a test that needs PostgreSQL says so");
        // Short: the path of a socket has a hundred bytes.
        let folder = tempfile::Builder::new().prefix("portal-pg-").tempdir().expect("a folder");
        let folder = folder.keep();
        let stop = command(&programs.join("pg_ctl"));
        let undertaker = Command::new("sh")
            .args(["-c", UNDERTAKER, "sh"])
            .arg(stop.get_program())
            .args(stop.get_args())
            .args(["stop", "-m", "immediate", "-D"])
            .arg(folder.join("data"))
            .env("FOLDER", &folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            // A pipe of the tests would stay open as long.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`sh` runs");
        let cluster = Self { programs, folder, port, undertaker };
        give_away(&cluster.folder);
        run(command(&cluster.programs.join("initdb"))
            .args(["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(cluster.data()));
        let settings = format!(
            "listen_addresses = '{addresses}'\nport = {port}\nunix_socket_directories = '{}'\n\
             fsync = on\nmax_connections = 500\nshared_buffers = 32MB\n{}",
            cluster.folder.display(),
            more(&cluster)
        );
        let file = cluster.data().join("postgresql.auto.conf");
        fs::write(&file, settings).expect("its settings can be written");
        cluster.start_again();
        cluster
    }

    /// Ends the server at once, as a power cut would but for what the system still writes.
    ///
    /// # Panics
    /// If it isn't running.
    pub fn kill(&self) {
        run(self.pg_ctl().args(["stop", "-m", "immediate"]));
    }

    /// Starts the server that was killed, and waits until it has recovered.
    ///
    /// # Panics
    /// If it doesn't start.
    pub fn start_again(&self) {
        let log = self.folder.join("log");
        let mut start = self.pg_ctl();
        start.args(["start", "-w", "-t", "120", "-l"]).arg(&log);
        // Not `output`, which would wait for the server to close its end of a pipe.
        let status = start.stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(
            status.expect("pg_ctl runs").success(),
            "{start:?}: {}",
            fs::read_to_string(&log).unwrap_or_default()
        );
    }

    /// Changes a setting of the server, by a restart.
    ///
    /// # Panics
    /// If it doesn't start again.
    pub fn set(&self, setting: &str, value: &str) {
        let file = self.data().join("postgresql.auto.conf");
        let mut settings = fs::read_to_string(&file).expect("its settings can be read");
        writeln!(settings, "{setting} = {value}").expect("a string");
        fs::write(&file, settings).expect("its settings can be written");
        self.kill();
        self.start_again();
    }

    /// The URL of one of its databases, over the socket in its folder.
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://{USER}@{folder}:{}/{database}", self.port)
    }

    /// The URL of one of its databases, over the port of a server that was started with TLS.
    pub fn tcp_url(&self, host: &str, database: &str) -> String {
        format!("postgres://{USER}@{host}:{}/{database}", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn pg_ctl(&self) -> Command {
        let mut command = command(&self.programs.join("pg_ctl"));
        command.arg("-D").arg(self.data());
        command
    }
}

/// PostgreSQL refuses a key that others can read, where a file has a mode.
fn make_private(key: &Path) {
    #[cfg(unix)]
    fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("its mode");
    #[cfg(not(unix))]
    let _ = key;
}

/// Hands a file to the user who runs the server.
fn give_away(path: &Path) {
    if programs::is_root() {
        run(Command::new("chown").arg("postgres").arg(path));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.undertaker.stdin.take());
        let _ = self.undertaker.wait();
    }
}

/// A command of the user who runs the server: PostgreSQL refuses root.
fn command(program: &Path) -> Command {
    let mut command = if programs::is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    // The folder of the tests may be closed to that user.
    command.current_dir("/");
    command
}

/// Runs a command to its end.
fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
