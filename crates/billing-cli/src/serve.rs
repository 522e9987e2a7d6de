//! `billing serve`: a ledger over the billing API.

use std::net::SocketAddr;
use std::time::Duration;

use billing_model::Timestamp;
use billing_server::Config;
use billing_store::{ErrorKind, Ledger};
use chrono::Utc;
use tokio::net::TcpListener;

use crate::args;
use crate::exit::Failure;
use crate::{runtime, terminal};

/// Time for running requests when the server is told to stop: a client that does not read must not hold it.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &args::Serve) -> Result<(), Failure> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let ledger = Ledger::open(&args.ledger).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            Failure::from(error).hint("billing import or billing keys create makes a ledger")
        }
        _ => Failure::from(error),
    })?;
    runtime(2)?.block_on(async {
        let listener = listen(args.listen).await?;
        let address = listener.local_addr().map_err(Failure::failed)?;
        if !address.ip().is_loopback() {
            terminal::note(
                "warning: this is plain http; let only a proxy that speaks https reach it from elsewhere",
            );
        }
        terminal::print(&format!("{}\n", base_url(address)))?;
        serve(listener, ledger).await
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
pub(crate) async fn serve(listener: TcpListener, ledger: Ledger) -> Result<(), Failure> {
    let config = Config::new(|| Timestamp::from(Utc::now()));
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let stop = async {
        stop_signal().await;
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
            terminal::note("warning: a client did not read its answer; its connection was dropped");
            Ok(())
        }
    }
}

/// Ctrl-C, or a polite kill.
async fn stop_signal() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut terminate) => terminate.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate => {}
    }
}
