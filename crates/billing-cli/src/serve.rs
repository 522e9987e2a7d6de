//! `billing serve`: a ledger over the billing API.

use std::net::SocketAddr;
use std::time::Duration;

use billing_model::Timestamp;
use billing_server::Config;
use billing_store::Ledger;
use chrono::Utc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::args;
use crate::exit::Failure;
use crate::{runtime, terminal};

/// Time for running requests when the server is told to stop: a client that does not read must not hold it.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &args::Serve) -> Result<(), Failure> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let ledger = Ledger::open(&args.ledger)?;
    runtime(2)?.block_on(async {
        let listener = listen(args.listen).await?;
        let address = listener.local_addr().map_err(Failure::failed)?;
        if !address.ip().is_loopback() {
            terminal::note(
                "warning: this is plain http; let only a proxy that speaks https reach it from elsewhere",
            );
        }
        // Before it says that it is ready: whoever reads that may tell it to stop at once.
        let stop = stop_signal()?;
        terminal::print(&format!("{}\n", base_url(address)))?;
        serve(listener, ledger, stop).await
    })
}

pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::failed(anyhow::Error::new(error).context(format!("cannot listen on {address}")))
            .hint("--listen 127.0.0.1:0 takes a free port")
    })
}

pub(crate) fn base_url(address: SocketAddr) -> String {
    format!("http://{address}/api/v1")
}

/// Serves until it is told to stop; then running requests end first, in the time that they have for it.
pub(crate) async fn serve(
    listener: TcpListener,
    ledger: Ledger,
    told_to_stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    let config = Config::new(|| Timestamp::from(Utc::now()));
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let stop = async {
        told_to_stop.await;
        let _ = stopping.send(());
    };
    let grace = async {
        let _ = stopped.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = billing_server::serve(listener, ledger, config, stop) => {
            served.map_err(|error| Failure::failed(anyhow::Error::new(error).context("the server failed")))
        }
        () = grace => {
            terminal::note("warning: a connection did not end in time and was dropped");
            Ok(())
        }
    }
}

/// Ctrl-C, or a polite kill, from the call on: until then either ends the process as it always does.
pub(crate) fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let on = |kind| {
        signal(kind)
            .map_err(|error| Failure::failed(anyhow::Error::new(error).context("signals cannot be caught")))
    };
    let (mut interrupt, mut terminate) = (on(SignalKind::interrupt())?, on(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
