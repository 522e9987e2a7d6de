//! The network between a program and its PostgreSQL server, which a test can stall, break, and cut inside COMMIT.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

mod messages;

use messages::{Message, Messages, ends_ready};

/// What the way to the database does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// It passes everything.
    #[default]
    Open,
    /// It ends new connections at once. Those that are there go on.
    Shut,
    /// It takes everything and passes nothing, new connections too. What it holds passes when the way is open again, as after a fault of
    /// a network.
    Stalled,
}

/// Where in a COMMIT a connection breaks, both ways at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Before the COMMIT reaches the server, so nothing is stored.
    Before,
    /// As soon as it was passed on: the server learns of the break while it stores.
    Within,
    /// When the server has answered, so everything is stored. The answer is lost.
    After,
}

/// A proxy on loopback before a server's Unix socket. It ends when it is dropped, and its connections with it.
///
/// It cuts transactions into which rows were copied: those are the ones that record.
///
/// ```
/// use billing_testkit::{Postgres, Proxy, Way};
///
/// # fn test() {
/// let Some(postgres) = Postgres::need() else { return };
/// let url = postgres.database();
/// let proxy = Proxy::before(&postgres.socket());
/// assert_eq!(postgres.sql(&proxy.url(&url), "SELECT 1 + 1"), "2");
/// proxy.set(Way::Shut);
/// # }
/// ```
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    way: Way,
    is_over: bool,
    /// The cut that is still to come.
    cut: Option<Cut>,
    cuts: u64,
    links: Vec<Weak<Link>>,
}

