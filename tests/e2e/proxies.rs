//! Exports through a proxy: each kind of proxy, each way to name one, and the messages when it does not work.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::authority::{Authority, Signed};
use crate::billing::{Run, export_command, finish};
use crate::host::Host;
use crate::ledger::{Ledger, noted};

/// The service's name, which only the proxy knows: to this machine itself no proxy is used.
const SERVICE: &str = "billing.test:8443";

/// An address that is nobody's (RFC 5737), but that a proxy may connect to all the same.
const BY_ADDRESS: &str = "192.0.2.1:8443";

/// A name that is none, so that nobody is asked for it: a label has 63 characters at the most.
const NOWHERE: &str = "https://xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.invalid";

/// What a proxy does with a client.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Connects to the service.
    Connects,
    /// Connects clients that present `user:secret`.
    Asks,
    /// Connects nobody.
    Refuses,
    /// Takes the request and ends the connection.
    HangsUp,
}

/// A proxy on loopback, and the requests that it got.
struct Proxy {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(target: &str, manner: Manner) -> Self {
        Self::listen(target, move |client, target, requests| connect(client, target, manner, requests))
    }

    /// One that is spoken to over TLS.
    fn start_tls(target: &str, signed: &Signed) -> Self {
        let certificate = vec![CertificateDer::from_pem_file(&signed.certificate).unwrap()];
        let key = PrivateKeyDer::from_pem_file(&signed.key).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificate, key);
        let config = Arc::new(config.unwrap());
        Self::listen(target, move |client, target, requests| {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut client = StreamOwned::new(tls, client);
            let Some(head) = read_head(&mut client) else { return };
            requests.lock().unwrap().push(head);
            client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
            take_turns(client, TcpStream::connect(target).unwrap());
        })
    }

    fn start_socks(target: &str, manner: Manner) -> Self {
        Self::listen(target, move |client, target, requests| socks(client, target, manner, requests))
    }

    fn listen(
        target: &str,
        serve: impl Fn(TcpStream, &str, &Mutex<Vec<String>>) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (requests, target, serve) = (Arc::<Mutex<Vec<_>>>::default(), target.to_owned(), Arc::new(serve));
        let noted = Arc::clone(&requests);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, target, noted, serve) =
                    (client.unwrap(), target.clone(), Arc::clone(&noted), Arc::clone(&serve));
                thread::spawn(move || serve(client, &target, &noted));
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_head(client: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    // The first byte of a TLS hello cannot be in a head, so reading ends there.
    while !head.ends_with(b"\r\n\r\n") && head.first() != Some(&22) {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    String::from_utf8(head).ok()
}

fn connect(mut client: TcpStream, target: &str, manner: Manner, requests: &Mutex<Vec<String>>) {
    let Some(head) = read_head(&mut client) else { return };
    // `user:secret`.
    let is_known = head.contains("Basic dXNlcjpzZWNyZXQ=");
    let is_connect = head.starts_with("CONNECT ");
    if !is_connect {
        // Unread bytes would turn the end of the connection into a reset, and the answer would be lost.
        let _ = client.read(&mut [0; 4096]);
    }
    requests.lock().unwrap().push(head);
    let answer: &[u8] = match manner {
        _ if !is_connect => b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n",
        Manner::Connects => b"HTTP/1.1 200 Connected\r\n\r\n",
        Manner::Asks if is_known => b"HTTP/1.1 200 Connected\r\n\r\n",
        Manner::Asks => b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
        Manner::Refuses => b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
        Manner::HangsUp => return,
    };
    client.write_all(answer).unwrap();
    if answer.starts_with(b"HTTP/1.1 200") {
        tunnel(client, target);
    }
}

/// A SOCKS proxy as of RFC 1928, for names and IPv4 addresses, with the password of RFC 1929.
fn socks(mut client: TcpStream, target: &str, manner: Manner, requests: &Mutex<Vec<String>>) {
    let read = |client: &mut TcpStream, bytes: usize| {
        let mut buffer = vec![0; bytes];
        client.read_exact(&mut buffer).unwrap();
        buffer
    };
    let methods = usize::from(read(&mut client, 2)[1]);
    let methods = read(&mut client, methods);
    if manner == Manner::Asks {
        if !methods.contains(&2) {
            client.write_all(&[5, 255]).unwrap();
            return;
        }
        client.write_all(&[5, 2]).unwrap();
        let user = usize::from(read(&mut client, 2)[1]);
        let user = read(&mut client, user);
        let password = usize::from(read(&mut client, 1)[0]);
        let is_known = (&user[..], &read(&mut client, password)[..]) == (b"user", b"secret");
        client.write_all(&[1, u8::from(!is_known)]).unwrap();
        if !is_known {
            return;
        }
    } else {
        client.write_all(&[5, 0]).unwrap();
    }
    let head = read(&mut client, 4);
    assert_eq!(head[..3], [5, 1, 0], "somebody to connect to");
    let name = match head[3] {
        1 => read(&mut client, 4).iter().map(u8::to_string).collect::<Vec<_>>().join("."),
        _ => {
            let bytes = usize::from(read(&mut client, 1)[0]);
            String::from_utf8(read(&mut client, bytes)).unwrap()
        }
    };
    let port = read(&mut client, 2);
    requests.lock().unwrap().push(format!("{name}:{}", u16::from_be_bytes([port[0], port[1]])));
    // 2 is a rule against it.
    let status = if manner == Manner::Refuses { 2 } else { 0 };
    client.write_all(&[5, status, 0, 1, 127, 0, 0, 1, 0, 0]).unwrap();
    if status == 0 {
        tunnel(client, target);
    }
}

fn tunnel(client: TcpStream, target: &str) {
    let service = TcpStream::connect(target).unwrap();
    let (mut from, mut to) = (client.try_clone().unwrap(), service.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let (mut from, mut to) = (service, client);
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

/// A tunnel within TLS. One thread cannot read and write it at the same time, so the two sides take turns.
fn take_turns(mut client: StreamOwned<ServerConnection, TcpStream>, mut service: TcpStream) {
    let brief = Some(std::time::Duration::from_millis(5));
    client.sock.set_read_timeout(brief).unwrap();
    service.set_read_timeout(brief).unwrap();
    let is_over = |result: std::io::Result<usize>, buffer: &[u8], to: &mut dyn Write| match result {
        Ok(0) => true,
        Ok(read) => to.write_all(&buffer[..read]).and_then(|()| to.flush()).is_err(),
        Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
    };
    let mut buffer = [0; 4096];
    loop {
        let read = client.read(&mut buffer);
        if is_over(read, &buffer, &mut service) {
            return;
        }
        let read = service.read(&mut buffer);
        if is_over(read, &buffer, &mut client) {
            return;
        }
    }
}

/// A service behind proxies, known to them by a name of its own, or by an address.
struct Behind {
    authority: Authority,
    host: Host,
    key: String,
    /// It lives as long as the server: without its ledger the server would not answer.
    _ledger: Ledger,
}

impl Behind {
    fn new() -> Self {
        Self::known_as("billing.test")
    }

    fn known_as(host: &str) -> Self {
        let (authority, ledger) = (Authority::new(), Ledger::of(&[noted("2026-05-01T00:00:00Z", "behind")]));
        let host = Host::start(&ledger.path(), &authority.sign(host).flags());
        Self { authority, host, key: ledger.key("default", "admin"), _ledger: ledger }
    }

    fn proxy(&self, manner: Manner) -> Proxy {
        Proxy::start(self.host.address(), manner)
    }

    /// An export with these flags and variables.
    fn export(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        self.export_from(&format!("https://{SERVICE}/api/v1"), args, variables)
    }

    fn export_from(&self, base_url: &str, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let mut command = export_command(base_url, &self.key, &["--cacert", &self.authority.certificate]);
        command.args(args).envs(variables.iter().copied());
        finish(command, b"")
    }
}

#[test]
fn every_kind_of_proxy_leads_to_the_service() {
    let behind = Behind::new();
    let tls = Proxy::start_tls(behind.host.address(), &behind.authority.sign("127.0.0.1"));
    let (http, socks) =
        (behind.proxy(Manner::Connects), Proxy::start_socks(behind.host.address(), Manner::Asks));
    for (url, proxy, request) in [
        (format!("http://{}", http.address), &http, format!("CONNECT {SERVICE} HTTP/1.1\r\n")),
        (http.address.clone(), &http, format!("CONNECT {SERVICE} HTTP/1.1\r\n")),
        (format!("https://{}", tls.address), &tls, format!("CONNECT {SERVICE} HTTP/1.1\r\n")),
        (format!("socks5h://user:secret@{}", socks.address), &socks, SERVICE.to_owned()),
    ] {
        let run = behind.export(&["--proxy", &url], &[]).done();
        assert_eq!(run.entries().len(), 1, "{url}");
        let requests = proxy.requests();
        assert!(!requests.is_empty(), "{url}");
        // Neither the key nor what is asked for is the proxy's business.
        for found in requests {
            assert!(found.starts_with(&request) && !found.contains(&behind.key), "{found}");
        }
    }
}

/// `socks5` looks up the name here, so this service has none.
#[test]
fn a_service_without_a_name_is_reached_by_its_address() {
    let behind = Behind::known_as("192.0.2.1");
    let http = behind.proxy(Manner::Connects);
    let socks = Proxy::start_socks(behind.host.address(), Manner::Connects);
    for (url, proxy, request) in [
        (format!("http://{}", http.address), &http, format!("CONNECT {BY_ADDRESS} HTTP/1.1\r\n")),
        (format!("socks5://{}", socks.address), &socks, BY_ADDRESS.to_owned()),
    ] {
        let base_url = format!("https://{BY_ADDRESS}/api/v1");
        let run = behind.export_from(&base_url, &["--proxy", &url], &[]).done();
        assert_eq!(run.entries().len(), 1, "{url}");
        assert!(proxy.requests()[0].starts_with(&request), "{:?}", proxy.requests());
    }
}

#[test]
fn a_proxy_is_found_in_the_environment() {
    let behind = Behind::new();
    let (proxy, dead) = (behind.proxy(Manner::Connects), behind.proxy(Manner::Refuses));
    let (url, dead) = (format!("http://{}", proxy.address), format!("http://{}", dead.address));
    for variables in [
        &[("HTTPS_PROXY", url.as_str())][..],
        &[("https_proxy", &url), ("HTTPS_PROXY", &dead), ("ALL_PROXY", &dead)],
        &[("ALL_PROXY", &url), ("HTTP_PROXY", &dead), ("HTTPS_PROXY", "")],
        &[("all_proxy", &url), ("ALL_PROXY", &dead)],
        &[("HTTPS_PROXY", &url), ("NO_PROXY", "other.test, 10.0.0.0/8, billing.test:443")],
    ] {
        behind.export(&[], variables).done();
    }
    behind.export(&["--proxy", &url], &[("HTTPS_PROXY", &dead), ("NO_PROXY", "*")]).done();
    let count = proxy.requests().len();
    assert!(count >= 6);
    // None of these asks it. The service's name is not known here, and this one's is known nowhere.
    for (args, variables) in [
        (&["--no-proxy"][..], &[("HTTPS_PROXY", url.as_str())][..]),
        (&[], &[("HTTPS_PROXY", &url), ("NO_PROXY", "invalid")]),
        (&[], &[("HTTPS_PROXY", &url), ("no_proxy", "*"), ("NO_PROXY", "other.test")]),
    ] {
        behind.export_from(NOWHERE, args, variables).failed(5, "cannot connect");
    }
    assert_eq!(proxy.requests().len(), count);
    behind.export(&["--proxy", &url, "--no-proxy"], &[]).failed(2, "cannot be used with");
}

#[test]
fn no_proxy_is_used_to_this_machine() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "here")]);
    let (server, proxy) = (ledger.serve(), Proxy::start("127.0.0.1:1", Manner::Refuses));
    server.export(&["--proxy", &format!("http://{}", proxy.address)]).done();
    let mut command = export_command(&server.base_url, &server.key, &[]);
    command.env("HTTPS_PROXY", &proxy.address).env("ALL_PROXY", "no proxy at all");
    finish(command, b"").done();
    assert!(proxy.requests().is_empty());
}

