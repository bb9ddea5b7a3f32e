//! The open connections of a server: what each one waits for, and which one to close when there
//! are too many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// A connection younger than this is not closed for a new one: the head of its request may be
/// under way. It also bounds how fast connections can displace one another.
pub(super) const HEAD_GRACE: Duration = Duration::from_millis(10);
/// The same for one that sends the body of its request: it has done more to be served.
pub(super) const BODY_GRACE: Duration = Duration::from_secs(1);

/// How many times longer than it did a connection counts as waiting if it has had no request yet.
/// Without this, a flood of such connections displaces clients that pause between two requests.
const NEWCOMER_WEIGHT: u32 = 20;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// For a complete head, also if it is idle.
    Head,
    /// For the body of a request.
    Body,
    /// For the service.
    Service,
    /// For the peer to accept the response.
    Write,
}

/// One open connection.
#[derive(Debug)]
pub(super) struct Connection {
    peer: IpAddr,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    phase: Phase,
    since: Instant,
    /// Whether a request has been received.
    has_served: bool,
    /// Whether the connection shall be closed, unless it enters another phase before.
    is_chosen: bool,
}

impl State {
    fn new(phase: Phase, has_served: bool) -> Self {
        Self { phase, since: Instant::now(), has_served, is_chosen: false }
    }
}

impl Connection {
    fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Enters `phase`. Called on the connection's own task only.
    pub(super) fn enter(&self, phase: Phase) {
        self.state.send_if_modified(|state| {
            *state = State::new(phase, state.has_served || phase != Phase::Body);
            // Only a connection that is chosen has to be woken.
            false
        });
    }

    /// Enters `to` if the connection is in phase `from`.
    pub(super) fn advance(&self, from: Phase, to: Phase) {
        if self.state().phase == from {
            self.enter(to);
        }
    }

    /// Asks the connection's task to close it if it still waits for the same as when it was `seen`.
    fn close_if(&self, seen: State) {
        self.state.send_if_modified(|state| {
            state.is_chosen |= *state == seen;
            state.is_chosen
        });
    }

    /// Completes when the connection must be closed. Poll it after the connection itself, so that
    /// a request that has arrived meanwhile is served instead.
    pub(super) async fn closed(&self) {
        // The sender is this very value.
        let _ = self.state.subscribe().wait_for(|state| state.is_chosen).await;
    }
}

/// Whether a new connection can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Open,
    /// Not before another connection has closed. If one can be closed for it, that is under way.
    Wait,
    /// Its peer has its share, and all of them are in use.
    Refuse,
}

/// The open connections.
#[derive(Debug)]
pub(super) struct Connections {
    max: usize,
    max_per_peer: Option<usize>,
    open: Mutex<HashMap<u64, Arc<Connection>>>,
}

/// Keeps a connection in the table until it is dropped.
#[derive(Debug)]
pub(super) struct Registration {
    table: Arc<Connections>,
    id: u64,
    pub(super) connection: Arc<Connection>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.table.open().remove(&self.id);
    }
}

impl Connections {
    pub(super) fn new(max: usize, max_per_peer: Option<usize>) -> Arc<Self> {
        Arc::new(Self { max, max_per_peer, open: Mutex::default() })
    }

    pub(super) fn len(&self) -> usize {
        self.open().len()
    }

    /// Whether more than three quarters of the connections are in use.
    pub(super) fn are_scarce(&self) -> bool {
        self.len() > self.max - self.max / 4
    }

    /// Adds a connection. `id` must be new.
    pub(super) fn register(self: &Arc<Self>, id: u64, peer: IpAddr) -> Registration {
        let state = watch::Sender::new(State::new(Phase::Head, false));
        let connection = Arc::new(Connection { peer, state });
        self.open().insert(id, Arc::clone(&connection));
        Registration { table: Arc::clone(self), id, connection }
    }

    /// Decides on a new connection of `peer`, and makes room for it if it can.
    pub(super) fn admit(&self, peer: IpAddr) -> Admission {
        let open = self.open();
        if let Some(share) = self.max_per_peer
            && !peer.to_canonical().is_loopback()
        {
            let network = network_of(peer);
            let of_peer = || open.values().filter(|other| network_of(other.peer) == network);
            if of_peer().count() >= share {
                // Its own connections make room, not those of others.
                let closes = Self::close_longest_waiting(of_peer());
                return if closes { Admission::Wait } else { Admission::Refuse };
            }
        }
        if open.len() < self.max {
            return Admission::Open;
        }
        // The chosen connection still counts until its task has closed it, since a request may
        // have arrived meanwhile.
        Self::close_longest_waiting(open.values());
        Admission::Wait
    }

    /// Closes the connection that has waited longest for a complete head, or else for a body.
    ///
    /// Returns whether there is one.
    pub(super) fn make_room(&self) -> bool {
        Self::close_longest_waiting(self.open().values())
    }

