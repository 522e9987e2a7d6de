//! The header of a request: its lines, its size, who asks, and what for.

use fastrand::Rng;

use super::case::{Case, Draft, Says, Then};
use super::kinds::{pick, word};
use super::stakes::{READS, Stakes};
use crate::host::{ANALYTICS, BALANCE, HISTORY, USAGE};

/// A request for rows that lacks nothing but its key.
fn anybodys(rng: &mut Rng) -> Draft {
    Draft::new("GET", pick(rng, &READS))
}

pub(crate) fn odd_line(rng: &mut Rng, stakes: &Stakes) -> Case {
    let lines = [
        &b"no colon"[..],
        b": no name",
        b"name : value",
        b" folded: value",
        b"\tfolded: value",
        b"na me: value",
        b"n\0me: value",
        b"name: v\0lue",
        b"name: v\x01lue",
        b"name: v\x7flue",
        b"name: a\rb: c",
        b"n\xffme: value",
        b"(name): value",
        b"name\r: value",
        b"\"name\": value",
        b"name: value\r\r",
        b"n\xc3\xa4me: value",
        b"authorization Bearer: x",
        b"=: value",
        b"{}: value",
    ];
    let draft = anybodys(rng).key(&stakes.admin).with_line(pick(rng, &lines));
    Case::no_request(draft.bytes(), &[400])
}

pub(crate) fn too_large(rng: &mut Rng, stakes: &Stakes) -> Case {
    let size = (128 << 10) + rng.usize(1..200_000);
    let draft = anybodys(rng).key(&stakes.admin);
    let draft = match rng.u8(0..3) {
        0 => draft.with("x-large", "x".repeat(size)),
        1 => draft.with(&"x".repeat(size), "x"),
        _ => (0..90).fold(draft, |draft, n| draft.with(&format!("x-large-{n}"), "x".repeat(size / 80))),
    };
    // A name has a largest length too, which is less.
    Case::no_request(draft.bytes(), &[400, 431])
}

pub(crate) fn too_many(rng: &mut Rng, stakes: &Stakes) -> Case {
    let draft = anybodys(rng).key(&stakes.admin);
    let draft = (0..rng.usize(100..3000)).fold(draft, |draft, n| draft.with(&format!("x-{n}"), "1"));
    Case::no_request(draft.bytes(), &[431])
}

/// RFC 9112 3.2.
pub(crate) fn host(rng: &mut Rng, stakes: &Stakes) -> Case {
    let draft = match rng.u8(0..3) {
        0 => Draft::without_host("GET", pick(rng, &READS)),
        1 => anybodys(rng).with("host", "billing.test"),
        _ => anybodys(rng).with("Host", "other.test"),
    };
    Case::refused(draft.key(&stakes.admin).bytes(), &[400])
}

pub(crate) fn odd_key(rng: &mut Rng, stakes: &Stakes) -> Case {
    let (draft, key) = (anybodys(rng), stakes.admin.as_str());
    let value = match rng.u8(0..12) {
        0 => return Case::refused(draft.bytes(), &[401]),
        1 => pick(rng, &["", "Bearer", "Bearer ", "Basic", "Bearer null", "Bearer undefined", "Bearer \"\""])
            .to_owned(),
        2 => format!("Basic {key}"),
        3 => key.to_owned(),
        4 => format!("Bearer {}", &key[..rng.usize(..key.len())]),
        5 => format!("Bearer {key}{}", pick(rng, &["x", ",", "=", "\tx", " x", ", Bearer x"])),
        6 => format!("Bearer {}", key.to_uppercase()),
        7 => {
            let at = rng.usize(..key.len());
            let other = if key.as_bytes()[at] == b'A' { "B" } else { "A" };
            format!("Bearer {}{other}{}", &key[..at], &key[at + 1..])
        }
        8 => return Case::refused(draft.key(key).key(key).bytes(), &[401]),
        9 => {
            let value =
                [b"Bearer ".as_slice(), key.as_bytes(), pick(rng, &[&b"\xff"[..], b"\xc3\xa9"])].concat();
            return Case::refused(draft.with("authorization", value).bytes(), &[401]);
        }
        10 => format!("Bearer {}", word(rng, 60_000)),
        _ => {
            let target = format!("{}?access_token={key}&api_key={key}", pick(rng, &READS));
            let draft = Draft::new("GET", target).with("x-api-key", key).with("cookie", format!("key={key}"));
            return Case::refused(draft.with("proxy-authorization", format!("Bearer {key}")).bytes(), &[401]);
        }
    };
    Case::refused(draft.with("authorization", value).bytes(), &[401])
}

