//! Requests that are wrong in one thing each: what it is, and which statuses are right for it.

use std::io::Write;

use fastrand::Rng;

use crate::host::{ANALYTICS, BALANCE, HISTORY, USAGE};

/// A request as it goes out, and the statuses that are right for it.
pub(super) struct Malformed {
    pub(super) kind: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) right: &'static [u16],
}

/// What a generator may put into requests to come close to a good one.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) admin: String,
    pub(super) ingest: String,
    pub(super) inference: String,
    /// Of the other account: real, and not ours to use.
    pub(super) their_cursor: String,
    pub(super) our_cursor: String,
}

/// The request of a state of chance.
pub(super) fn generate(rng: &mut Rng, keys: &Keys) -> Malformed {
    let kinds: [fn(&mut Rng, &Keys) -> Malformed; 14] = [
        not_http,
        method,
        path,
        sizes,
        header,
        no_key,
        wrong_key,
        query,
        cursor,
        accept,
        framing,
        ingest_head,
        ingest_body,
        utf8,
    ];
    let kind = rng.choice(kinds).unwrap_or(not_http);
    kind(rng, keys)
}

fn malformed(kind: &'static str, bytes: impl Into<Vec<u8>>, right: &'static [u16]) -> Malformed {
    Malformed { kind, bytes: bytes.into(), right }
}

fn garbage(rng: &mut Rng, most: usize) -> Vec<u8> {
    let length = rng.usize(1..=most);
    std::iter::repeat_with(|| rng.u8(..)).take(length).collect()
}

/// Characters that may stand anywhere in a target or a token.
fn word(rng: &mut Rng, most: usize) -> String {
    let length = rng.usize(1..=most);
    std::iter::repeat_with(|| rng.alphanumeric()).take(length).collect()
}

fn route(rng: &mut Rng) -> &'static str {
    [USAGE, HISTORY, ANALYTICS, BALANCE][rng.usize(0..4)]
}

fn get(target: &str, key: &str, more: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n{more}\r\n")
}

/// Bytes that are no request.
fn not_http(rng: &mut Rng, _: &Keys) -> Malformed {
    let mut bytes = match rng.u8(0..6) {
        0 => garbage(rng, 400),
        1 => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        2 => b"GET /\r\n".to_vec(),
        3 => {
            format!("GET {} HTTP/{}.{}\r\nhost: x\r\n\r\n", route(rng), rng.u8(2..), rng.u8(..)).into_bytes()
        }
        4 => format!("{} {} HTTP/1.1\r\n\r\n", word(rng, 5), garbage(rng, 9).escape_ascii())
            .replace('\\', " ")
            .into_bytes(),
        _ => [b"GET / HTTP/1.1\r\n".as_slice(), &[0], &garbage(rng, 60), b"\r\n\r\n"].concat(),
    };
    // A byte that no request begins with: what is left could be one, or nothing at all.
    if rng.bool() || bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
        bytes.insert(0, 0x01);
    } else {
        bytes.splice(0..0, *b"\x7f\x7f");
    }
    malformed("not HTTP", bytes, &[400])
}

fn method(rng: &mut Rng, keys: &Keys) -> Malformed {
    let known = ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "Get", "PROPFIND"];
    let name =
        if rng.bool() { known[rng.usize(0..known.len())].to_owned() } else { format!("X{}", word(rng, 20)) };
    let target = [USAGE, HISTORY, ANALYTICS, BALANCE, "/healthz", "/metrics", "/docs"][rng.usize(0..7)];
    let key = &keys.admin;
    malformed(
        "method",
        format!("{name} {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n"),
        &[405],
    )
}

fn path(rng: &mut Rng, keys: &Keys) -> Malformed {
    let target = match rng.u8(0..7) {
        0 => format!("/{}", word(rng, 80)),
        1 => format!("{}/{}", route(rng), word(rng, 5)),
        2 => format!("{}%{:02x}", route(rng), rng.u8(..)),
        3 => route(rng).replacen('/', "//", 1),
        4 => format!("/api/v1/../v1/billing/usage{}", word(rng, 3)),
        5 => "*".to_owned(),
        _ => route(rng).to_ascii_uppercase(),
    };
    malformed("path", get(&target, &keys.admin, ""), &[404, 400])
}

