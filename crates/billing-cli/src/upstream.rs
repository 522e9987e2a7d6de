//! The service that a command walks: its address and key, checked, and a client of it.

use std::time::Duration;

use billing_http::{ApiKey, Client, ErrorKind, Event, RetryPolicy, Wire};

use crate::args::Walking;
use crate::base_url::with_path;
use crate::exit::{Exit, Failure};
use crate::key_source::{self, Key, Needed};
use crate::network::Network;

/// A service, and the key to it.
pub(crate) struct Upstream<'a> {
    walking: &'a Walking,
    network: Network,
    pub(crate) key: Key,
}

impl<'a> Upstream<'a> {
    /// Checks where the service is, and then reads the key: a wrong base URL is wrong with any key.
    pub(crate) fn new(walking: &'a Walking) -> Result<Self, Failure> {
        let service = &walking.service;
        let network = Network::new(service, |name| std::env::var_os(name))?;
        network.of(Client::builder(&service.base_url, ApiKey::new("none")?)).build()?;
        let key = key_source::read(Needed::Admin, service.api_key_file.as_deref())?;
        Ok(Self { walking, network, key })
    }

    /// A client of the service. What happens is told to `observe`.
    pub(crate) fn client(
        &self,
        wire: Wire,
        observe: impl Fn(&Event<'_>) + Send + Sync + 'static,
    ) -> Result<Client, Failure> {
        let default = RetryPolicy::default();
        let max_wait = Duration::from_secs(self.walking.max_wait);
        let policy = RetryPolicy {
            max_wait,
            // A request has time for two of the longest waits.
            budget: default.budget.max(max_wait.saturating_mul(2)),
            ..default
        };
        let builder = Client::builder(&self.walking.service.base_url, self.key.key.clone());
        Ok(self.network.of(builder).wire(wire).retry(policy).observer(observe).build()?)
    }

    /// The failure, with what the address and the key have to do with it.
    pub(crate) fn explained(&self, failure: Failure) -> Failure {
        match failure.of_service() {
            _ if failure.exit() == Exit::Key => failure.hint_first(self.key.described()),
            Some(ErrorKind::NotFound | ErrorKind::NotTheApi) => {
                match with_path(&self.walking.service.base_url) {
                    Some(url) => failure.hint_instead(format!("the API may be at --base-url {url}")),
                    None => failure,
                }
            }
            _ => failure,
        }
    }
}
