//! A server on a listener: its connections, and how it ends.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use billing_ledger::Ledger;
use futures::FutureExt;
use tokio::io::AsyncWrite;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::config::Config;
use crate::conversation::{Conversations, LINGER};
use crate::leftovers;
use crate::refusal::Refusal;
use crate::router::router_for;
use crate::routes::Routes;
use crate::service::Service;
use crate::slots::{Crowded, Slot, Slots};
use crate::tls::Tls;

/// The pause after a connection could not be accepted. What is missing, such as file handles, does not come back at
/// once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The same when an idle connection was told to make room, which ends within this time.
const ROOM_PAUSE: Duration = Duration::from_millis(5);

/// The most connections without a slot that stay open until their clients have read that there is none.
const TURNED_AWAY: usize = 64;

/// Where a server listens.
#[derive(Debug)]
pub struct Listeners {
    /// For the API.
    pub api: TcpListener,
    /// TLS for the API's connections; `None` for plain HTTP.
    pub tls: Option<Tls>,
    /// For the metrics of all accounts: `/metrics` and nothing else, over plain HTTP and without a key. Everybody who
    /// can reach it can read it, so it should be on loopback. The API's own `/metrics` needs a key and has only that
    /// account's figures.
    pub metrics: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    /// Everything on one, plain.
    fn from(api: TcpListener) -> Self {
        Self { api, tls: None, metrics: None }
    }
}

/// Serves the API until `shutdown` is ready. Then it takes no more connections, and returns when the running requests
/// are answered. A client that does not read its answer can delay that by the
/// [`response_timeout`](Config::response_timeout). To end sooner, drop this future.
///
/// # Errors
/// There are none today. Errors that a later version may report are passed on.
pub async fn serve(
    listeners: impl Into<Listeners>,
    ledger: Arc<dyn Ledger>,
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let Listeners { api, tls, metrics } = listeners.into();
    leftovers::remove(Arc::clone(&ledger));
    let service = Arc::new(Service::new(ledger, config));
    let server = |routes, tls| Server {
        conversations: Conversations::new(router_for(Arc::clone(&service), routes), &service.config),
        service: Arc::clone(&service),
        tls,
    };
    let (shutdown, stopping) = (shutdown.shared(), watch::Sender::new(false));
    match metrics {
        None => server(Routes::Api, tls).accept(api, shutdown, &stopping).await,
        Some(metrics) => {
            let api = server(Routes::Api, tls).accept(api, shutdown.clone(), &stopping);
            tokio::join!(api, server(Routes::Metrics, None).accept(metrics, shutdown, &stopping));
        }
    }
    stopping.send_replace(true);
    // Every connection holds a receiver of it, so this waits for all connections.
    stopping.closed().await;
    Ok(())
}

#[derive(Clone)]
struct Server {
    conversations: Conversations,
    service: Arc<Service>,
    tls: Option<Tls>,
}

impl Server {
    /// Takes connections until it is told to stop.
    async fn accept(
        self,
        listener: TcpListener,
        mut shutdown: impl Future<Output = ()> + Unpin,
        stopping: &watch::Sender<bool>,
    ) {
        let Config { connections, connections_per_address, .. } = self.service.config;
        let share = connections_per_address.unwrap_or(connections.div_ceil(2));
        let slots = Slots::new(connections, share);
        let turned_away = Arc::new(Semaphore::new(TURNED_AWAY));
        loop {
            let accepted = async {
                let (stream, peer) = listener.accept().await?;
                Ok::<_, io::Error>((slot_for(&slots, peer).await, stream, peer))
            };
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = accepted => match accepted {
                    Ok((Some(slot), stream, peer)) => {
                        tokio::spawn(self.clone().attend(stream, peer, slot, stopping.subscribe()));
                    }
                    Ok((None, stream, peer)) => {
                        tracing::debug!(%peer, "too many connections of an address");
                        self.turn_away(stream, &turned_away);
                    }
                    // A client that left before it was accepted is no sign that anything is missing.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        // What is missing may be file handles, and an idle connection holds one.
                        sleep(if slots.make_room() { ROOM_PAUSE } else { ACCEPT_PAUSE }).await;
                    }
                },
            }
        }
    }

    /// Tells a connection beyond its address's share that there is no slot for it. A client that speaks TLS would not
    /// understand and is told nothing; neither is a client that comes while many are being told.
    fn turn_away(&self, stream: TcpStream, places: &Arc<Semaphore>) {
        let place = Arc::clone(places).try_acquire_owned();
        if let (None, Ok(place)) = (&self.tls, place) {
            tokio::spawn(async move {
                // The answer is short enough to be sent in one write.
                let _ = stream.try_write(&Refusal::Crowded.answer());
                let _ = timeout(LINGER, drain(stream)).await;
                drop(place);
            });
        }
    }

    /// Answers what comes over one connection.
    async fn attend(self, stream: TcpStream, peer: SocketAddr, slot: Slot, stopping: watch::Receiver<bool>) {
        // The last piece of a page must not wait for the acknowledgement of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        let _open = Open::count(&self.service);
        match &self.tls {
            None => self.conversations.hold(stream, (peer, &slot), stopping).await,
            Some(tls) => {
                let accepted = timeout(self.service.config.header_timeout, tls.acceptor().accept(stream));
                let accepted = tokio::select! {
                    accepted = accepted => accepted,
                    () = slot.told_to_leave() => return,
                };
                match accepted {
                    Ok(Ok(stream)) => self.conversations.hold(stream, (peer, &slot), stopping).await,
                    Ok(Err(error)) => tracing::debug!(%error, %peer, "no TLS came about"),
                    Err(_) => tracing::debug!(%peer, "TLS did not come about in time"),
                }
            }
        }
    }
}

/// A slot for a connection. This waits while running requests have all slots. `None` when the address has its share
/// already.
async fn slot_for(slots: &Arc<Slots>, peer: SocketAddr) -> Option<Slot> {
    loop {
        match slots.take(peer.ip()) {
            Ok(slot) => return Some(slot),
            Err(Crowded::Everybody) => slots.changed().await,
            Err(Crowded::Address) => return None,
        }
    }
}

/// Ends a connection after its client has ended it. If the server closed first, the client could lose the answer (RFC
/// 9112, 9.6).
async fn drain(mut stream: TcpStream) -> io::Result<()> {
    poll_fn(|context| Pin::new(&mut stream).poll_shutdown(context)).await?;
    let mut room = [0; 8 << 10];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut room) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
    }
}

/// A connection that is open.
struct Open(Arc<Service>);

impl Open {
    fn count(service: &Arc<Service>) -> Self {
        service.metrics.connections.inc();
        Self(Arc::clone(service))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.connections.dec();
    }
}