fn sizes(rng: &mut Rng, keys: &Keys) -> Malformed {
    let long = "x".repeat(rng.usize(66_000..100_000));
    match rng.u8(0..3) {
        0 => malformed("long target", get(&format!("{}?{long}", route(rng)), &keys.admin, ""), &[414]),
        1 => {
            // Well beyond the limit: the library looks at it between two reads.
            let headers = format!("x-long: {long}\r\n").repeat(4);
            malformed("large head", get(route(rng), &keys.admin, &headers), &[431])
        }
        _ => {
            let headers: String = (0..rng.usize(150..400)).map(|n| format!("x-{n}: {n}\r\n")).collect();
            malformed("many headers", get(route(rng), &keys.admin, &headers), &[431])
        }
    }
}

fn header(rng: &mut Rng, keys: &Keys) -> Malformed {
    let line = match rng.u8(0..5) {
        0 => "no colon\r\n".to_owned(),
        1 => ": no name\r\n".to_owned(),
        2 => format!("bad {} name: x\r\n", word(rng, 4)),
        3 => format!("x: a{}b\r\n", char::from([0, 1, 7, 8, 11, 127][rng.usize(0..6)])),
        _ => "(x): y\r\n".to_owned(),
    };
    malformed("header", get(route(rng), &keys.admin, &line), &[400])
}

fn no_key(rng: &mut Rng, keys: &Keys) -> Malformed {
    let value = match rng.u8(0..5) {
        0 => String::new(),
        1 => format!("authorization: Basic {}\r\n", word(rng, 30)),
        2 => format!("authorization: {}\r\n", keys.admin),
        3 => "authorization: Bearer\r\n".to_owned(),
        _ => format!("authorization: Bearer {0}\r\nauthorization: Bearer {0}\r\n", keys.admin),
    };
    // What comes after the key is not judged for a stranger.
    let query = ["", "?limit=0", "?cursor=x", "?x=%ff"][rng.usize(0..4)];
    let name = ["GET", "HEAD"][rng.usize(0..2)];
    let kind = if name == "HEAD" { "HEAD" } else { "no key" };
    malformed(kind, format!("{name} {}{query} HTTP/1.1\r\nhost: x\r\n{value}\r\n", route(rng)), &[401])
}

fn wrong_key(rng: &mut Rng, keys: &Keys) -> Malformed {
    let key = match rng.u8(0..5) {
        0 => keys.inference.clone(),
        1 => keys.ingest.clone(),
        2 => format!("{}{}", keys.admin, word(rng, 3)),
        3 => keys.admin[..keys.admin.len() - rng.usize(1..20)].to_owned(),
        _ => {
            let mut key = keys.admin.clone().into_bytes();
            let at = rng.usize(15..key.len());
            key[at] = if key[at] == b'A' { b'B' } else { b'A' };
            String::from_utf8(key).unwrap()
        }
    };
    malformed("wrong key", get(route(rng), &key, ""), &[401])
}

fn query(rng: &mut Rng, keys: &Keys) -> Malformed {
    let bad = |rng: &mut Rng, fixed: &[&str]| fixed[rng.usize(0..fixed.len())].to_owned();
    let (target, query) = match rng.u8(0..3) {
        0 => (
            USAGE,
            bad(
                rng,
                &[
                    "limit=0",
                    "limit=501",
                    "limit=1e2",
                    "limit=-1",
                    "limit=",
                    "page=0",
                    "page=4294967296",
                    "sortOrder=up",
                    "currency=EUR",
                    "startDate=x",
                    "endDate=2026-02-30T00:00:00Z",
                    "limit=1&limit=1",
                    "startDate=2026-02-02T00:00:00Z&endDate=2026-02-01T00:00:00Z",
                    "limit=%31%00",
                    "page=99999999999999999999",
                ],
            ),
        ),
        1 => (
            HISTORY,
            bad(
                rng,
                &[
                    "pageSize=9",
                    "pageSize=1001",
                    "pageSize=ten",
                    "currency=VCU",
                    "currency=usd",
                    "page=1",
                    "startTimestamp=2026-01-01",
                    "endTimestamp=0",
                    "startTimestamp=2026-01-01T00:00:00%2B00:00",
                    "=1",
                    "startTimestamp=2026-01-02T00:00:00Z&endTimestamp=2026-01-01T00:00:00Z",
                    "cursor=",
                    "cursor=%ff",
                ],
            ),
        ),
        _ => (
            ANALYTICS,
            bad(
                rng,
                &[
                    "lookback=0d",
                    "lookback=91d",
                    "lookback=07d",
                    "lookback=7",
                    "lookback=7d&lookback=7d",
                    "startDate=2026-01-01",
                    "endDate=2026-01-01",
                    "startDate=2026-01-02&endDate=2026-01-01",
                    "topN=0",
                    "topN=51",
                    "startDate=2020-01-01&endDate=2026-01-01",
                    "lookback=7d&startDate=2026-01-01&endDate=2026-01-02",
                    "x=y",
                ],
            ),
        ),
    };
    malformed("query", get(&format!("{target}?{query}"), &keys.admin, ""), &[400])
}

