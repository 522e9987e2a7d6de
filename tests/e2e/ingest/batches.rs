//! Batches by name: each of their entries says to which one it belongs, and where in it.

use std::collections::BTreeMap;
use std::io::Write;

use billing_csv::Columns;
use billing_model::{Currency, Decimal, InferenceDetails, Timestamp, UsageEntry};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;

use crate::billing::ndjson;
use crate::conversation::{Connection, Request};
use crate::host::{HISTORY, Host, USAGE};

/// The first of May 2026. All entries are of the 30 days from then on.
pub(crate) const START_NS: i64 = 1_777_593_600_000_000_000;
const SPAN_MS: i64 = 30 * 24 * 3_600_000;

/// Form in which a batch travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Ndjson,
    Json,
    Csv,
}

/// A batch with a name, which is its idempotency key.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) name: String,
    pub(crate) entries: Vec<UsageEntry>,
    form: Form,
}

impl Batch {
    /// Of up to `most` entries, rather few than many, in any form.
    pub(crate) fn random(name: &str, random: &mut fastrand::Rng, most: usize) -> Self {
        let most = if random.bool() { most.div_ceil(10) } else { most };
        let entries = random.usize(1..=most);
        let entries = (0..entries).map(|place| random_entry(name, place, random)).collect();
        let form = random.choice([Form::Ndjson, Form::Json, Form::Csv]).unwrap();
        Self { name: name.to_owned(), entries, form }
    }

    /// At instants of a test's choice.
    pub(crate) fn at(mut self, mut instant: impl FnMut() -> Timestamp) -> Self {
        self.entries.iter_mut().for_each(|entry| entry.timestamp = instant());
        self
    }

    /// The request that sends it. Compression is no part of the batch: it may differ when the batch is sent again.
    pub(crate) fn request(&self, key: &str, is_gzip: bool) -> Request {
        let (content_type, body) = match self.form {
            Form::Ndjson => ("application/x-ndjson", ndjson(&self.entries)),
            Form::Json => ("application/json", json(&self.entries)),
            Form::Csv => ("text/csv", csv(&self.entries)),
        };
        let body = if is_gzip { gzip(&body) } else { body };
        let request = post(key, &self.name, content_type, body);
        if is_gzip { request.header("content-encoding", "gzip") } else { request }
    }
}

/// A batch as anybody may send it.
pub(crate) fn post(key: &str, name: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Request {
    let request = Request::post(USAGE, body).bearing(key);
    request.header("idempotency-key", name).header("content-type", content_type)
}

pub(crate) fn json(entries: &[UsageEntry]) -> Vec<u8> {
    let mut lines = ndjson(entries);
    lines.pop();
    let rows = lines.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b',');
    [b"[", rows.as_slice(), b"]"].concat()
}

pub(crate) fn csv(entries: &[UsageEntry]) -> Vec<u8> {
    let mut out = Vec::new();
    billing_csv::encode(entries, Columns::WithApiKeyId, &mut out);
    out
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn random_entry(name: &str, place: usize, random: &mut fastrand::Rng) -> UsageEntry {
    let currencies = [Currency::Usd, Currency::Diem, Currency::BundledCredits];
    let skus = [
        "zai-org-glm-5-1-llm-output-mtoken",
        "zai-org-glm-5-1-llm-input-mtoken",
        "venice-sd35-image-unit",
        "something-new",
    ];
    // The amounts differ much in size, so that a sum in binary floating point would be wrong.
    let exponent = -random.i32(0..=18);
    let mut number = |most: i64| Decimal::from_parts(random.i64(1..=most).into(), exponent).unwrap();
    let (amount, units, price) = (number(1_000_000_000), number(1000), number(1000));
    let amount = match random.u8(..16) {
        0 => Decimal::default(),
        1..3 => amount,
        _ => -amount,
    };
    let details = InferenceDetails { request_id: Some(format!("{name}/{place}")), ..Default::default() };
    UsageEntry {
        timestamp: Timestamp::from_unix_ns(START_NS + random.i64(0..SPAN_MS) * 1_000_000),
        sku: (*random.choice(&skus).unwrap()).to_owned(),
        price_per_unit_usd: price,
        units,
        amount,
        currency: random.choice(&currencies).unwrap().clone(),
        notes: name.to_owned(),
        inference_details: Some(details),
        api_key_id: random.bool().then(|| format!("key-{}", random.u8(..3))),
        other_fields: None,
    }
}

/// The batches that a ledger has: their names, and the places of their entries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found(BTreeMap<String, Vec<usize>>);

impl Found {
    /// What one walk by cursor finds.
    pub(crate) fn by_walk(host: &Host, key: &str) -> Self {
        let mut walk = Walk::new(host, key, "pageSize=1000");
        while walk.next_page() {}
        walk.found
    }

    fn add(&mut self, notes: &str, request_id: &str) {
        let (name, place) = request_id.rsplit_once('/').unwrap();
        assert_eq!(notes, name);
        self.0.entry(name.to_owned()).or_default().push(place.parse().unwrap());
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Entries of a batch that are there.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.0.get(name).map_or(0, Vec::len)
    }

    /// Every batch that is there is there whole and once.
    #[track_caller]
    pub(crate) fn is_of_whole_batches(&self, entries_of: impl Fn(&str) -> usize) {
        for (name, places) in &self.0 {
            let mut places = places.clone();
            places.sort_unstable();
            let whole: Vec<_> = (0..entries_of(name)).collect();
            assert_eq!(places, whole, "batch {name} is there in part, or more than once");
        }
    }
}

/// A walk by cursor, one page after the other over one connection, as it stands on the wire.
pub(crate) struct Walk<'a> {
    connection: Connection<std::net::TcpStream>,
    key: &'a str,
    query: Option<String>,
    pub(crate) found: Found,
    pub(crate) pages: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    data: Vec<Row>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    notes: String,
    inference_details: Details,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    request_id: String,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(host: &Host, key: &'a str, query: &str) -> Self {
        let query = Some(query.to_owned());
        Self { connection: host.connect(), key, query, found: Found::default(), pages: 0 }
    }

    /// Goes on over a new connection: the server ends one that was idle for some seconds.
    pub(crate) fn reconnect(&mut self, host: &Host) {
        self.connection = host.connect();
    }

    /// False when there was none left.
    pub(crate) fn next_page(&mut self) -> bool {
        let Some(query) = self.query.take() else { return false };
        let request = Request::get(&format!("{HISTORY}?{query}")).bearing(self.key);
        let answer = self.connection.ask(&request).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let page: Page = serde_json::from_str(answer.text()).unwrap();
        for row in &page.data {
            self.found.add(&row.notes, &row.inference_details.request_id);
        }
        self.query = page.next_cursor.map(|cursor| format!("cursor={cursor}"));
        self.pages += 1;
        true
    }
}
