//! `billing serve`: serves a ledger over the billing API.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use billing_ledger::Ledger;
use billing_model::Timestamp;
use billing_server::{Config, Listeners, Origin, Tls, UsageEndpoint};
use chrono::Utc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{self, LogFormat, LogLevel};
use crate::exit::Failure;
use crate::log::Log;
use crate::runtime::runtime;
use crate::text::shell_word;
use crate::{ledgers, stdout, terminal};

const MIB: usize = 1 << 20;

/// How long running requests may take when the server is told to stop. A client that does not read must not delay the
/// end.
const GRACE: Duration = Duration::from_secs(10);

/// How notes and warnings are written, beside the lines for requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Says {
    pub(crate) level: LogLevel,
    /// In the log, so that a program which reads the log finds nothing else in it.
    is_json: bool,
}

impl Says {
    fn note(self, text: &str) {
        match self.is_json {
            true => tracing::info!("{text}"),
            false if self.level >= LogLevel::Info => terminal::note(&format!("note: {text}")),
            false => {}
        }
    }

    fn warn(self, text: &str) {
        match self.is_json {
            true => tracing::warn!("{text}"),
            false if self.level >= LogLevel::Warn => terminal::note(&format!("warning: {text}")),
            false => {}
        }
    }
}

/// Open files beside those of connections: the ledger's, its readers', and a few more.
#[cfg(unix)]
const FILES: u64 = 128;

pub(crate) fn run(args: &args::Serve) -> Result<(), Failure> {
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(tls(certificate, key)?),
        _ => None,
    };
    let config = config_of(args)?;
    let says = Says { level: args.level(), is_json: matches!(args.log_format, LogFormat::Json) };
    let log = Log::start(args.log_format, says.level);
    let place = args.ledger.place()?;
    let ledger = ledgers::open_to_serve(&place, &|text| says.note(text))?;
    if ledger.keys()?.iter().all(|key| key.revoked_at.is_some()) {
        let place = shell_word(&place.typed());
        says.note(&format!(
            "nobody has a key to this ledger; this makes one:\n  billing keys create --ledger {place}"
        ));
    }
    allow_files(args.max_connections, says);
    let served = runtime(2)?.block_on(async {
        let listener = listen("--listen", args.listen).await?;
        let address = listener.local_addr().map_err(Failure::failed)?;
        if tls.is_none() && !address.ip().is_loopback() {
            says.warn(
                "this is plain http; serve https with --tls-cert and --tls-key, or let only a proxy that does \
                 reach it from elsewhere",
            );
        }
        let metrics = match args.metrics_listen {
            Some(address) => Some(listen_for_metrics(address, says).await?),
            None => None,
        };
        // The signal is caught before the server says that it is ready, because it may be told to stop at once.
        let stop = stop_signal()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        stdout::print(&format!("{}\n", base_url(scheme, address)))?;
        let listeners = Listeners { api: listener, tls, metrics };
        serve(listeners, ledger.shared(), config, stop, says).await
    });
    log.flush();
    served
}

/// Raises the limit of open files to what the connections and the ledger take, as far as the system allows it. The
/// limit of a shell is usually lower than allowed.
#[cfg(unix)]
fn allow_files(connections: u32, says: Says) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = u64::from(connections) + FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let most = limit.maximum.unwrap_or(wanted).min(wanted);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit });
    if raised.is_err() || most < wanted {
        says.warn(&format!(
            "{connections} connections take {wanted} open files, and fewer are allowed: see `ulimit -n`"
        ));
    }
}

#[cfg(not(unix))]
fn allow_files(_: u32, _: Says) {}

fn tls(certificate: &Path, key: &Path) -> Result<Tls, Failure> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context(format!("`{}`", path.display())))
        })
    };
    let (certificates, private_key) = (read(certificate)?, read(key)?);
    Tls::from_pem(&certificates, &private_key).map_err(|error| {
        let files = format!("`{}`, `{}`", certificate.display(), key.display());
        Failure::usage(anyhow::Error::new(error).context(files))
            .hint("both are PEM, as certbot and openssl write them")
    })
}

/// The configuration of a server without flags.
pub(crate) fn config() -> Config {
    Config::new(|| Timestamp::from(Utc::now()))
}