/// Another account's cursor, and ours with one thing changed.
fn cursor(rng: &mut Rng, keys: &Keys) -> Malformed {
    let cursor = match rng.u8(0..5) {
        0 => keys.their_cursor.clone(),
        1 => keys.our_cursor[..rng.usize(1..keys.our_cursor.len())].to_owned(),
        2 => word(rng, 600),
        3 => format!("{}&pageSize=10", keys.our_cursor),
        _ => {
            let mut cursor = keys.our_cursor.clone().into_bytes();
            // Not the last one, whose lowest bits say nothing in base64.
            let at = rng.usize(0..cursor.len() - 1);
            cursor[at] = if cursor[at] == b'A' { b'B' } else { b'A' };
            String::from_utf8(cursor).unwrap()
        }
    };
    malformed("cursor", get(&format!("{HISTORY}?cursor={cursor}"), &keys.admin, ""), &[400])
}

fn accept(rng: &mut Rng, keys: &Keys) -> Malformed {
    let value =
        ["text/html", "image/*", "application/json;q=0", "x", "/;;;=\"", "application/xml, text/plain"];
    let line = format!("accept: {}\r\n", value[rng.usize(0..value.len())]);
    malformed("accept", get(route(rng), &keys.admin, &line), &[406])
}

fn post(keys: &Keys, headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("POST {USAGE} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{headers}\r\n", keys.ingest);
    [head.as_bytes(), body].concat()
}

const JSON: &str = "content-type: application/json\r\n";

/// Lengths and codings that are not so.
fn framing(rng: &mut Rng, keys: &Keys) -> Malformed {
    let named = format!("{JSON}idempotency-key: {}\r\n", word(rng, 30));
    let (headers, body, right): (&str, &[u8], &[u16]) = match rng.u8(0..9) {
        0 => ("content-length: -1\r\n", b"", &[400]),
        1 => ("content-length: 1\r\ncontent-length: 2\r\n", b"[]", &[400]),
        2 => ("content-length: 99999999999999999999999\r\n", b"[]", &[400, 431]),
        3 => ("content-length: 1048577\r\n", b"[]", &[413]),
        4 => ("content-length: 300\r\n", b"[]", &[400]),
        5 => ("transfer-encoding: chunked\r\n", b"zz\r\n[]\r\n0\r\n\r\n", &[400]),
        6 => ("transfer-encoding: chunked\r\n", b"2\r\n[]", &[400]),
        7 => ("transfer-encoding: gzip\r\n", b"[]", &[400]),
        _ => ("content-length: x\r\n", b"[]", &[400]),
    };
    malformed("framing", post(keys, &format!("{named}{headers}"), body), right)
}