#[test]
fn a_proxy_that_wants_a_password_says_so_and_gets_one() {
    let behind = Behind::new();
    let proxy = behind.proxy(Manner::Asks);
    let with = |user: &str| format!("http://{user}{}", proxy.address);
    behind.export(&["--proxy", &with("user:secret@")], &[]).done();
    let said = |user: &str| behind.export(&[], &[("HTTPS_PROXY", &with(user))]).said(&proxy.address);
    insta::assert_snapshot!(said(""), @"
    error: GET https://billing.test:8443/api/v1/billing/usage-history: the proxy http://ADDRESS wants a user name and password (407)
    hint: check --proxy, HTTPS_PROXY, ALL_PROXY; --no-proxy and NO_PROXY go without
    exit code 5
    ");
    insta::assert_snapshot!(said("user:hidden@"), @"
    error: GET https://billing.test:8443/api/v1/billing/usage-history: the proxy http://ADDRESS does not take this user name and password
    hint: check --proxy, HTTPS_PROXY, ALL_PROXY; --no-proxy and NO_PROXY go without
    exit code 5
    ");
    let socks = Proxy::start_socks(behind.host.address(), Manner::Asks);
    let said = |user: &str| {
        let url = format!("socks5h://{user}{}", socks.address);
        behind.export(&["--proxy", &url], &[]).said(&socks.address)
    };
    insta::assert_snapshot!(said(""), @"
    error: GET https://billing.test:8443/api/v1/billing/usage-history: the proxy socks5h://ADDRESS wants a user name and password
    hint: check --proxy, HTTPS_PROXY, ALL_PROXY; --no-proxy and NO_PROXY go without
    exit code 5
    ");
    insta::assert_snapshot!(said("user:hidden@"), @"
    error: GET https://billing.test:8443/api/v1/billing/usage-history: the proxy socks5h://ADDRESS does not take this user name and password
    hint: check --proxy, HTTPS_PROXY, ALL_PROXY; --no-proxy and NO_PROXY go without
    exit code 5
    ");
}

#[test]
fn a_proxy_that_does_not_connect_is_named() {
    let behind = Behind::new();
    let said = |scheme: &str, proxy: &Proxy| {
        behind.export(&["--proxy", &format!("{scheme}://{}", proxy.address)], &[]).said(&proxy.address)
    };
    insta::assert_snapshot!(said("http", &behind.proxy(Manner::Refuses)), @"
    error: GET https://billing.test:8443/api/v1/billing/usage-history: the proxy http://ADDRESS does not connect to billing.test:8443
    hint: check --proxy, HTTPS_PROXY, ALL_PROXY; --no-proxy and NO_PROXY go without
    exit code 5
    ");
    insta::assert_snapshot!(said("http", &behind.proxy(Manner::HangsUp)), @"
    error: GET https://billing.test:8443/api/v1/billing/usage-history: the proxy http://ADDRESS hangs up instead of connecting to billing.test:8443 (tried 5 times in TIME)
    hint: check --proxy, HTTPS_PROXY, ALL_PROXY; --no-proxy and NO_PROXY go without
    exit code 5
    ");
    let socks = Proxy::start_socks(behind.host.address(), Manner::Refuses);
    insta::assert_snapshot!(said("socks5h", &socks), @"
    error: GET https://billing.test:8443/api/v1/billing/usage-history: the proxy socks5h://ADDRESS does not connect to billing.test:8443: connection not allowed
    hint: check --proxy, HTTPS_PROXY, ALL_PROXY; --no-proxy and NO_PROXY go without
    exit code 5
    ");
    // A proxy that does not speak TLS, and one whose certificate is not trusted.
    insta::assert_snapshot!(said("https", &behind.proxy(Manner::Connects)), @"
    error: GET https://billing.test:8443/api/v1/billing/usage-history: no TLS with the proxy https://ADDRESS: what answers there does not speak TLS
    hint: check --proxy, HTTPS_PROXY, ALL_PROXY; --no-proxy and NO_PROXY go without
    exit code 5
    ");
    let strangers = Authority::named("a stranger");
    let stranger = Proxy::start_tls(behind.host.address(), &strangers.sign("127.0.0.1"));
    insta::assert_snapshot!(said("https", &stranger), @"
    error: GET https://billing.test:8443/api/v1/billing/usage-history: no TLS with the proxy https://ADDRESS: the certificate is of an issuer that is not trusted
    hint: check --proxy, HTTPS_PROXY, ALL_PROXY; --no-proxy and NO_PROXY go without
    exit code 5
    ");
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let behind = Behind::new();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let said = |scheme: &str| {
        behind.export(&["--proxy", &format!("{scheme}://user:hidden@{address}")], &[]).said(&address)
    };
    insta::assert_snapshot!(said("http"), @"
    error: GET https://billing.test:8443/api/v1/billing/usage-history: cannot connect to the proxy http://ADDRESS: Connection refused (os error 111) (tried 5 times in TIME)
    hint: check --proxy, HTTPS_PROXY, ALL_PROXY; --no-proxy and NO_PROXY go without
    exit code 5
    ");
    insta::assert_snapshot!(said("socks5h"), @"
    error: GET https://billing.test:8443/api/v1/billing/usage-history: cannot connect to the proxy socks5h://ADDRESS (tried 5 times in TIME)
    hint: check --proxy, HTTPS_PROXY, ALL_PROXY; --no-proxy and NO_PROXY go without
    exit code 5
    ");
}

#[test]
fn what_is_no_proxy_is_wrong_usage() {
    let behind = Behind::new();
    insta::assert_snapshot!(behind.export(&["--proxy", "ftp://user:hidden@proxy.test"], &[]).said("none"), @"
    error: --proxy: `proxy.test` is not a proxy: its scheme is http, https, socks5 or socks5h
    hint: a proxy looks like http://HOST:PORT or socks5h://USER:PASSWORD@HOST:PORT
    exit code 2
    ");
    insta::assert_snapshot!(behind.export(&[], &[("all_proxy", "http://user:hidden@:x")]).said("none"), @"
    error: all_proxy: `:x` is not a proxy: empty host
    hint: a proxy looks like http://HOST:PORT or socks5h://USER:PASSWORD@HOST:PORT
    exit code 2
    ");
}

/// The service's own certificate is looked at through the proxy too.
#[test]
fn a_service_behind_a_proxy_is_not_trusted_for_that() {
    let behind = Behind::new();
    let proxy = behind.proxy(Manner::Connects);
    let (url, stranger) = (format!("http://{}", proxy.address), Authority::named("a stranger"));
    let mut command = export_command(&format!("https://{SERVICE}/api/v1"), &behind.key, &["--proxy", &url]);
    command.env("SSL_CERT_FILE", &stranger.certificate);
    finish(command, b"").failed(5, "the certificate is of an issuer that is not trusted");
    let run = behind.export_from("https://other.test:8443/api/v1", &["--proxy", &url], &[]);
    run.failed(5, "the certificate is for billing.test, not for other.test");
}

/// Neither is there a service at the first name, nor does anybody know it.
#[test]
fn an_address_that_refuses_or_is_none_ends_in_seconds() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let run = finish(export_command(&format!("http://{address}/api/v1"), "any-key", &[]), b"");
    insta::assert_snapshot!(run.said(&address), @"
    error: GET http://ADDRESS/api/v1/billing/usage-history: cannot connect (tried 5 times in TIME): Connection refused (os error 111)
    hint: check --base-url and the network
    exit code 5
    ");
    // No name ends so (RFC 6761).
    let run = finish(export_command("https://billing.invalid/api/v1", "any-key", &[]), b"");
    let said = run.said("none");
    // Then follows what the system's library calls it.
    let (before, rest) = said.split_once("TIME): ").unwrap();
    let (_, after) = rest.split_once('\n').unwrap();
    insta::assert_snapshot!(format!("{before}TIME): …\n{after}"), @"
    error: GET https://billing.invalid/api/v1/billing/usage-history: cannot connect (tried 5 times in TIME): …
    hint: check --base-url and the network
    exit code 5
    ");
}