pub(crate) fn foreign_key(rng: &mut Rng, stakes: &Stakes) -> Case {
    let key = pick(rng, &[&stakes.inference, &stakes.revoked, &stakes.ingest]);
    Case::refused(anybodys(rng).key(key).bytes(), &[401])
}

pub(crate) fn accept(rng: &mut Rng, stakes: &Stakes) -> Case {
    let nobodys = [
        "text/html",
        "image/*",
        "csv",
        "application/json;q=0",
        "*/*;q=0",
        "application/*;q=0.0",
        "text/csvx",
        "application/vnd.api+json",
        "/;;;=\"",
        "application/json;q=2",
        "\"application/json\"",
        "text/html, */*;q=0",
    ];
    let (path, value) = match rng.u8(0..3) {
        0 => (pick(rng, &[ANALYTICS, BALANCE]), "text/csv"),
        _ => (pick(rng, &READS), pick(rng, &nobodys)),
    };
    Case::refused(Draft::new("GET", path).key(&stakes.admin).with("accept", value).bytes(), &[406])
}

/// Headers that must change nothing, beside a fault that is told.
pub(crate) fn beside(rng: &mut Rng, stakes: &Stakes) -> Case {
    let target = format!(
        "{}=0",
        pick(rng, &["/api/v1/billing/usage?limit", "/api/v1/billing/usage-history?pageSize"])
    );
    let mut draft = Draft::new("GET", target).key(&stakes.admin);
    let (mut is_last, id) = (false, word(rng, 200));
    for _ in 0..rng.usize(1..5) {
        let (name, value) = pick(
            rng,
            &[
                ("range", "bytes=0-10"),
                ("range", "bytes=-1,0-,9999999999999999999-"),
                ("if-none-match", "*"),
                ("if-modified-since", "yesterday"),
                ("expect", "the worst"),
                ("x-request-id", "two words"),
                ("x-request-id", &id),
                ("x-request-id", "\u{fc}"),
                ("x-forwarded-for", "127.0.0.1, ::1"),
                ("x-http-method-override", "DELETE"),
                ("x-original-url", "/metrics"),
                ("accept-encoding", "br, compress"),
                ("accept-encoding", "identity"),
                ("accept-charset", "utf-7"),
                ("prefer", "include=;;;=\""),
                ("te", "trailers"),
                ("trailer", "authorization"),
                ("via", "1.1 x"),
                ("content-type", "text/csv"),
                ("accept", "application/json"),
                ("accept", ""),
                ("upgrade", "h2c"),
                ("upgrade", "websocket"),
                ("http2-settings", "AAMAAABkAAQAAP__"),
                ("connection", "upgrade"),
                ("connection", "close"),
                ("connection", "keep-alive, , x-request-id"),
                ("keep-alive", "timeout=9999999"),
                ("content-length", "0"),
            ],
        );
        is_last |= value == "close";
        draft = draft.with(name, value);
    }
    let case = Case::refused(draft.bytes(), &[400]).saying(Says::Details);
    if is_last { case.then(Then::End) } else { case }
}

/// Requests that look strange and are right.
pub(crate) fn odd_but_right(rng: &mut Rng, stakes: &Stakes) -> Case {
    let plain = format!("{USAGE}?limit=2");
    let asked = |draft: Draft| Case::served(draft.key(&stakes.admin).bytes());
    match rng.u8(0..10) {
        0 => asked(Draft::new("GET", &plain).with("range", "bytes=0-10")),
        1 => asked(Draft::new("GET", format!("{plain}&x=1&x=2&&=&%ff"))),
        2 => asked(Draft::new("GET", format!("http://other.test{plain}"))),
        3 => asked(Draft::of_line(format!("GET {plain} HTTP/1.0"))).then(Then::End),
        4 => asked(Draft::new("GET", &plain).with("accept", "text/csv;q=0.1, */*;q=0.2")),
        5 => asked(Draft::new("GET", &plain).with("content-length", "0").with("content-length", "0")),
        6 => asked(Draft::new("GET", &plain).with("expect", "the best").with("upgrade", "h2c")),
        7 => asked(Draft::new("GET", format!("{HISTORY}?%70ageSize=%31%30"))),
        8 => {
            let bytes = Draft::new("GET", &plain).key(&stakes.admin).bytes();
            Case::served([b"\r\n\r\n", &*bytes].concat())
        }
        _ => asked(Draft::new("GET", format!("{HISTORY}?cursor={}", stakes.cursor))),
    }
}
