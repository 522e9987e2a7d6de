//! What a client is made of.

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
    /// How pages travel; JSON unless said otherwise.
    pub fn wire(mut self, wire: Wire) -> Self {
        self.wire = wire;
        self
    }

    /// How patient the client is.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Time to connect; 10 s unless said otherwise.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Time for one try of one request, from connecting to the last byte; 120 s unless said otherwise. Nothing that a service
    /// sends makes it longer: neither bytes that come one by one, nor interim answers (1xx), which are passed over.
    pub fn try_timeout(mut self, timeout: Duration) -> Self {
        self.try_timeout = timeout;
        self
    }

    /// The observer is told of a try that has lasted so long, when it has lasted twice as long, and so on
    /// ([`Event::Silent`]); 15 s unless said otherwise.
    pub fn silence_worth_telling(mut self, silence: Duration) -> Self {
        self.silence_worth_telling = silence;
        self
    }

    /// Goes by a proxy; none unless said otherwise, whatever the environment says. Never to a service on this machine.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Trusts these certificates, and not the system's.
    pub fn certificates(mut self, certificates: Certificates) -> Self {
        self.certificates = Some(certificates);
        self
    }

    /// The `User-Agent`; `billing/` and the version unless said otherwise.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Whether to ask for compressed answers; yes unless the service is on this machine, where it costs more than it saves.
    /// Never with [`Wire::Csv`]. Answers in gzip or zstd are read in any case.
    pub fn compression(mut self, compression: bool) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Is told of requests, retries and changes of endpoint as they happen. Called in the middle of the work: be quick.
    pub fn observer(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// Waits between tries; tokio's timer unless said otherwise.
    pub fn sleep(
        mut self,
        sleep: impl Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        self.sleep = Arc::new(sleep);
        self
    }

    /// The client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidUrl`], [`ErrorKind::InsecureUrl`] for http to another machine, [`ErrorKind::Setup`].
    pub fn build(self) -> Result<Client, Error> {
        let base = BaseUrl::parse(&self.base_url)?;
        let mut http = reqwest::Client::builder()
            .connect_timeout(self.connect_timeout)
            .timeout(self.try_timeout)
            .user_agent(self.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            // Tries are counted in one place.
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
