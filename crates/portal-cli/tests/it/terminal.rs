//! A pseudo-terminal: what a person at a terminal sees and types.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use crate::support::wait_until;

/// Leads the session, and ends it once everything was read: what is not read when a leader ends is
/// lost. A handled signal, unlike an ignored one, is not handed down.
const LEADER: &str = r#"trap : INT; "$@"; status=$?; printf '\036'; read -r _; exit $status"#;
/// What the leader writes when its command has ended.
const ENDED: &str = "\x1e";

/// A process on a terminal of its own; it is killed when the test ends.
pub(crate) struct Terminal {
    process: Child,
    keyboard: File,
    output: Receiver<Vec<u8>>,
    /// Everything that was written so far.
    screen: String,
}

impl Terminal {
    /// Starts `command` on a terminal of `columns`.
    pub(crate) fn start(command: &Command, columns: u16) -> Self {
        let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&main).unwrap();
        unlockpt(&main).unwrap();
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&main, size).unwrap();
        // Ctrl-C would discard what was written by then, or a moment later.
        let mut modes = tcgetattr(&main).unwrap();
        modes.local_modes.insert(LocalModes::NOFLSH);
        tcsetattr(&main, OptionalActions::Now, &modes).unwrap();
        let name = ptsname(&main, Vec::new()).unwrap().into_string().unwrap();
        let open = || OpenOptions::new().read(true).write(true).open(&name).unwrap();
        // Makes the terminal the controlling one: hidden input is read from `/dev/tty`.
        let mut session = Command::new("setsid");
        // A test run in the background, or under `nohup`, ignores signals, and a shell could not trap them.
        session.args([
            "--ctty",
            "--wait",
            "env",
            "--default-signal=INT,HUP",
            "sh",
            "-c",
            LEADER,
            "sh",
        ]);
        session.arg(command.get_program()).args(command.get_args());
        session.env_clear().env("TERM", "xterm").env("PATH", std::env::var("PATH").unwrap());
        session.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        session.current_dir(command.get_current_dir().unwrap());
        let process = session.stdin(open()).stdout(open()).stderr(open()).spawn().unwrap();
        let keyboard = File::from(main);
        let mut reader = keyboard.try_clone().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Fails once nobody has the terminal open any more.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { process, keyboard, output, screen: String::new() }
    }

    /// Waits until `text` is written, and returns everything since the last call.
    pub(crate) fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(at) = self.screen.find(text) {
                let rest = self.screen.split_off(at + text.len());
                return std::mem::replace(&mut self.screen, rest);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.output.recv_timeout(left) else {
                panic!("expected {text:?}, found {:?}", self.screen);
            };
            self.append(&bytes);
        }
    }

    /// Types a line.
    pub(crate) fn line(&mut self, text: &str) {
        writeln!(self.keyboard, "{text}").unwrap();
    }

    /// Types a line once it is not echoed: a prompt is shown a moment before.
    pub(crate) fn secret(&mut self, text: &str) {
        let is_echoed =
            || tcgetattr(&self.keyboard).unwrap().local_modes.contains(LocalModes::ECHO);
        wait_until(|| !is_echoed());
        self.line(text);
    }

    /// Types Ctrl-C.
    pub(crate) fn interrupt(&mut self) {
        self.keyboard.write_all(b"\x03").unwrap();
    }

    /// Waits for the end; returns the exit status and what was written since the last `expect`.
    pub(crate) fn wait(mut self) -> (i32, String) {
        let mut rest = self.expect(ENDED);
        rest.truncate(rest.len() - ENDED.len());
        self.line("");
        let status = self.process.wait().unwrap();
        (status.code().unwrap(), rest)
    }

    fn append(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        self.screen.push_str(&text);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
