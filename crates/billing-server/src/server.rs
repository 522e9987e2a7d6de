//! A server on a listener: its connections, and its end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use billing_store::Ledger;
use futures::FutureExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::config::Config;
use crate::conversation::Conversations;
use crate::leftovers;
use crate::router::{Part, routes};
use crate::service::Service;
use crate::tls::Tls;

/// Pause after a connection could not be accepted: what is missing, files perhaps, does not come back at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where a server listens.
#[derive(Debug)]
pub struct Listeners {
    /// For the API.
    pub api: TcpListener,
    /// What the API's connections are encrypted with; plain HTTP without.
    pub tls: Option<Tls>,
    /// For `/metrics` alone, plain, and then it is not among the API's routes: what it counts is of all accounts.
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
    ledger: Ledger,
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let Listeners { api, tls, metrics } = listeners.into();
    leftovers::remove(ledger.clone());
    let service = Arc::new(Service::new(ledger, config));
    let server = |part, tls| Server {
        conversations: Conversations::new(routes(Arc::clone(&service), part), &config),
        service: Arc::clone(&service),
        tls,
    };
    let (shutdown, stopping) = (shutdown.shared(), watch::Sender::new(false));
    match metrics {
        None => server(Part::All, tls).accept(api, shutdown, &stopping).await,
        Some(metrics) => {
            let api = server(Part::Api, tls).accept(api, shutdown.clone(), &stopping);
            tokio::join!(api, server(Part::Metrics, None).accept(metrics, shutdown, &stopping));
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
        let limit = self.service.config.connections.clamp(1, Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(limit));
        loop {
            let accepted = async {
                // A place first: who finds none waits in the system's own queue.
                let slot = Arc::clone(&slots).acquire_owned().await.map_err(io::Error::other)?;
                Ok::<_, io::Error>((listener.accept().await?, slot))
            };
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = accepted => match accepted {
                    Ok(((stream, peer), slot)) => {
                        tokio::spawn(self.clone().attend(stream, peer, slot, stopping.subscribe()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    /// Answers what comes over one connection.
    async fn attend(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        slot: OwnedSemaphorePermit,
        stopping: watch::Receiver<bool>,
    ) {
        // The last piece of a page must not wait for the acknowledgement of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        let _open = Open::count(&self.service);
        match &self.tls {
            None => self.conversations.hold(stream, peer, stopping).await,
            Some(tls) => {
                match timeout(self.service.config.header_timeout, tls.acceptor().accept(stream)).await {
                    Ok(Ok(stream)) => self.conversations.hold(stream, peer, stopping).await,
                    Ok(Err(error)) => tracing::debug!(%error, %peer, "no TLS came about"),
                    Err(_) => tracing::debug!(%peer, "TLS did not come about in time"),
                }
            }
        }
        drop(slot);
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
