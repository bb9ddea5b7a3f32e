//! The load: so many connections that are kept open, each with one request at a time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::exchange::send;
use crate::figure::Speed;
use crate::service::Server;

/// What came of it. Times are in seconds.
pub(crate) struct Load {
    /// How many exchanges there were.
    pub(crate) count: f64,
    /// With the CPU time of the server's process.
    pub(crate) speed: Speed,
    /// What half of the exchanges stay below.
    pub(crate) p50: f64,
    /// What all but a hundredth stay below.
    pub(crate) p99: f64,
}

/// Sends what `next` makes to a server for `span`, over so many connections, on this thread. Every
/// response must have the status.
pub(crate) fn run(
    server: &Server,
    connections: u32,
    span: Duration,
    status: u16,
    next: impl FnMut() -> Vec<u8> + 'static,
) -> Load {
    let Server { process, address } = server;
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let next = Rc::new(RefCell::new(next));
    LocalSet::new().block_on(&runtime, async {
        let mut streams = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(address).await.expect("the server listens");
            stream.set_nodelay(true).expect("an open socket");
            streams.push(stream);
        }
        let (cpu, began) = (process.cpu(), Instant::now());
        let end = began + span;
        let tasks: Vec<_> = streams
            .into_iter()
            .map(|stream| {
                tokio::task::spawn_local(exchanges(stream, end, status, Rc::clone(&next)))
            })
            .collect();
        let mut latencies = Vec::new();
        for task in tasks {
            latencies.extend(task.await.expect("it does not panic"));
        }
        #[expect(clippy::cast_precision_loss, reason = "a few millions")]
        let count = latencies.len() as f64;
        let speed = Speed::of(count, began, process.cpu() - cpu);
        latencies.sort_unstable();
        let at = |percent| latencies.get(latencies.len() * percent / 100);
        let latency = |percent| at(percent).map_or(f64::NAN, Duration::as_secs_f64);
        Load { count, speed, p50: latency(50), p99: latency(99) }
    })
}

/// Those of one connection.
async fn exchanges(
    mut stream: TcpStream,
    end: Instant,
    expected: u16,
    next: Rc<RefCell<impl FnMut() -> Vec<u8>>>,
) -> Vec<Duration> {
    let mut response = Vec::new();
    let mut latencies = Vec::new();
    let mut now = Instant::now();
    while now < end {
        let sent = now;
        let request = (next.borrow_mut())();
        let received = send(&mut stream, &request, &mut response).await;
        assert_eq!(
            (received.status, received.end),
            (expected, response.len()),
            "one response: {}",
            String::from_utf8_lossy(&response)
        );
        now = Instant::now();
        latencies.push(now - sent);
    }
    latencies
}
