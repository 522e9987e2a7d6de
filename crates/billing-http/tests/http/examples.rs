//! The examples as programs, run against a service: they do what their first lines say.

use std::path::PathBuf;
use std::process::Output;
use std::sync::{Arc, Mutex};

use billing_model::UsageEntry;
use billing_server::{Config, Tls};
use billing_testkit::{Book, Upstream, entry_at};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::server::{Server, now};

/// Entries of June and one of July.
fn ledger() -> Vec<UsageEntry> {
    let at = |text: &str| text.parse().unwrap();
    let june = (1..=30).map(|day| entry_at(at(&format!("2026-06-{day:02}T12:00:00Z")), "-0.1"));
    june.chain([entry_at(at("2026-07-01T00:00:00Z"), "-7")]).collect()
}

async fn run(example: &str, base_url: &str, args: &[&str]) -> Output {
    run_with(example, args, &[("BILLING_BASE_URL", base_url), ("BILLING_API_KEY", "secret-key")]).await
}

async fn run_with(example: &str, args: &[&str], variables: &[(&str, &str)]) -> Output {
    // The examples are beside the directory of the test programs.
    let test = std::env::current_exe().unwrap();
    let program: PathBuf = test.ancestors().nth(2).unwrap().join("examples").join(example);
    assert!(program.exists(), "`cargo test -p billing-http` builds the examples; with `--test` it does not");
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(variables.iter().copied());
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[tokio::test]
async fn the_examples_do_what_they_say() {
    let mut book = Book::new(ledger());
    let upstream = Upstream::start(move |request| book.answer(request)).await;
    let base_url = upstream.base_url();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();

    let output = run("stream", &base_url, &[]).await;
    assert_eq!(text(output.stdout), "USD: 30 entries, 3 spent\n");

    run("export", &base_url, &[&path("june.csv")]).await;
    assert_eq!(std::fs::read_to_string(path("june.csv")).unwrap().lines().count(), 31);

    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");

    let output = run("observe", &base_url, &[]).await;
    let (said, traced) = (text(output.stdout), text(output.stderr));
    assert!(said.contains("all of usage-history\n30 entries, "), "{said}");
    // Each request has a span with its path and the number of the try, and without the key.
    assert!(
        traced.contains("request{method=\"GET\" path=\"billing/usage-history\" try_number=1}"),
        "{traced}"
    );
    assert!(!traced.contains("secret"), "{traced}");
}

/// The number of lines of a program, without its `//!` lines.
fn lines_of(source: &str) -> usize {
    source.lines().filter(|line| !line.starts_with("//!")).count()
}

#[tokio::test]
async fn a_program_of_25_lines_records_a_batch_and_reads_the_balance() {
    assert!(lines_of(include_str!("../../examples/record.rs")) <= 25);
    let server = Server::start().await;
    let base_url = server.base_url();
    let variables = [
        ("BILLING_BASE_URL", base_url.as_str()),
        ("BILLING_API_KEY", &server.admin_key),
        ("BILLING_INGEST_KEY", &server.ingest_key),
    ];
    for recorded in ["Stored(1)", "Repeated(1)"] {
        let said = String::from_utf8(run_with("record", &[], &variables).await.stdout).unwrap();
        let balance = r#"{"canConsume":true,"consumptionCurrency":"DIEM","balances":{"diem":100,"usd":null,"bundledCredits":null,"earnedCredits":null},"diemEpochAllocation":100}"#;
        assert_eq!(said, format!("{recorded}\n{balance}\n"));
    }
    assert_eq!(server.entries().await.len(), 1);
}

/// A proxy on loopback that connects every client to one server, and the heads of the requests that it got.
async fn proxy(target: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (target, noted) = (target.clone(), Arc::clone(&noted));
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                noted.lock().unwrap().push(String::from_utf8(head).unwrap());
                client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
                let mut server = TcpStream::connect(target).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (url, asked)
}

#[tokio::test]
async fn a_program_of_25_lines_reads_analytics_by_a_proxy() {
    assert!(lines_of(include_str!("../../examples/analytics.rs")) <= 25);
    let signed = rcgen::generate_simple_self_signed(["billing.test".to_owned()]).unwrap();
    let (certificate, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
    let tls = Tls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let server = Server::configured(Config::new(now), Some(tls)).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("authority.pem");
    std::fs::write(&file, certificate).unwrap();
    let (proxy, asked) = proxy(server.address.clone()).await;
    let variables = [
        // Only the proxy knows this name.
        ("BILLING_BASE_URL", "https://billing.test:8443/api/v1"),
        ("BILLING_API_KEY", &server.admin_key),
        ("BILLING_PROXY", &proxy),
        ("BILLING_CACERT", file.to_str().unwrap()),
    ];
    let said = String::from_utf8(run_with("analytics", &[], &variables).await.stdout).unwrap();
    assert_eq!(said.lines().count(), 7, "{said}");
    assert!(said.ends_with("2026-06-15: 0 USD, 0 DIEM\n"), "{said}");
    let asked = asked.lock().unwrap();
    assert!(asked.len() == 1 && asked[0].starts_with("CONNECT billing.test:8443 HTTP/1.1\r\n"), "{asked:?}");
}
