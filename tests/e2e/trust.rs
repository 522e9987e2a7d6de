//! Which servers an export gives its key to over https, and the whole message and exit code when it does not.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::authority::{Authority, Signed, own_authority};
use crate::billing::{Run, export_command, finish};
use crate::host::Host;
use crate::ledger::{Ledger, noted};
use crate::place::Place;

/// A ledger of one entry that is served with a certificate.
struct Served {
    host: Host,
    key: String,
    /// It lives as long as the server: without its ledger the server would not answer.
    _ledger: Ledger,
}

impl Served {
    fn with(signed: &Signed) -> Self {
        Self::start(&signed.flags())
    }

    fn start(flags: &[&str]) -> Self {
        let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "over https")]);
        let key = ledger.key("default", "admin");
        Self { host: Host::start(&ledger.path(), flags), key, _ledger: ledger }
    }

    fn export(&self, args: &[&str]) -> Run {
        self.host.export(&self.key, args)
    }

    /// What an export says, and how it ends.
    fn says(&self, args: &[&str]) -> String {
        self.export(args).said(self.host.address())
    }
}

#[test]
fn an_unknown_issuer_is_trusted_when_it_is_named() {
    let authority = Authority::new();
    let served = Served::with(&authority.sign("127.0.0.1"));
    insta::assert_snapshot!(served.says(&[]), @"
    error: GET https://ADDRESS/api/v1/billing/usage-history: the certificate is of an issuer that is not trusted
    hint: if you know the issuer, trust it with --cacert FILE (PEM) or SSL_CERT_FILE
    exit code 5
    ");
    let (stranger, namesake) = (Authority::named("a stranger"), Authority::new());
    assert_eq!(served.says(&["--cacert", &stranger.certificate]), served.says(&[]));
    insta::assert_snapshot!(served.says(&["--cacert", &namesake.certificate]), @"
    error: GET https://ADDRESS/api/v1/billing/usage-history: the certificate is not signed by the trusted issuer of that name
    hint: if you know the issuer, trust it with --cacert FILE (PEM) or SSL_CERT_FILE
    exit code 5
    ");
    assert_eq!(served.export(&["--cacert", &authority.certificate]).done().entries().len(), 1);
    let with_variable = |path: &str, args: &[&str]| {
        let mut command = export_command(&served.host.base_url, &served.key, args);
        command.env("SSL_CERT_FILE", path);
        finish(command, b"")
    };
    assert_eq!(with_variable(&authority.certificate, &[]).done().entries().len(), 1);
    with_variable(&stranger.certificate, &[]).failed(5, "an issuer that is not trusted");
    // The flag goes before the variable, in which no file need be then.
    with_variable("/missing", &["--cacert", &authority.certificate]).done();
}

#[test]
fn a_file_of_certificates_that_has_none_is_wrong_usage() {
    let (place, served) = (Place::new(), Served::start(&[]));
    let text = place.write("text.pem", "no certificate");
    let broken = place.write(
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n",
    );
    for path in [text, broken, place.path("missing")] {
        let run = served.export(&["--cacert", &path]);
        run.failed(2, &format!("error: --cacert `{path}`: "));
        let mut command = export_command("https://127.0.0.1:1", "any-key", &[]);
        command.env("SSL_CERT_FILE", &path);
        finish(command, b"").failed(2, &format!("error: SSL_CERT_FILE `{path}`: "));
        // http has no use for certificates, so nothing is wrong with them.
        let mut command = export_command(&served.host.base_url, &served.key, &[]);
        command.env("SSL_CERT_FILE", &path);
        finish(command, b"").done();
    }
}

/// A machine without any authority's certificate, as a slim container is.
#[test]
fn a_machine_that_trusts_nobody_says_so() {
    let place = Place::new();
    fs::create_dir(place.path("empty")).unwrap();
    let mut command = export_command("https://127.0.0.1:1", "any-key", &[]);
    command.env("SSL_CERT_DIR", place.path("empty"));
    insta::assert_snapshot!(finish(command, b"").said("127.0.0.1:1"), @"
    error: the HTTP client cannot be set up: unexpected error: No CA certificates were loaded from the system
    hint: whom to trust is in --cacert FILE (PEM), else in SSL_CERT_FILE
    exit code 1
    ");
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let served = Served::with(&authority.sign("billing.example"));
    insta::assert_snapshot!(served.says(&["--cacert", &authority.certificate]), @"
    error: GET https://ADDRESS/api/v1/billing/usage-history: the certificate is for billing.example, not for 127.0.0.1
    hint: check the host in --base-url: the key goes to nobody else
    exit code 5
    ");
}

#[test]
fn a_certificate_out_of_its_time_is_refused() {
    let authority = Authority::new();
    let served = Served::with(&authority.sign_expired("127.0.0.1"));
    insta::assert_snapshot!(served.says(&["--cacert", &authority.certificate]), @"
    error: GET https://ADDRESS/api/v1/billing/usage-history: the certificate expired on 2021-02-03
    hint: is this machine's clock right? otherwise the service has to renew it
    exit code 5
    ");
    let served = Served::with(&authority.sign_for_later("127.0.0.1"));
    insta::assert_snapshot!(served.says(&["--cacert", &authority.certificate]), @"
    error: GET https://ADDRESS/api/v1/billing/usage-history: the certificate is not valid yet, only from 2200-01-01
    hint: is this machine's clock right? otherwise the service has to renew it
    exit code 5
    ");
}

#[test]
fn an_authority_in_the_place_of_a_service_is_refused() {
    let place = Place::new();
    let own = own_authority(&place, "127.0.0.1");
    let served = Served::with(&own);
    insta::assert_snapshot!(served.says(&["--cacert", &own.certificate]), @"
    error: GET https://ADDRESS/api/v1/billing/usage-history: the certificate is an authority's (CA), not a service's
    hint: the service needs a certificate of its own, signed by this one (CA:FALSE)
    exit code 5
    ");
}

#[test]
fn https_to_a_port_of_http_and_the_other_way_round_is_said() {
    let authority = Authority::new();
    let (plain, tls) = (Served::start(&[]), Served::with(&authority.sign("127.0.0.1")));
    let to = |base_url: String, served: &Served| {
        finish(export_command(&base_url, &served.key, &[]), b"").said(served.host.address())
    };
    insta::assert_snapshot!(to(plain.host.base_url.replace("http:", "https:"), &plain), @"
    error: GET https://ADDRESS/api/v1/billing/usage-history: what answers there does not speak TLS
    hint: check --base-url: https or http, and the port
    exit code 5
    ");
    insta::assert_snapshot!(to(tls.host.base_url.replace("https:", "http:"), &tls), @"
    error: GET http://ADDRESS/api/v1/billing/usage-history: what answers there does not speak HTTP
    hint: check --base-url: https or http, and the port
    exit code 5
    ");
}

#[test]
fn a_service_that_wants_a_clients_certificate_gets_none() {
    let authority = Authority::new();
    let signed = authority.sign("127.0.0.1");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&authority.certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![CertificateDer::from_pem_file(&signed.certificate).unwrap()],
            PrivateKeyDer::from_pem_file(&signed.key).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::new(config.clone())).unwrap();
            // Ends with the refusal, which has been sent by then.
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.sock.shutdown(Shutdown::Write);
            let _ = stream.sock.read_to_end(&mut Vec::new());
        }
    });
    let base_url = format!("https://{address}/api/v1");
    let run = finish(export_command(&base_url, "any-key", &["--cacert", &authority.certificate]), b"");
    // A server refuses a client after the client's handshake. If the refusal comes before the request is on its way, it
    // is a connection that ended, and is tried again.
    let once = |said: String, tries: u32| said.replace(&format!(" (tried {tries} times in TIME)"), "");
    let said = (2..=5).fold(run.said(&address), once);
    insta::assert_snapshot!(said, @"
    error: GET https://ADDRESS/api/v1/billing/usage-history: the TLS handshake failed: received fatal alert: CertificateRequired
    hint: ask whoever runs the service; this program shows no client certificate
    exit code 5
    ");
}

/// The first connection is cut after its first page; the second ends, and the third is reset, within the handshake.
#[test]
fn a_handshake_that_breaks_off_with_a_service_that_was_there_is_borne() {
    let entries: Vec<_> =
        (10..60).map(|n| noted(&format!("2026-05-01T00:00:{n}Z"), &"long".repeat(200))).collect();
    let (ledger, authority) = (Ledger::of(&entries), Authority::new());
    let host = Host::start(&ledger.path(), &authority.sign("127.0.0.1").flags());
    let (listener, target) = (TcpListener::bind("127.0.0.1:0").unwrap(), host.address().to_owned());
    let base_url = format!("https://{}/api/v1", listener.local_addr().unwrap());
    let connections = thread::spawn(move || {
        for (nth, stream) in listener.incoming().enumerate() {
            let mut client = stream.unwrap();
            match nth {
                // Not all of what the export needs.
                0 => pass_on(client, &target, 20_000),
                // All of a hello was read, so this is an end and no reset.
                1 => drop(client.read(&mut [0; 4096]).unwrap()),
                // What was not read makes it one.
                2 => drop(client.read(&mut [0; 1]).unwrap()),
                _ => return pass_on(client, &target, usize::MAX),
            }
        }
    });
    let key = ledger.key("default", "admin");
    let args = ["--cacert", &authority.certificate, "--concurrency", "1", "--page-size", "10"];
    let run = finish(export_command(&base_url, &key, &args), b"");
    assert_eq!(run.done().entries(), entries);
    connections.join().unwrap();
}

/// Passes a connection on, and up to so many bytes of what comes back.
fn pass_on(mut client: TcpStream, target: &str, mut bytes: usize) {
    let mut service = TcpStream::connect(target).unwrap();
    let (mut from_client, mut to_service) = (client.try_clone().unwrap(), service.try_clone().unwrap());
    thread::spawn(move || std::io::copy(&mut from_client, &mut to_service));
    let mut buffer = [0; 1024];
    while bytes > 0 {
        let read = service.read(&mut buffer).unwrap_or(0);
        if read == 0 || client.write_all(&buffer[..read]).is_err() {
            break;
        }
        bytes = bytes.saturating_sub(read);
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = service.shutdown(Shutdown::Both);
}
