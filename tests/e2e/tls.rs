//! `billing serve` over https, with a certificate of the test's own.

use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::billing::{ndjson, run};
use crate::conversation::{Connection, Request};
use crate::host::{BALANCE, Host, USAGE};
use crate::ingest::post;
use crate::ledger::{Ledger, noted};
use crate::place::Place;

/// A certificate for loopback, and its key, in files.
struct Certificate {
    der: CertificateDer<'static>,
    certificate: String,
    key: String,
    place: Place,
}

impl Certificate {
    fn new() -> Self {
        let names = ["127.0.0.1", "localhost"].map(str::to_owned);
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let place = Place::new();
        let certificate = place.write("certificate.pem", cert.pem());
        let key = place.write("key.pem", signing_key.serialize_pem());
        Self { der: cert.der().clone(), certificate, key, place }
    }

    fn flags(&self) -> [&str; 4] {
        ["--tls-cert", &self.certificate, "--tls-key", &self.key]
    }

    /// A connection of a client that trusts this certificate and no other.
    fn connect(&self, host: &Host) -> Connection<StreamOwned<ClientConnection, TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        Connection::over(StreamOwned::new(client, TcpStream::connect(host.address()).unwrap()))
    }
}

/// A connection that does not speak TLS has not asked for anything, so it is idle.
#[test]
fn connections_without_a_handshake_make_room() {
    let (ledger, certificate) = (Ledger::of(&[]), Certificate::new());
    let flags = [&certificate.flags()[..], &["--max-connections-per-address", "2"]].concat();
    let host = Host::start(&ledger.path(), &flags);
    let mut silent = [(); 2].map(|()| TcpStream::connect(host.address()).unwrap());
    let mut connection = certificate.connect(&host);
    assert_eq!(connection.ask(&Request::get("/healthz")).unwrap().status, 200);
    // The first connection has ended without any plain text, and the second one is still there.
    assert_eq!(silent[0].read(&mut [0; 16]).unwrap(), 0);
    assert_eq!(certificate.connect(&host).ask(&Request::get("/healthz")).unwrap().status, 200);
    assert_eq!(silent[1].read(&mut [0; 16]).unwrap(), 0);
    assert_eq!(connection.ask(&Request::get("/healthz")).unwrap().status, 200);
}

#[test]
fn a_server_with_a_certificate_answers_over_https_alone() {
    let (ledger, certificate) = (Ledger::of(&[]), Certificate::new());
    let (ingest, admin) = (ledger.key("default", "ingest"), ledger.key("default", "admin"));
    let host = Host::start(&ledger.path(), &certificate.flags());
    assert!(host.base_url.starts_with("https://127.0.0.1:"), "{}", host.base_url);

    let mut connection = certificate.connect(&host);
    // A batch of many records, on the same connection as what reads it.
    let entries = vec![noted("2026-05-01T00:00:00Z", "over https"); 1000];
    let batch = post(&ingest, "batch", "application/x-ndjson", ndjson(&entries));
    let answer = connection.ask(&batch).unwrap();
    assert_eq!((answer.status, answer.text()), (201, r#"{"idempotencyKey":"batch","recorded":1000}"#));
    let answer = connection.ask(&Request::get(&format!("{USAGE}?limit=500")).bearing(&admin)).unwrap();
    assert_eq!(answer.text().matches("over https").count(), 500);
    assert_eq!(connection.ask(&Request::get(BALANCE)).unwrap().status, 401);

    // A client that trusts another certificate, or speaks plain http, gets nothing and disturbs nobody.
    let stranger = Certificate::new().connect(&host).ask(&Request::get("/healthz"));
    assert!(stranger.unwrap_err().to_string().contains("certificate"));
    assert!(host.connect().ask(&Request::get("/healthz")).is_err());
    assert_eq!(connection.ask(&Request::get("/healthz")).unwrap().status, 200);
    // An export does not send its key to a server that it does not trust either.
    host.export(&admin, &[]).failed(5, "certificate");
    let said = host.stop();
    assert!(!said.contains("warning: this is plain http"), "{said}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_wrong_usage() {
    let (ledger, certificate, other) = (Ledger::of(&[]), Certificate::new(), Certificate::new());
    let path = ledger.path();
    let text = certificate.place.write("text.pem", "no certificate");
    let cut = String::from_utf8(certificate.place.read("certificate.pem")).unwrap();
    let cut = certificate.place.write("cut.pem", &cut[..cut.len() / 2]);
    let encrypted =
        KeyPair::generate().unwrap().serialize_pem().replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let encrypted = certificate.place.write("encrypted.pem", encrypted);
    let missing = certificate.place.path("missing.pem");
    let start = |certificate: &str, key: &str| {
        run(&[
            "serve",
            "--ledger",
            &path,
            "--listen",
            "127.0.0.1:0",
            "--tls-cert",
            certificate,
            "--tls-key",
            key,
        ])
    };
    for (certificate, key, said) in [
        (&certificate.certificate, &other.key, "certificate and private key do not go together"),
        (&certificate.key, &certificate.key, "there is no certificate in the file"),
        (&text, &certificate.key, "there is no certificate in the file"),
        (&cut, &certificate.key, "the certificate cannot be read as PEM"),
        (&certificate.certificate, &certificate.certificate, "the private key cannot be read as PEM"),
        (&certificate.certificate, &encrypted, "the private key cannot be read as PEM"),
    ] {
        let run = start(certificate, key);
        run.failed(2, said);
        assert!(
            run.stderr.contains("\nhint: both are PEM, as certbot and openssl write them\n"),
            "{}",
            run.stderr
        );
        assert!(
            run.stderr.contains(certificate.as_str()) && run.stderr.contains(key.as_str()),
            "{}",
            run.stderr
        );
        assert!(!run.stderr.contains("BEGIN"), "{}", run.stderr);
    }
    start(&missing, &certificate.key).failed(2, &missing);
    start(&certificate.certificate, &missing).failed(2, &missing);
    let alone =
        |flag: &str| run(&["serve", "--ledger", &path, "--listen", "127.0.0.1:0", flag, &certificate.key]);
    alone("--tls-cert").failed(2, "--tls-key");
    alone("--tls-key").failed(2, "--tls-cert");
}