/// What must be said of a batch and is not.
fn ingest_head(rng: &mut Rng, keys: &Keys) -> Malformed {
    let key = format!("idempotency-key: {}\r\n", word(rng, 30));
    let long = format!("idempotency-key: {}\r\n{JSON}", "k".repeat(rng.usize(256..400)));
    let (headers, right): (String, &[u16]) = match rng.u8(0..8) {
        0 => (JSON.to_owned(), &[400]),
        1 => (long, &[400]),
        2 => (format!("idempotency-key: a b\r\n{JSON}"), &[400]),
        3 => (format!("{key}{key}{JSON}"), &[400]),
        4 => (key, &[415]),
        5 => (format!("{key}content-type: text/plain\r\n"), &[415]),
        6 => (format!("{key}{JSON}content-encoding: br\r\n"), &[415]),
        _ => (format!("{key}{JSON}accept: text/csv\r\n"), &[406]),
    };
    malformed("ingest head", post(keys, &format!("{headers}content-length: 2\r\n"), b"[]"), right)
}

/// Batches of which nothing can be stored.
fn ingest_body(rng: &mut Rng, keys: &Keys) -> Malformed {
    const ROW: &str = r#"{"timestamp":"2026-05-01T00:00:00Z","sku":"s","pricePerUnitUsd":1,"units":1,"amount":AMOUNT,"currency":"USD","notes":""}"#;
    let row = |amount: &str| ROW.replace("AMOUNT", amount);
    let (media_type, coding, body, right): (&str, &str, Vec<u8>, &[u16]) = match rng.u8(0..12) {
        0 => ("application/json", "", format!("[{}]", row("1e400")).into(), &[422]),
        1 => ("application/json", "", format!("[{},{}", row("1"), row("2")).into(), &[422]),
        2 => ("application/json", "", "[".repeat(rng.usize(2..9_000)).into(), &[422]),
        3 => ("application/json", "", row("1").into(), &[422]),
        4 => ("application/json", "", [b"[", garbage(rng, 300).as_slice(), b"{"].concat(), &[422]),
        5 => ("application/x-ndjson", "", format!("{}\n{{}}\n", row("1")).into(), &[422]),
        6 => (
            "application/x-ndjson",
            "",
            format!("{}\n", row("0.00000000000000000000000000001")).into(),
            &[422],
        ),
        7 => ("text/csv", "", "timestamp,sku\n1,2\n".into(), &[422]),
        8 => (
            "text/csv",
            "",
            "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes\n\"open".into(),
            &[422],
        ),
        9 => ("application/json", "gzip", garbage(rng, 300), &[400]),
        10 => (
            "application/json",
            "",
            format!("[{}]", row("1").replace("\"s\"", &format!("\"{}\"", "s".repeat(5_000)))).into(),
            &[422],
        ),
        _ => ("application/json", "gzip", bomb(), &[413]),
    };
    let coding = if coding.is_empty() { String::new() } else { format!("content-encoding: {coding}\r\n") };
    let headers = format!(
        "content-type: {media_type}\r\nidempotency-key: {}\r\n{coding}content-length: {}\r\n",
        word(rng, 30),
        body.len()
    );
    malformed("ingest body", post(keys, &headers, &body), right)
}

/// Some KB that are 2 MiB.
fn bomb() -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&vec![b' '; 2 << 20]).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that are no text where text belongs.
fn utf8(rng: &mut Rng, keys: &Keys) -> Malformed {
    let byte = rng.u8(0x80..=0xff);
    let with_byte = |text: String| {
        let at = text.find('\u{1}').unwrap();
        [&text.as_bytes()[..at], &[byte], &text.as_bytes()[at + 1..]].concat()
    };
    match rng.u8(0..4) {
        0 => malformed(
            "bytes in a query",
            with_byte(get(&format!("{HISTORY}?pageSize=1\u{1}"), &keys.admin, "")),
            &[400],
        ),
        1 => malformed(
            "escaped bytes",
            get(&format!("{HISTORY}?pageSize=1%{byte:02x}"), &keys.admin, ""),
            &[400],
        ),
        2 => malformed("bytes in a key", with_byte(get(route(rng), "\u{1}", "")), &[401]),
        _ => {
            let body = with_byte(r#"[{"timestamp":"2026-05-01T00:00:00Z","sku":"TEXT","pricePerUnitUsd":1,"units":1,"amount":1,"currency":"USD","notes":""}]"#.replace("TEXT", "\u{1}"));
            let headers =
                format!("{JSON}idempotency-key: {}\r\ncontent-length: {}\r\n", word(rng, 30), body.len());
            malformed("bytes in a row", post(keys, &headers, &body), &[422])
        }
    }
}
