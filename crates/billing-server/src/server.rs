//! A server on a listener: its connections, and its end.

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

/// Pause after a connection could not be accepted: what is missing, files perhaps, does not come back at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The same when an idle connection was told to make room: it ends within this.
const ROOM_PAUSE: Duration = Duration::from_millis(5);

/// Connections without a slot that are open until their clients have read that.
const TURNED_AWAY: usize = 64;

/// Where a server listens.
#[derive(Debug)]
pub struct Listeners {
    /// For the API.
    pub api: TcpListener,
    /// What the API's connections are encrypted with; plain HTTP without.
    pub tls: Option<Tls>,
    /// For all that is counted, of all accounts, plain and without a key: `/metrics` and nothing else. Whoever reaches it
    /// reads it, so it should be of loopback. The API's own `/metrics` takes a key and has that account's figures alone.
    pub metrics: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    /// Everything on one, plain.
    fn from(api: TcpListener) -> Self {
        Self { api, tls: None, metrics: None }
    }
}

/// Serves the API until `shutdown` is ready; then takes no more connections, and returns when the requests that run are
/// answered. A client that does not read its answer can hold that up for the
/// [`response_timeout`](Config::response_timeout): whoever must end sooner drops this future.
///
/// # Errors
/// None in the life of a listener today; what may be reported later is passed on.
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
    // Every connection has one end of it.
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
                    // Who left before it was accepted says nothing of what there is left.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        // Of what is missing, files perhaps, a connection that is idle has some.
                        sleep(if slots.make_room() { ROOM_PAUSE } else { ACCEPT_PAUSE }).await;
                    }
                },
            }
        }
    }

    /// Says to a connection beyond its address's share that there is no slot for it. Whoever speaks TLS would not
    /// understand, and is left without a word; so is who comes while many are told.
    fn turn_away(&self, stream: TcpStream, places: &Arc<Semaphore>) {
        let place = Arc::clone(places).try_acquire_owned();
        if let (None, Ok(place)) = (&self.tls, place) {
            tokio::spawn(async move {
                // It is short enough to be taken at once.
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

/// A slot for a connection: it waits for one while requests have all of them. `None` when its address has its share.
async fn slot_for(slots: &Arc<Slots>, peer: SocketAddr) -> Option<Slot> {
    loop {
        match slots.take(peer.ip()) {
            Ok(slot) => return Some(slot),
            Err(Crowded::Everybody) => slots.changed().await,
            Err(Crowded::Address) => return None,
        }
    }
}

/// Ends a connection when its client does: one that is closed before takes the answer with it, RFC 9112 9.6.
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
