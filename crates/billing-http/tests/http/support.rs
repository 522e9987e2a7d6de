//! What the tests share: clients that do not wait, and ledgers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use billing_http::{ApiKey, Client, ClientBuilder, Event};
use billing_model::{HistoryQuery, HistoryRequest, PageRequest, TimeWindow, Timestamp};
use billing_testkit::Upstream;

/// The waits that a client asked for.
pub(crate) type Waits = Arc<Mutex<Vec<Duration>>>;

/// A client whose waits take no time, and the list of its waits.
pub(crate) fn client_of(base_url: String) -> (ClientBuilder, Waits) {
    client_with(base_url, "secret-key")
}

/// The same with another key.
pub(crate) fn client_with(base_url: String, key: &str) -> (ClientBuilder, Waits) {
    let waits = Waits::default();
    let noted = Arc::clone(&waits);
    let builder = Client::builder(base_url, ApiKey::new(key).unwrap()).sleep(move |wait| {
        noted.lock().unwrap().push(wait);
        Box::pin(std::future::ready(()))
    });
    (builder, waits)
}

pub(crate) fn client(upstream: &Upstream) -> Client {
    client_of(upstream.base_url()).0.build().unwrap()
}

/// A client that notes its events as text.
pub(crate) fn observed(upstream: &Upstream) -> (Client, Arc<Mutex<Vec<String>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&events);
    let observer = move |event: &Event<'_>| {
        let text = match event {
            Event::Switched { from, to, gone } => format!("{from} to {to}, gone: {gone}"),
            Event::Warning(text) => format!("warning: {text}"),
            Event::Reanchored { at } => format!("back to {at}"),
            Event::Retrying { error, .. } => format!("again: {error}"),
            _ => return,
        };
        noted.lock().unwrap().push(text);
    };
    (client_of(upstream.base_url()).0.observer(observer).build().unwrap(), events)
}

pub(crate) fn first_page() -> PageRequest {
    PageRequest::ByCursor(HistoryRequest::First(HistoryQuery::builder().build().unwrap()))
}

pub(crate) fn second(s: i64) -> Timestamp {
    Timestamp::from_unix_ns(1_750_000_000_000_000_000 + s * 1_000_000_000)
}

pub(crate) fn window(from_s: i64, to_s: i64) -> TimeWindow {
    TimeWindow::new(Some(second(from_s)), Some(second(to_s))).unwrap()
}
