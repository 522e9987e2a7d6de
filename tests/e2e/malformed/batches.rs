//! Batches that are refused for their headers or their size. Each would be stored if that were right.

use billing_model::UsageEntry;
use fastrand::Rng;

use super::case::{Case, Draft, Says, Then};
use super::kinds::{pick, word};
use super::stakes::{BODY_LIMIT, Stakes, TAKEN_KEY, gzip};
use crate::billing::ndjson;
use crate::host::{ANALYTICS, BALANCE, HISTORY, USAGE};
use crate::ledger::noted;

/// An entry that is not in the ledger and must not get there.
fn entry(rng: &mut Rng) -> UsageEntry {
    noted("2026-06-01T00:00:00Z", &format!("stored by mistake {}", rng.u64(..)))
}

/// A row of NDJSON without its line end.
pub(crate) fn row(rng: &mut Rng) -> String {
    String::from_utf8(ndjson(&[entry(rng)])).unwrap().trim_end().to_owned()
}

/// So many rows of NDJSON.
pub(crate) fn rows(rng: &mut Rng, count: usize) -> Vec<u8> {
    ndjson(&(0..count).map(|_| entry(rng)).collect::<Vec<_>>())
}

fn idempotent(rng: &mut Rng, draft: Draft) -> Draft {
    draft.with("idempotency-key", word(rng, 20))
}

/// A batch that is stored.
fn batch(rng: &mut Rng, stakes: &Stakes) -> Draft {
    idempotent(rng, stakes.batch())
}

pub(crate) fn odd_key(rng: &mut Rng, stakes: &Stakes) -> Case {
    let draft = Draft::new("POST", USAGE).with("content-type", "application/x-ndjson");
    let draft = idempotent(rng, draft);
    let draft = match rng.u8(0..5) {
        0 => draft,
        1 => draft.key(&stakes.admin),
        2 => draft.key(&stakes.inference),
        3 => draft.key(&stakes.revoked),
        _ => draft.key(&word(rng, 40)),
    };
    let count = pick(rng, &[1, 10, 1000]);
    Case::refused(draft.body(rows(rng, count)).bytes(), &[401]).then(Then::End)
}

pub(crate) fn wrong_route(rng: &mut Rng, stakes: &Stakes) -> Case {
    let path = pick(rng, &[HISTORY, ANALYTICS, BALANCE, "/healthz", "/metrics"]);
    let draft = idempotent(rng, Draft::new("POST", path).key(&stakes.ingest));
    Case::refused(draft.with("content-type", "application/x-ndjson").body(rows(rng, 1)).bytes(), &[405])
        .then(Then::End)
}

pub(crate) fn accept(rng: &mut Rng, stakes: &Stakes) -> Case {
    let draft =
        batch(rng, stakes).with("accept", pick(rng, &["text/csv", "text/html", "application/json;q=0"]));
    Case::refused(draft.body(rows(rng, 1)).bytes(), &[406]).then(Then::End)
}

pub(crate) fn media_type(rng: &mut Rng, stakes: &Stakes) -> Case {
    let types = [
        &b""[..],
        b"json",
        b"application/xml",
        b"text/plain",
        b"application/x-www-form-urlencoded",
        b"*/*",
        b"multipart/form-data; boundary=x",
        b"application/vnd.api+json",
        b"application/json+x",
        b"application/",
        b"text/csv, application/json",
        b"\xff",
        b"application/x-ndjson\xe9",
        b"application/octet-stream",
        b";",
    ];
    let draft = idempotent(rng, Draft::new("POST", USAGE).key(&stakes.ingest));
    let draft = match rng.u8(0..4) {
        0 => draft,
        1 => draft.with("content-type", "application/x-ndjson").with("content-type", "application/x-ndjson"),
        _ => draft.with("content-type", pick(rng, &types)),
    };
    Case::refused(draft.body(rows(rng, 1)).bytes(), &[415]).then(Then::End)
}

pub(crate) fn coding(rng: &mut Rng, stakes: &Stakes) -> Case {
    let draft = batch(rng, stakes);
    let draft = match rng.u8(0..3) {
        0 => draft.with("content-encoding", "gzip").with("content-encoding", "gzip"),
        _ => {
            let codings =
                [&b"br"[..], b"deflate", b"zstd", b"gzip, gzip", b"x-gzip", b"", b"aes128gcm", b"\xff", b"*"];
            draft.with("content-encoding", pick(rng, &codings))
        }
    };
    Case::refused(draft.body(gzip(&rows(rng, 1))).bytes(), &[415]).then(Then::End)
}

