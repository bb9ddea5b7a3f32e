//! The writing end of a journal: one thread, and one flush for all that waits for one.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use portal_model::flow::Intent;
use tokio::sync::oneshot;

use super::line::{Event, Line};
use crate::batch::result::RowResult;
use crate::org::identity::Identity;
use crate::sys::checked_line::encode;

/// Appends to a journal. Every call waits until its line is on the disk; what arrives during a
/// flush shares the next one.
#[derive(Debug)]
pub(crate) struct Writer {
    lines: Option<mpsc::Sender<Append>>,
    thread: Option<JoinHandle<()>>,
}

/// What a line is about.
#[derive(Clone, Debug)]
pub(crate) struct About {
    /// Counted from 1.
    pub(crate) row: usize,
    pub(crate) profile: String,
    pub(crate) org: Option<Identity>,
}

struct Append {
    line: Vec<u8>,
    done: oneshot::Sender<io::Result<()>>,
}

impl Writer {
    pub(super) fn start(file: File) -> io::Result<Self> {
        let (lines, queue) = mpsc::channel();
        let thread =
            thread::Builder::new().name("journal".to_owned()).spawn(move || write(file, &queue))?;
        Ok(Self { lines: Some(lines), thread: Some(thread) })
    }

    /// Records that an attempt is about to be made.
    pub(crate) async fn attempt(&self, about: About, intent: Intent) -> io::Result<()> {
        let name = intent.name().to_string();
        self.append(about, name, Event::Attempt(intent)).await
    }

    /// Records how a row ended.
    pub(crate) async fn result(&self, about: About, result: RowResult) -> io::Result<()> {
        let name = result.report.name.clone();
        self.append(about, name, Event::Result(Box::new(result))).await
    }

    async fn append(&self, about: About, name: String, event: Event) -> io::Result<()> {
        let stopped = || io::Error::other("the journal's writer has stopped");
        let About { row, profile, org } = about;
        let line = encode(&Line { row, profile, org, name, event })?;
        let (done, is_done) = oneshot::channel();
        let lines = self.lines.as_ref().ok_or_else(stopped)?;
        lines.send(Append { line, done }).map_err(|_| stopped())?;
        is_done.await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.lines = None;
        // The journal is free for the next process once the thread has let go of it.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes until nobody is left who could append. After a failure nothing more is written: what
/// follows a torn line could not be read.
fn write(mut file: File, queue: &mpsc::Receiver<Append>) {
    let mut failed: Option<io::Error> = None;
    while let Ok(first) = queue.recv() {
        let appends: Vec<_> = std::iter::once(first).chain(queue.try_iter()).collect();
        if failed.is_none() {
            let lines: Vec<u8> =
                appends.iter().flat_map(|append| append.line.iter().copied()).collect();
            failed = file.write_all(&lines).and_then(|()| file.sync_data()).err();
        }
        for append in appends {
            let written = match &failed {
                None => Ok(()),
                Some(error) => {
                    Err(io::Error::new(error.kind(), format!("cannot write the journal: {error}")))
                }
            };
            // A caller that is gone needs no reply.
            let _ = append.done.send(written);
        }
    }
}