impl Proxy {
    /// Before the server with this socket. The server need not run.
    ///
    /// # Panics
    /// When no port can be had.
    pub fn before(socket: &Path) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap_or_else(|error| panic!("no port for a proxy: {error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("no address: {error}"));
        let shared = Arc::new(Shared::default());
        let (socket, of_thread) = (socket.to_owned(), Arc::clone(&shared));
        thread::spawn(move || of_thread.accept(&listener, &socket));
        Self { address, shared }
    }

    /// The URL of one of the server's databases by way of the proxy.
    ///
    /// # Panics
    /// When it is no URL of a [`Postgres`](crate::Postgres).
    pub fn url(&self, url: &str) -> String {
        let (user, rest) = url.split_once("@/").unwrap_or_else(|| panic!("{url} names no socket"));
        let database = rest.split('?').next().unwrap_or_default();
        format!("{user}@{}/{database}?sslmode=disable", self.address)
    }

    /// From now on the way does this.
    pub fn set(&self, way: Way) {
        self.shared.change(|state| state.way = way);
    }

    /// Breaks every connection that is there.
    pub fn break_all(&self) {
        let links = std::mem::take(&mut self.shared.state().links);
        links.iter().filter_map(Weak::upgrade).for_each(|link| link.break_off());
        self.shared.changed.notify_all();
    }

    /// The next COMMIT is cut here, once.
    pub fn cut(&self, cut: Cut) {
        self.shared.change(|state| state.cut = Some(cut));
    }

    /// How many were cut so far.
    pub fn cuts(&self) -> u64 {
        self.shared.state().cuts
    }

    /// Waits until so many were cut. False when that takes longer than the limit.
    pub fn wait_for_cuts(&self, cuts: u64, limit: Duration) -> bool {
        let wait =
            self.shared.changed.wait_timeout_while(self.shared.state(), limit, |state| state.cuts < cuts);
        wait.unwrap_or_else(PoisonError::into_inner).0.cuts >= cuts
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.change(|state| state.is_over = true);
        self.break_all();
        // Whoever waits for a connection gets one, and sees that it is over.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener, socket: &PathBuf) {
        for client in listener.incoming() {
            let mut state = self.state();
            if state.is_over {
                return;
            }
            if state.way == Way::Shut {
                continue;
            }
            // A server that does not run is a connection that ends at once.
            let (Ok(client), Ok(server)) = (client, UnixStream::connect(socket)) else { continue };
            // A statement and its answer are small, and wait for nothing.
            let _ = client.set_nodelay(true);
            let link = Arc::new(Link { client, server, holds_answer: AtomicBool::new(false) });
            state.links.retain(|link| link.strong_count() > 0);
            state.links.push(Arc::downgrade(&link));
            drop(state);
            let (shared, of_thread) = (Arc::clone(self), Arc::clone(&link));
            thread::spawn(move || {
                let _ = of_thread.pass_statements(&shared);
                of_thread.break_off();
            });
            let shared = Arc::clone(self);
            thread::spawn(move || {
                let _ = link.pass_answers(&shared);
                link.break_off();
            });
        }
    }

    /// Waits until something may pass. False when it is over.
    fn may_pass(&self) -> bool {
        let is_held = |state: &mut State| state.way == Way::Stalled && !state.is_over;
        let wait = self.changed.wait_while(self.state(), is_held);
        !wait.unwrap_or_else(PoisonError::into_inner).is_over
    }

    /// The cut for a COMMIT that is about to pass.
    fn take_cut(&self) -> Option<Cut> {
        self.state().cut.take()
    }

    fn note_cut(&self) {
        self.change(|state| state.cuts += 1);
    }
}

/// A connection of a client and its other half to the server.
#[derive(Debug)]
struct Link {
    client: TcpStream,
    server: UnixStream,
    /// True from when a COMMIT passes whose answer shall be lost.
    holds_answer: AtomicBool,
}

impl Link {
    /// Both ways at once. It fails where it has ended already, which is fine.
    fn break_off(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    fn pass_statements(&self, shared: &Shared) -> io::Result<()> {
        let (mut messages, mut buffer, mut has_copied) = (Messages::default(), vec![0; 64 << 10], false);
        loop {
            let read = (&self.client).read(&mut buffer)?;
            if read == 0 || !shared.may_pass() {
                return Ok(());
            }
            messages.add(buffer.get(..read).unwrap_or_default());
            while let Some(message) = messages.next() {
                has_copied |= message.is_end_of_copy();
                let is_commit = message.is_commit();
                let cut = if is_commit && has_copied { shared.take_cut() } else { None };
                has_copied &= !is_commit;
                if !self.pass(&message, cut)? {
                    shared.note_cut();
                    return Ok(());
                }
            }
        }
    }

    /// Passes a message. False when the connection broke for it.
    fn pass(&self, message: &Message, cut: Option<Cut>) -> io::Result<bool> {
        // It must be known before the server can answer.
        self.holds_answer.store(cut == Some(Cut::After), Ordering::SeqCst);
        if cut != Some(Cut::Before) {
            (&self.server).write_all(message.bytes())?;
        }
        let is_cut = matches!(cut, Some(Cut::Before | Cut::Within));
        if is_cut {
            self.break_off();
        }
        Ok(!is_cut)
    }

    fn pass_answers(&self, shared: &Shared) -> io::Result<()> {
        let (mut buffer, mut held) = (vec![0; 64 << 10], Vec::new());
        loop {
            let read = (&self.server).read(&mut buffer)?;
            if read == 0 || !shared.may_pass() {
                return Ok(());
            }
            let bytes = buffer.get(..read).unwrap_or_default();
            if !self.holds_answer.load(Ordering::SeqCst) {
                (&self.client).write_all(bytes)?;
                continue;
            }
            held.extend_from_slice(bytes);
            if ends_ready(&held) {
                self.break_off();
                shared.note_cut();
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Postgres;
    use std::process::{Command, Stdio};
    use std::time::Instant;

    const LIMIT: Duration = Duration::from_secs(60);

    /// Copies one row into `rows`, with statements of their own around it. True when it was told that the row is stored.
    fn copy(postgres: &Postgres, url: &str, row: &str) -> bool {
        let mut psql = Command::new(postgres.programs().join("psql"))
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url])
            .args(["-c", "BEGIN", "-c", "COPY rows FROM STDIN", "-c", "COMMIT"])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Without a connection it reads nothing.
        let _ = psql.stdin.take().unwrap().write_all(format!("{row}\n").as_bytes());
        psql.wait().unwrap().success()
    }

    #[test]
    fn a_commit_is_cut_where_it_shall_be() {
        let Some(postgres) = Postgres::need() else { return };
        let url = postgres.database();
        postgres.sql(&url, "CREATE TABLE rows (row text)");
        let proxy = Proxy::before(&postgres.socket());
        let way = proxy.url(&url);
        assert!(copy(postgres, &way, "whole"));
        proxy.cut(Cut::Before);
        assert!(!copy(postgres, &way, "before"));
        assert!(proxy.wait_for_cuts(1, LIMIT));
        proxy.cut(Cut::After);
        assert!(!copy(postgres, &way, "after"));
        assert!(proxy.wait_for_cuts(2, LIMIT));
        // A transaction that copies nothing in is not cut, nor is a second one.
        proxy.cut(Cut::Within);
        assert_eq!(postgres.sql(&way, "BEGIN; SELECT 1; COMMIT"), "1");
        assert!(!copy(postgres, &way, "within"));
        assert!(proxy.wait_for_cuts(3, LIMIT));
        assert!(copy(postgres, &way, "last"));
        assert_eq!(proxy.cuts(), 3);
        let rows = postgres
            .sql(&url, "SELECT string_agg(row, ' ' ORDER BY row) FROM rows WHERE row NOT LIKE 'within'");
        assert_eq!(rows, "after last whole");
    }

    #[test]
    fn the_way_is_shut_stalled_and_broken() {
        let Some(postgres) = Postgres::need() else { return };
        let url = postgres.database();
        postgres.sql(&url, "CREATE TABLE rows (row text)");
        let proxy = Proxy::before(&postgres.socket());
        let way = proxy.url(&url);
        let until_links_are = |number: usize| {
            let count = || proxy.shared.state().links.iter().filter(|link| link.strong_count() > 0).count();
            let start = Instant::now();
            while count() != number {
                if start.elapsed() > LIMIT {
                    // Nobody is left who waits for the proxy.
                    proxy.set(Way::Open);
                    proxy.break_all();
                    panic!("there should be {number} connections, and are {}", count());
                }
                thread::yield_now();
            }
        };
        proxy.set(Way::Shut);
        assert!(!copy(postgres, &way, "shut"));
        proxy.set(Way::Stalled);
        thread::scope(|scope| {
            let stalled = scope.spawn(|| copy(postgres, &way, "stalled"));
            // It is there, and nothing of it passes.
            until_links_are(1);
            assert_eq!(postgres.sql(&url, "SELECT count(*) FROM rows"), "0");
            proxy.set(Way::Open);
            assert!(stalled.join().unwrap());
            // The proxy may notice a moment later that the client has left.
            until_links_are(0);
            proxy.set(Way::Stalled);
            let broken = scope.spawn(|| copy(postgres, &way, "broken"));
            until_links_are(1);
            proxy.break_all();
            proxy.set(Way::Open);
            assert!(!broken.join().unwrap());
        });
        assert_eq!(postgres.sql(&url, "SELECT row FROM rows"), "stalled");
    }

    #[test]
    fn a_server_that_does_not_run_ends_connections() {
        let proxy = Proxy::before(Path::new("/nonexistent"));
        let mut client = TcpStream::connect(proxy.address).unwrap();
        client.set_read_timeout(Some(LIMIT)).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
}