fn config_of(args: &args::Serve) -> Result<Config, Failure> {
    let defaults = config();
    let body_limit = args.body_limit as usize * MIB;
    Ok(Config {
        usage_endpoint: match args.usage_endpoint {
            args::UsageEndpoint::Live => UsageEndpoint::Live,
            args::UsageEndpoint::Deprecated => UsageEndpoint::Deprecated,
            args::UsageEndpoint::Sunset => UsageEndpoint::Sunset,
        },
        rate_limit: NonZeroU32::new(args.rate_limit),
        usage_rate_limit: NonZeroU32::new(args.usage_rate_limit),
        failed_request_limit: NonZeroU32::new(args.failed_request_limit),
        concurrent_requests: args.max_requests as usize,
        connections: args.max_connections as usize,
        connections_per_address: args.max_connections_per_address.map(|most| most as usize),
        request_timeout: Duration::from_secs(args.request_timeout),
        max_age: args.max_age,
        max_future: args.max_future,
        allow_origins: allow_origins(&args.allow_origins)?,
        body_limit,
        memory: memory(args, body_limit, defaults.memory)?,
        ..defaults
    })
}

/// The allowed origins. `*` must be alone, because it allows every origin.
fn allow_origins(origins: &[Origin]) -> Result<Vec<Origin>, Failure> {
    if origins.len() > 1 && origins.iter().any(Origin::is_any) {
        let error = anyhow::anyhow!(
            "--allow-origin `*` lets every page in, so another origin beside it says nothing"
        );
        return Err(Failure::usage(error).hint("give `*` alone, or only the origins that you mean"));
    }
    Ok(origins.to_vec())
}

/// The memory for batches and answers. A given one must have room for the largest batch. The default is the usual one,
/// or more where the largest batch needs it.
fn memory(args: &args::Serve, body_limit: usize, usual: usize) -> Result<usize, Failure> {
    let least = Config::least_memory(body_limit);
    match args.memory.map(|mib| mib as usize * MIB) {
        None => Ok(usual.max(least)),
        Some(memory) if memory >= least => Ok(memory),
        Some(_) => {
            let (least, limit) = (least.div_ceil(MIB), args.body_limit);
            let error = anyhow::anyhow!(
                "--memory is too little for batches of {limit} MiB: {least} MiB is the least"
            );
            Err(Failure::usage(error).hint("a smaller --body-limit takes less"))
        }
    }
}

pub(crate) async fn listen(flag: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::failed(anyhow::Error::new(error).context(format!("cannot listen on {address}")))
            .hint(format!("{flag} 127.0.0.1:0 takes a free port"))
    })
}

/// Listens for scrapes of the metrics. Tells the address, because no key is needed there.
async fn listen_for_metrics(address: SocketAddr, says: Says) -> Result<TcpListener, Failure> {
    let listener = listen("--metrics-listen", address).await?;
    let address = listener.local_addr().map_err(Failure::failed)?;
    says.note(&format!("metrics of all accounts are at http://{address}/metrics, without a key"));
    if !address.ip().is_loopback() {
        says.warn(
            "whoever reaches the metrics reads what all accounts spend together; listen on 127.0.0.1, or let only \
             your Prometheus reach them",
        );
    }
    Ok(listener)
}

pub(crate) fn base_url(scheme: &str, address: SocketAddr) -> String {
    format!("{scheme}://{address}/api/v1")
}

/// Serves until it is told to stop. Then running requests may still end, within a limit.
pub(crate) async fn serve(
    listeners: impl Into<Listeners>,
    ledger: Arc<dyn Ledger>,
    config: Config,
    told_to_stop: impl Future<Output = ()> + Send + 'static,
    says: Says,
) -> Result<(), Failure> {
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
        served = billing_server::serve(listeners, ledger, config, stop) => {
            served.map_err(|error| Failure::failed(anyhow::Error::new(error).context("the server failed")))
        }
        () = grace => {
            says.warn("a connection did not end in time and was dropped");
            Ok(())
        }
    }
}

/// Ready at SIGINT or SIGTERM. They are caught from the call on; before it they end the process.
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