pub(crate) fn idempotency_key(rng: &mut Rng, stakes: &Stakes) -> Case {
    let draft = stakes.batch();
    let draft = match rng.u8(0..4) {
        0 => draft,
        1 => draft.with("idempotency-key", word(rng, 256)),
        2 => draft.with("idempotency-key", "a").with("idempotency-key", "a"),
        _ => draft.with(
            "idempotency-key",
            pick(rng, &[&b""[..], b"two words", b"\xff", b"\xc3\xa9", b"a\tb", b"  "]),
        ),
    };
    Case::refused(draft.body(rows(rng, 1)).bytes(), &[400]).then(Then::End)
}

pub(crate) fn conflict(rng: &mut Rng, stakes: &Stakes) -> Case {
    let draft = stakes.batch().with("idempotency-key", TAKEN_KEY);
    Case::refused(draft.body(rows(rng, 1)).bytes(), &[409])
}

pub(crate) fn announced_too_large(rng: &mut Rng, stakes: &Stakes) -> Case {
    let length = pick(rng, &[BODY_LIMIT + 1, 16 << 20, 1 << 40, usize::MAX / 2]).to_string();
    let draft = batch(rng, stakes).with("content-length", length).raw_body(rows(rng, 1));
    Case::refused(draft.bytes(), &[413]).then(Then::End)
}

pub(crate) fn too_large(rng: &mut Rng, stakes: &Stakes) -> Case {
    let one = rows(rng, 1);
    let whole = one.repeat(BODY_LIMIT / one.len() + rng.usize(1..2000));
    let draft = batch(rng, stakes);
    let draft = match rng.u8(0..3) {
        0 => draft.body(whole),
        1 => draft.chunks(&whole.chunks(16 << 10).collect::<Vec<_>>()),
        // Small when it comes, and too large once it is decompressed.
        _ => {
            let case =
                Case::refused(draft.with("content-encoding", "gzip").body(gzip(&whole)).bytes(), &[413]);
            return case;
        }
    };
    Case::refused(draft.bytes(), &[413]).then(Then::End)
}

pub(crate) fn bomb(rng: &mut Rng, stakes: &Stakes) -> Case {
    let bomb = stakes.bomb.repeat(rng.usize(1..4));
    let draft = batch(rng, stakes).with("content-encoding", "gzip").body(bomb);
    Case::refused(draft.bytes(), &[413])
}

pub(crate) fn damaged_gzip(rng: &mut Rng, stakes: &Stakes) -> Case {
    let whole = gzip(&rows(rng, 3));
    let body = match rng.u8(0..5) {
        0 => whole[..rng.usize(1..whole.len())].to_vec(),
        1 => {
            // Its checksum, or its length.
            let (mut body, at) = (whole.clone(), whole.len() - rng.usize(1..9));
            body[at] ^= 1 << rng.u8(0..8);
            body
        }
        2 => rows(rng, 1),
        3 => [&*whole, b"more"].concat(),
        _ => [&b"\x1f\x8b"[..], &(0..rng.usize(0..100)).map(|_| rng.u8(0xf0..)).collect::<Vec<_>>()].concat(),
    };
    let draft = batch(rng, stakes).with("content-encoding", "gzip").body(body);
    Case::refused(draft.bytes(), &[400])
}

/// RFC 9110 10.1.1: the answer comes whether or not the body was waited for.
pub(crate) fn expecting(rng: &mut Rng, stakes: &Stakes) -> Case {
    let expect = pick(rng, &["100-continue", "100-Continue"]);
    let body = [&*rows(rng, 1), b"no row\n"].concat();
    let case = match rng.u8(0..3) {
        0 => {
            let draft = idempotent(rng, Draft::new("POST", USAGE)).with("expect", expect);
            Case::refused(draft.body(body).bytes(), &[401]).then(Then::End)
        }
        1 => {
            let draft = batch(rng, stakes)
                .with("expect", expect)
                .with("content-length", (BODY_LIMIT + 1).to_string());
            Case::refused(draft.bytes(), &[413]).then(Then::End)
        }
        _ => {
            let draft = batch(rng, stakes).with("expect", expect);
            Case::refused(draft.body(body).bytes(), &[422]).saying(Says::Issues)
        }
    };
    Case { is_interim: true, ..case }
}
