//! Builds a client: its settings, and what each one is when it is not set.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::api_key::ApiKey;
use crate::base_url::BaseUrl;
use crate::certificates::Certificates;
use crate::client::{Client, Inner, Observer, Sleep};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::limiter::{Limiter, Probing};
use crate::proxy::Proxy;
use crate::retry::RetryPolicy;
use crate::tls::tls_config;
use crate::unanswered::Innermost;
use crate::wire::Wire;

impl Client {
    /// A client of the service below `base_url`, such as `https://api.venice.ai/api/v1`. Without a scheme, as in
    /// `localhost:8787/api/v1`, it is http to this machine and https otherwise ([`with_scheme`](crate::with_scheme)).
    pub fn builder(base_url: impl Into<String>, key: ApiKey) -> ClientBuilder {
        ClientBuilder {
            base_url: base_url.into(),
            key,
            wire: Wire::default(),
            policy: RetryPolicy::default(),
            connect_timeout: Duration::from_secs(10),
            try_timeout: Duration::from_secs(120),
            silence_worth_telling: Duration::from_secs(15),
            proxy: None,
            certificates: None,
            user_agent: concat!("billing/", env!("CARGO_PKG_VERSION")).to_owned(),
            compression: None,
            observer: Arc::new(|_| ()),
            sleep: Arc::new(|wait| Box::pin(tokio::time::sleep(wait))),
        }
    }
}

/// Builds a [`Client`].
#[must_use]
pub struct ClientBuilder {
    base_url: String,
    key: ApiKey,
    wire: Wire,
    policy: RetryPolicy,
    connect_timeout: Duration,
    try_timeout: Duration,
    silence_worth_telling: Duration,
    proxy: Option<Proxy>,
    certificates: Option<Certificates>,
    user_agent: String,
    compression: Option<bool>,
    observer: Observer,
    sleep: Sleep,
}

impl ClientBuilder {
    /// The format of pages on the wire; JSON by default.
    pub fn wire(mut self, wire: Wire) -> Self {
        self.wire = wire;
        self
    }

    /// When and how often failed requests are repeated.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Time to connect; 10 s by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Time for one try of one request, from connecting to the last byte; 120 s by default. Nothing that a service sends makes
    /// it longer: neither bytes that come one by one, nor interim answers (1xx), which are skipped.
    pub fn try_timeout(mut self, timeout: Duration) -> Self {
        self.try_timeout = timeout;
        self
    }

    /// After this time without an end of a try the observer is told ([`Event::Silent`]), and again each time that the time has
    /// doubled; 15 s by default.
    pub fn silence_worth_telling(mut self, silence: Duration) -> Self {
        self.silence_worth_telling = silence;
        self
    }

    /// Sends requests through a proxy; none by default. The environment is not read, and a service on this machine is never
    /// reached through a proxy.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Trusts these certificates instead of the system's.
    pub fn certificates(mut self, certificates: Certificates) -> Self {
        self.certificates = Some(certificates);
        self
    }

    /// The `User-Agent`; `billing/` and the version by default.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Whether to ask for compressed answers. The default is yes, except for a service on this machine, where compression costs
    /// more time than it saves. Pages in [`Wire::Csv`] are never asked for compressed. Answers in gzip or zstd are always read.
    pub fn compression(mut self, compression: bool) -> Self {
        self.compression = Some(compression);
        self
    }

    /// A function that is told of requests, retries and changes of endpoint as they happen. It runs in the middle of the work,
    /// so it has to return quickly.
    pub fn observer(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// The function that waits between tries; tokio's timer by default.
    pub fn sleep(
        mut self,
        sleep: impl Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        self.sleep = Arc::new(sleep);
        self
    }

    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidUrl`]; [`ErrorKind::InsecureUrl`] for http to another machine; [`ErrorKind::Setup`].
    pub fn build(self) -> Result<Client, Error> {
        let base = BaseUrl::parse(&self.base_url)?;
        let mut http = reqwest::Client::builder()
            .connect_timeout(self.connect_timeout)
            .timeout(self.try_timeout)
            .user_agent(self.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            // `Client::send` alone repeats requests, so that all tries are counted.
            .retry(reqwest::retry::never())
            .no_proxy();
        let setup = |cause: reqwest::Error| Error::of(ErrorKind::Setup).because(Innermost::of(cause));
        let proxy = self.proxy.filter(|proxy| proxy.is_for(&base));
        if let Some(proxy) = &proxy {
            http = http.proxy(reqwest::Proxy::all(proxy.url().clone()).map_err(setup)?);
        }
        let tls = tls_config(&base, self.certificates)?;
        http = http.tls_backend_preconfigured(tls);
        let http = http.build().map_err(setup)?;
        let probing = Probing::of(&self.policy);
        Ok(Client(Arc::new(Inner {
            http,
            compression: self.compression.unwrap_or(!base.is_loopback()),
            base,
            key: self.key,
            wire: self.wire,
            policy: self.policy,
            connect_timeout: self.connect_timeout,
            try_timeout: self.try_timeout,
            silence_worth_telling: self.silence_worth_telling,
            proxy,
            observer: self.observer,
            sleep: self.sleep,
            limiter: Arc::new(Limiter::new(probing)),
            answered: AtomicBool::new(false),
            served: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            date_unix_s: watch::Sender::new(None),
            page_time_ms: AtomicU64::new(0),
            replaced: Mutex::default(),
        })))
    }
}
