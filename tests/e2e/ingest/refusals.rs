//! What is refused: the status, the words, where in the batch; and nothing of it is stored.

use serde::Deserialize;

use crate::billing::{ndjson, run};
use crate::conversation::{Answer, Request};
use crate::host::{HISTORY, Host, USAGE};
use crate::ledger::{Ledger, noted};

use super::batches::{Found, csv, gzip, json, post};

const NDJSON: &str = "application/x-ndjson";

/// A ledger without an entry, its keys, and a server that takes batches of one MiB.
struct House {
    ledger: Ledger,
    ingest: String,
    admin: String,
    host: Host,
}

impl House {
    fn new() -> Self {
        let ledger = Ledger::of(&[]);
        let (ingest, admin) = (ledger.key("default", "ingest"), ledger.key("default", "admin"));
        // There are more refusals here than a caller may have.
        let host = Host::start(&ledger.path(), &["--body-limit", "1", "--failed-request-limit", "0"]);
        Self { ledger, ingest, admin, host }
    }

    /// Asserts that a request is refused, in a form that tells a program why.
    #[track_caller]
    fn refuses(&self, request: &Request, status: u16, words: &str) -> Answer {
        let answer = self.host.ask(request);
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(words), "{words:?} is not said in: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.text().starts_with(r#"{"error":""#), "{}", answer.text());
        assert!(!answer.text().contains(&self.ingest) && !answer.text().contains(&self.admin));
        answer
    }

    #[track_caller]
    fn has_nothing(&self) {
        assert_eq!(Found::by_walk(&self.host, &self.admin), Found::default());
    }
}

fn good_body() -> Vec<u8> {
    ndjson(&[noted("2026-05-01T00:00:00Z", "good")])
}

#[test]
fn a_key_opens_what_it_is_for() {
    let house = House::new();
    let inference = house.ledger.key("default", "inference");
    let batch = |key: &str| post(key, "batch", NDJSON, good_body());
    for (request, words) in [
        (Request::post(USAGE, good_body()), "Authentication failed"),
        (batch("nonsense"), "Authentication failed"),
        (batch(""), "Authentication failed"),
        (batch(&house.ingest[..house.ingest.len() - 1]), "Authentication failed"),
        (batch(&house.ingest).bearing(&house.ingest), "Authentication failed"),
        (batch(&house.admin), "Ingest API key required"),
        (batch(&inference), "Ingest API key required"),
        (Request::get(USAGE).bearing(&house.ingest), "Admin API key required"),
        (Request::get(HISTORY).bearing(&house.ingest), "Admin API key required"),
        (Request::get(USAGE).bearing(&inference), "Admin API key required"),
    ] {
        let answer = house.refuses(&request, 401, words);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    house.has_nothing();
}

#[test]
fn a_batch_says_what_it_is() {
    let house = House::new();
    let plain = || Request::post(USAGE, good_body()).bearing(&house.ingest);
    let typed = || plain().header("content-type", NDJSON);
    let long = "k".repeat(256);
    for key in [None, Some(""), Some(" "), Some("two words"), Some("schlüssel"), Some(&long), Some("a\tb")] {
        let request = match key {
            Some(key) => typed().header("idempotency-key", key),
            None => typed(),
        };
        house.refuses(
            &request,
            400,
            "Idempotency-Key must be given once, as 1 to 255 visible ASCII characters",
        );
    }
    let twice = typed().header("idempotency-key", "a").header("idempotency-key", "a");
    house.refuses(&twice, 400, "Idempotency-Key must be given once");

    let named = || plain().header("idempotency-key", "batch");
    for content_type in
        [None, Some("text/plain"), Some("application/xml"), Some("application/ld+json"), Some("csv")]
    {
        let request = match content_type {
            Some(content_type) => named().header("content-type", content_type),
            None => named(),
        };
        house.refuses(
            &request,
            415,
            "Unsupported media type: a batch is application/json, application/x-ndjson or",
        );
    }
    for coding in ["br", "deflate", "gzip, gzip", "zstd", "x"] {
        let request = named().header("content-type", NDJSON).header("content-encoding", coding);
        let answer =
            house.refuses(&request, 415, "Unsupported content coding: a batch is sent as it is or with gzip");
        assert_eq!(answer.header("accept-encoding"), Some("gzip, identity"));
    }
    let wants_csv = named().header("content-type", NDJSON).header("accept", "text/csv");
    house.refuses(&wants_csv, 406, "Not acceptable");
    house.has_nothing();
}

#[test]
fn a_body_that_is_damaged_or_too_large_is_not_taken() {
    const LIMIT: usize = 1 << 20;
    let house = House::new();
    let packed = |body: &[u8]| post(&house.ingest, "batch", NDJSON, body).header("content-encoding", "gzip");
    let whole = gzip(&good_body());
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    let mut wrong_sum = whole.clone();
    let sum = wrong_sum.len() - 8;
    wrong_sum[sum] ^= 1;
    let trailing = [&whole[..], b"and more"].concat();
    let damaged = "The body could not be read: its gzip is damaged or cut off";
    for body in [b"not gzip".to_vec(), flipped, wrong_sum, trailing, good_body()] {
        house.refuses(&packed(&body), 400, damaged);
    }
    for cut in 1..whole.len() {
        house.refuses(&packed(&whole[..cut]), 400, damaged);
    }
    // A tenth of the limit as it is sent, and far more than that when it is unpacked.
    let too_large = "The body is too large: a batch has at most 1048576 bytes, decompressed too";
    house.refuses(&packed(&gzip(&vec![b'\n'; 100 * LIMIT])), 413, too_large);
    let mut lines = good_body().repeat(LIMIT / good_body().len() + 1);
    assert!(lines.len() > LIMIT);
    house.refuses(&packed(&gzip(&lines)), 413, too_large);
    house.refuses(&post(&house.ingest, "batch", NDJSON, lines.clone()), 413, too_large);
    // Without a length it shows only as it comes.
    let mut connection = house.host.connect();
    let request = Request::get(USAGE).bearing(&house.ingest).header("idempotency-key", "batch");
    let request = request.header("content-type", NDJSON).header("transfer-encoding", "chunked").bytes();
    let head = String::from_utf8(request).unwrap().replacen("GET", "POST", 1);
    connection.send(head.as_bytes()).unwrap();
    // It may answer, and leave, before all of it was sent.
    let _ = connection.send(format!("{:x}\r\n", lines.len()).as_bytes());
    let _ = connection.send(&lines);
    assert_eq!(connection.answer().unwrap().status, 413);
    house.has_nothing();

    // As large as it may be, both ways.
    lines.truncate(LIMIT - LIMIT % good_body().len());
    lines.resize(LIMIT, b'\n');
    let body = post(&house.ingest, "plain", NDJSON, lines.clone());
    for request in
        [body, post(&house.ingest, "packed", NDJSON, gzip(&lines)).header("content-encoding", "gzip")]
    {
        assert_eq!(house.host.ask(&request).status, 201);
    }
}

/// What is said of a batch that cannot be recorded.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Rows {
    error: String,
    pub(super) rows: u64,
    bad_rows: Vec<(u64, u64)>,
    pub(super) issues: Vec<Issue>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Issue {
    pub(super) row: Option<u64>,
    pub(super) field: Option<String>,
    message: String,
}

/// Five rows with bad ones at these places, from 1: each form says the same of them.
#[track_caller]
fn check_rows(house: &House, bad: &[u64], ranges: &[(u64, u64)]) {
    let entries: Vec<_> = (1..=5).map(|n| noted("2026-05-01T00:00:00Z", &format!("row {n}"))).collect();
    let spoil = |body: Vec<u8>, separator: &str| {
        let text = String::from_utf8(body).unwrap();
        let rows =
            text.split(separator).map(|row| match bad.iter().any(|n| row.contains(&format!("row {n}"))) {
                true => row.replacen("-0.1", "-0.1O", 1),
                false => row.to_owned(),
            });
        rows.collect::<Vec<_>>().join(separator)
    };
    for (content_type, body) in [
        (NDJSON, spoil(ndjson(&entries), "\n")),
        // A number that is none would be a wrong document; as text it is a wrong number.
        ("application/json", spoil(json(&entries), "},").replace("-0.1O", "\"-0.1O\"")),
        ("text/csv", spoil(csv(&entries), "\n")),
    ] {
        let answer = house.refuses(
            &post(&house.ingest, "batch", content_type, body.clone()),
            422,
            "nothing was stored",
        );
        let said: Rows = serde_json::from_str(answer.text()).unwrap();
        assert_eq!(said.error, format!("{} of 5 rows cannot be recorded; nothing was stored", bad.len()));
        assert_eq!((said.rows, said.bad_rows.as_slice()), (5, ranges), "{body}");
        let places: Vec<_> = said.issues.iter().map(|issue| issue.row.unwrap()).collect();
        assert_eq!(places, bad);
        for issue in &said.issues {
            // A line that is no JSON has no fields.
            let field = (content_type != NDJSON).then_some("amount");
            assert_eq!(issue.field.as_deref(), field, "{issue:?}");
            assert!(!issue.message.is_empty());
        }
    }
}

#[test]
fn bad_rows_are_named_in_every_form() {
    let house = House::new();
    check_rows(&house, &[1], &[(1, 1)]);
    check_rows(&house, &[5], &[(5, 5)]);
    check_rows(&house, &[2, 3, 5], &[(2, 3), (5, 5)]);
    check_rows(&house, &[1, 3, 4], &[(1, 1), (3, 4)]);
    check_rows(&house, &[1, 2, 3, 4, 5], &[(1, 5)]);
    house.has_nothing();
    // A refused batch does not claim its name, which is still free.
    assert_eq!(house.host.ask(&post(&house.ingest, "batch", NDJSON, good_body())).status, 201);
}

#[test]
fn a_document_that_is_none_is_no_batch() {
    let house = House::new();
    let row = String::from_utf8(good_body()).unwrap();
    let row = row.trim_end();
    for (content_type, body) in [
        ("application/json", format!("[{row}")),
        ("application/json", format!("[{row},]")),
        ("application/json", format!("[{row}] {row}")),
        ("application/json", format!("[{row} {row}]")),
        ("application/json", row.replace('}', "")),
        ("application/json", "null".to_owned()),
        ("application/json", "[null]".to_owned()),
        ("application/json", String::new()),
        (NDJSON, format!("{row}\n[]\n")),
        (NDJSON, format!("{row}{row}")),
        (NDJSON, row.replace("-0.1", "1e400")),
        (NDJSON, row.replace("2026-05", "2026-13")),
        (NDJSON, row.replace("2026-05-01", "1500-01-01")),
        (NDJSON, row.replace("good", &"long".repeat(2000))),
        ("text/csv", String::new()),
        ("text/csv", "timestamp,sku\n2026-05-01T00:00:00Z,x\n".to_owned()),
        ("text/csv", row.to_owned()),
    ] {
        let request = post(&house.ingest, "batch", content_type, body.clone());
        let answer = house.refuses(&request, 422, "; nothing was stored");
        let said: Rows = serde_json::from_str(answer.text()).unwrap();
        assert!(!said.issues.is_empty(), "{body}");
    }
    house.has_nothing();
}

#[test]
fn a_key_that_is_revoked_records_nothing_from_then_on() {
    let house = House::new();
    let batch = |name: &str| post(&house.ingest, name, NDJSON, good_body());
    // On connections that are open already.
    let (mut writer, mut reader) = (house.host.connect(), house.host.connect());
    let read = Request::get(HISTORY).bearing(&house.admin);
    assert_eq!(writer.ask(&batch("before")).unwrap().status, 201);
    assert_eq!(reader.ask(&read).unwrap().status, 200);
    let list = run(&["keys", "list", "--ledger", &house.ledger.path()]).done();
    for row in list.text().lines().skip(1) {
        let id = row.split_whitespace().next().unwrap();
        run(&["keys", "revoke", id, "--ledger", &house.ledger.path()]).done();
    }
    // A batch that was refused unread ends its connection, which the answer says.
    let refused = writer.ask(&batch("after")).unwrap();
    assert_eq!(refused.header("connection"), Some("close"));
    for answer in [refused, house.host.ask(&batch("before")), reader.ask(&read).unwrap()] {
        assert_eq!((answer.status, answer.text()), (401, r#"{"error":"Authentication failed"}"#));
    }
    let admin = house.ledger.key("default", "admin");
    let total = house.host.ask(&Request::get(USAGE).bearing(&admin));
    assert!(total.text().contains("\"total\":1,"), "{}", total.text());
}

/// The key is not logged, whatever is done with it.
#[test]
fn a_key_is_not_in_the_log_and_a_request_id_is() {
    for format in ["text", "json"] {
        let ledger = Ledger::of(&[]);
        let (ingest, admin) = (ledger.key("default", "ingest"), ledger.key("default", "admin"));
        let host = Host::start(&ledger.path(), &["--log-format", format]);
        let unknown = "billing-admin-0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
        let mut requests = 0;
        for key in [&ingest, &admin, unknown] {
            for request in [
                post(key, "batch", NDJSON, good_body()),
                post(key, "batch", NDJSON, "other"),
                post(key, "other", NDJSON, format!("{key}\n")),
                Request::get(HISTORY).bearing(key),
                Request::get(&format!("{USAGE}?key={key}")),
                Request::get(&format!("/{key}")),
            ] {
                requests += 1;
                let id = format!("request-{requests}.{format}");
                let answer = host.ask(&request.header("x-request-id", &id));
                assert_eq!(answer.header("x-request-id"), Some(id.as_str()));
                assert!(!answer.text().contains(key), "{}", answer.text());
            }
        }
        let said = host.stop();
        for key in [&ingest, &admin, unknown] {
            let secret = key.splitn(3, '-').nth(2).unwrap();
            assert!(!said.contains(&secret[..8]) && !said.contains(key), "{said}");
        }
        let answered: Vec<_> = said.lines().filter(|line| line.contains("answered")).collect();
        assert_eq!(answered.len(), requests);
        for (line, n) in answered.into_iter().zip(1..) {
            let id = format!("request-{n}.{format}");
            let expect = match format {
                "json" => format!(r#""request_id":"{id}""#),
                _ => format!(r#"request_id="{id}""#),
            };
            assert!(line.contains(&expect), "{expect} is not in {line}");
            if format == "json" {
                let line: Line = serde_json::from_str(line).unwrap();
                assert_eq!((line.message.as_str(), line.level.as_str()), ("answered", "INFO"));
                assert!([200, 201, 400, 401, 404, 409, 422].contains(&line.status), "{}", line.status);
            }
        }
    }
}

#[derive(Deserialize)]
struct Line {
    message: String,
    level: String,
    status: u16,
}
