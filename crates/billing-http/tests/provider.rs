//! A client does not install a cryptography provider for the process; that is the program's choice.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use billing_http::{ApiKey, Certificates, Client};
use billing_ledger::{KeyKind, Ledger};
use billing_model::Timestamp;
use billing_server::{Config, Listeners, Tls, serve};
use billing_testkit::MemoryLedger;
use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom, ring};
use tokio::net::TcpListener;

/// Random numbers that count how often they are used.
#[derive(Debug)]
struct Counted;

static ASKED: AtomicU32 = AtomicU32::new(0);

impl SecureRandom for Counted {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        ASKED.fetch_add(1, Ordering::Relaxed);
        ring::default_provider().secure_random.fill(bytes)
    }
}

/// A client of an https server on loopback.
async fn client_over_tls() -> Client {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
    let now = || Timestamp::from_unix_ns(0);
    let ledger = MemoryLedger::new().unwrap();
    let account = ledger.create_account("default").unwrap();
    let admin = ledger.create_key(account, KeyKind::Admin, "", now()).unwrap().1;
    let api = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("https://localhost:{}/api/v1", api.local_addr().unwrap().port());
    let tls = Some(Tls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap());
    let listeners = Listeners { api, tls, metrics: None };
    tokio::spawn(serve(listeners, Arc::new(ledger), Config::new(now), std::future::pending()));
    let trusted = Certificates::from_pem(certificate.as_bytes()).unwrap();
    let builder = Client::builder(base_url, ApiKey::new(admin.expose()).unwrap());
    builder.certificates(trusted).build().unwrap()
}

#[tokio::test]
async fn a_client_installs_no_provider_and_uses_the_one_that_a_program_has_chosen() {
    client_over_tls().await.balance().await.unwrap();
    // The system may trust no certificates. That is an error, and the client installs nothing then either.
    let _ = Client::builder("https://billing.example/api/v1", ApiKey::new("key").unwrap()).build();
    assert!(CryptoProvider::get_default().is_none(), "a program may still choose one");

    let own = CryptoProvider { secure_random: &Counted, ..ring::default_provider() };
    own.install_default().expect("none was installed before");
    client_over_tls().await.balance().await.unwrap();
    assert!(ASKED.load(Ordering::Relaxed) > 0, "the program's own provider is the one that is used");
}
