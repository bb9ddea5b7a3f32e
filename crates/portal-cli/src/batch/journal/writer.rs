//! The writing end of a journal: one thread, and one flush for all that waits for one.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use portal_model::flow::Intent;
use tokio::sync::oneshot;

use super::{Event, Line, to_line};
use crate::batch::result::RowResult;

/// Appends to a journal. Every call waits until its line is on the disk; what arrives during a
/// flush shares the next one.
#[derive(Debug)]
pub(crate) struct Writer {
    lines: Option<mpsc::Sender<Append>>,
    thread: Option<JoinHandle<()>>,
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

    /// Says that the create of a row is about to be sent.
    pub(crate) async fn sending(
        &self,
        row: usize,
        profile: &str,
        intent: Intent,
    ) -> io::Result<()> {
        self.append(row, profile, Event::Sending(intent)).await
    }

    /// Says how a row ended.
    pub(crate) async fn result(
        &self,
        row: usize,
        profile: &str,
        result: RowResult,
    ) -> io::Result<()> {
        self.append(row, profile, Event::Result(Box::new(result))).await
    }

    async fn append(&self, row: usize, profile: &str, event: Event) -> io::Result<()> {
        let stopped = || io::Error::other("the journal's writer has stopped");
        let line = Line { row: row + 1, profile: profile.to_owned(), event };
        let line = to_line(&line)?;
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
/// follows a half line could not be read.
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
                Some(error) => Err(io::Error::new(
                    error.kind(),
                    format!("the journal can't be written: {error}"),
                )),
            };
            // Who has gone needs no answer.
            let _ = append.done.send(written);
        }
    }
}
