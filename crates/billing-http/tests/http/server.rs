//! Our own server over a ledger in memory, and connections to it that break.

use std::sync::Arc;

use billing_http::Client;
use billing_ledger::{KeyKind, Ledger};
use billing_model::{Timestamp, UsageEntry};
use billing_server::{Config, Listeners, Tls, serve};
use billing_testkit::MemoryLedger;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{client_with, first_page};

/// The date of the server's clock: `2026-06-15`.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_ns(1_781_524_800_000_000_000)
}

/// A server with one account and its two keys.
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) admin_key: String,
    pub(crate) ingest_key: String,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::configured(Config::new(now), None).await
    }

    pub(crate) async fn configured(config: Config, tls: Option<Tls>) -> Self {
        let ledger = MemoryLedger::new().unwrap();
        let account = ledger.create_account("default").unwrap();
        ledger.set_diem_allocation(account, Some("100".parse().unwrap())).unwrap();
        let key = |kind| ledger.create_key(account, kind, "", now()).unwrap().1.expose().to_owned();
        let (admin_key, ingest_key) = (key(KeyKind::Admin), key(KeyKind::Ingest));
        let api = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = api.local_addr().unwrap().to_string();
        let listeners = Listeners { api, tls, metrics: None };
        tokio::spawn(serve(listeners, Arc::new(ledger), config, std::future::pending()));
        Self { address, admin_key, ingest_key }
    }

    pub(crate) fn base_url(&self) -> String {
        base_url(&self.address)
    }

    /// A client that reads.
    pub(crate) fn books(&self) -> Client {
        self.client(&self.address, &self.admin_key)
    }

    /// A client that records, through another address if one is given.
    pub(crate) fn gateway(&self, address: &str) -> Client {
        self.client(address, &self.ingest_key)
    }

    fn client(&self, address: &str, key: &str) -> Client {
        client_with(base_url(address), key).0.build().unwrap()
    }

    /// All entries of the ledger, which are one page at most.
    pub(crate) async fn entries(&self) -> Vec<UsageEntry> {
        self.books().page(&first_page()).await.unwrap().entries
    }
}

fn base_url(address: &str) -> String {
    format!("http://{address}/api/v1")
}

/// Starts a relay to a server, and returns its address. `bytes` gets the number of a connection, from 0, and returns
/// how many bytes of the answer pass before both ends are cut; `None` lets everything pass.
pub(crate) async fn cutting(
    target: String,
    mut bytes: impl FnMut(usize) -> Option<usize> + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        for connection in 0.. {
            let Ok((client, _)) = listener.accept().await else { return };
            let server = TcpStream::connect(&target).await.unwrap();
            tokio::spawn(pass_on(client, server, bytes(connection)));
        }
    });
    address
}

async fn pass_on(mut client: TcpStream, mut server: TcpStream, cut_at: Option<usize>) {
    let Some(cut_at) = cut_at else {
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        return;
    };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let answer = async {
        // The whole answer is read first, so the server has stored the batch.
        let mut answer = Vec::new();
        while !is_whole(&answer) {
            if from_server.read_buf(&mut answer).await.unwrap() == 0 {
                break;
            }
        }
        to_client.write_all(&answer[..cut_at.min(answer.len())]).await.unwrap();
    };
    tokio::select! {
        () = answer => {}
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
    }
}

/// True for an answer with all of its body, by its `Content-Length`.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let lengths = head.lines().filter_map(|line| line.strip_prefix("content-length: "));
    lengths.map(|length| length.parse::<usize>().unwrap()).any(|length| body.len() >= length)
}