    fn close_longest_waiting<'a>(candidates: impl Iterator<Item = &'a Arc<Connection>>) -> bool {
        let now = Instant::now();
        let longest = candidates
            .filter_map(|connection| {
                // Read once: the connection changes it meanwhile, and `close_if` compares.
                let seen = connection.state();
                let age = now.duration_since(seen.since);
                let weight = if seen.has_served { 1 } else { NEWCOMER_WEIGHT };
                let rank = match seen.phase {
                    Phase::Head if age >= HEAD_GRACE => (true, age * weight),
                    Phase::Body if age >= BODY_GRACE => (false, age),
                    Phase::Head | Phase::Body | Phase::Service | Phase::Write => return None,
                };
                Some((rank, connection, seen))
            })
            .max_by_key(|(rank, ..)| *rank);
        let Some((_, connection, seen)) = longest else { return false };
        connection.close_if(seen);
        true
    }

    /// Closes every connection that has waited in one of `phases` for at least `timeout`.
    pub(super) fn close_waiting(&self, phases: &[Phase], timeout: Duration) -> usize {
        let mut closed = 0;
        for connection in self.open().values() {
            let seen = connection.state();
            if seen.since.elapsed() >= timeout && phases.contains(&seen.phase) {
                connection.close_if(seen);
                closed += 1;
            }
        }
        closed
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        // No code under the lock can panic between two changes, so the map is consistent.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What counts as one peer: an IPv4 address, or the /64 network that an IPv6 host can choose its
/// addresses from.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn is_asked_to_close(registration: &Registration) -> bool {
        registration.connection.state().is_chosen
    }

    #[tokio::test(start_paused = true)]
    async fn full_table_closes_longest_waiting_for_head() {
        let table = Connections::new(3, None);
        let (busy, idle, fresh) = (table.register(0, ONE), table.register(1, ONE), {
            advance(HEAD_GRACE).await;
            table.register(2, ONE)
        });
        busy.connection.enter(Phase::Service);
        assert_eq!(table.admit(OTHER), Admission::Wait);
        assert_eq!([&busy, &idle, &fresh].map(is_asked_to_close), [false, true, false]);
        idle.connection.closed().await;
        drop(idle);
        assert_eq!(table.admit(OTHER), Admission::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn request_that_arrives_in_time_is_not_closed() {
        let table = Connections::new(1, None);
        let only = table.register(0, ONE);
        advance(HEAD_GRACE).await;
        assert!(table.make_room());
        only.connection.enter(Phase::Service);
        let closed = tokio::time::timeout(Duration::from_secs(1), only.connection.closed());
        assert!(closed.await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn newcomer_closes_before_client_that_pauses() {
        let table = Connections::new(2, None);
        let [pausing, newcomer] = [0, 1].map(|id| table.register(id, ONE));
        pausing.connection.enter(Phase::Service);
        pausing.connection.enter(Phase::Head);
        advance(HEAD_GRACE).await;
        let second = table.register(2, ONE);
        advance(HEAD_GRACE).await;
        assert!(table.make_room());
        assert_eq!([&pausing, &newcomer, &second].map(is_asked_to_close), [false, true, false]);
        drop(newcomer);
        assert!(table.make_room());
        assert_eq!([&pausing, &second].map(is_asked_to_close), [false, true]);
        // A client that has been served and then stays away makes room in the end.
        drop(second);
        assert!(table.make_room());
        assert!(is_asked_to_close(&pausing));
    }

    #[tokio::test(start_paused = true)]
    async fn full_table_in_use_waits() {
        let table = Connections::new(1, None);
        let only = table.register(0, ONE);
        for phase in [Phase::Service, Phase::Write] {
            only.connection.enter(phase);
            advance(BODY_GRACE * 2).await;
            assert_eq!(table.admit(OTHER), Admission::Wait);
            assert!(!is_asked_to_close(&only), "{phase:?}");
        }
        only.connection.enter(Phase::Body);
        advance(HEAD_GRACE).await;
        assert_eq!(table.admit(OTHER), Admission::Wait);
        assert!(!is_asked_to_close(&only));
        advance(BODY_GRACE).await;
        assert_eq!(table.admit(OTHER), Admission::Wait);
        assert!(is_asked_to_close(&only));
    }

    #[tokio::test(start_paused = true)]
    async fn peer_beyond_share_displaces_its_own() {
        let table = Connections::new(10, Some(2));
        let [other, first, second] =
            [(0, OTHER), (1, ONE), (2, ONE)].map(|(id, peer)| table.register(id, peer));
        assert_eq!(table.admit(ONE), Admission::Refuse);
        assert_eq!(table.admit(OTHER), Admission::Open);
        advance(HEAD_GRACE).await;
        first.connection.enter(Phase::Service);
        assert_eq!(table.admit(ONE), Admission::Wait);
        assert_eq!([&other, &first, &second].map(is_asked_to_close), [false, false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn loopback_has_no_share() {
        let table = Connections::new(10, Some(1));
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let _open = table.register(0, loopback);
        assert_eq!(table.admit(loopback), Admission::Open);
        assert_eq!(table.admit("::ffff:127.0.0.1".parse().unwrap()), Admission::Open);
    }

    #[test]
    fn ipv6_peers_of_one_network_are_one() {
        let network = |ip: &str| network_of(ip.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), ONE);
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }

    #[tokio::test(start_paused = true)]
    async fn slow_connections_close_by_phase() {
        let table = Connections::new(4, None);
        let all = [Phase::Head, Phase::Body, Phase::Service, Phase::Write].map(|phase| {
            let registration = table.register(phase as u64, ONE);
            registration.connection.enter(phase);
            registration
        });
        assert!(table.are_scarce());
        let limit = Duration::from_secs(5);
        assert_eq!(table.close_waiting(&[Phase::Head, Phase::Body, Phase::Write], limit), 0);
        advance(limit).await;
        assert_eq!(table.close_waiting(&[Phase::Head, Phase::Body, Phase::Write], limit), 3);
        assert_eq!(all.each_ref().map(is_asked_to_close), [true, true, false, true]);
    }
}
