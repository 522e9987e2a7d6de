//! Batches with rows that cannot be recorded: all of them are refused then.

use fastrand::Rng;

use super::batches::{row, rows};
use super::case::{Case, Draft, Says};
use super::kinds::{pick, word};
use super::stakes::{BODY_LIMIT, Stakes, gzip};
use crate::host::USAGE;

const HEADER: &str = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes,inferenceDetails.requestId,\
                      inferenceDetails.inferenceExecutionTime,inferenceDetails.promptTokens,\
                      inferenceDetails.completionTokens";

fn refused(rng: &mut Rng, stakes: &Stakes, media_type: &str, body: Vec<u8>) -> Case {
    let draft = Draft::new("POST", USAGE).key(&stakes.ingest).with("content-type", media_type);
    let draft = draft.with("idempotency-key", word(rng, 20));
    let third = body.len() / 3;
    let draft = match rng.u8(0..4) {
        0 if third > 0 => draft.chunks(&[&body[..third], &body[third..]]),
        _ => draft.body(body),
    };
    Case::refused(draft.bytes(), &[422]).saying(Says::Issues)
}

/// A row with one thing wrong.
fn bad_row(rng: &mut Rng) -> Vec<u8> {
    let good = row(rng);
    let replaced = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} in {good}");
        good.replacen(from, to, 1).into_bytes()
    };
    match rng.u8(0..12) {
        0 => pick(
            rng,
            &["null", "true", "0", "\"text\"", "[]", "{}", "{", "}", "nonsense", "[{}]", "\u{0}", "{}{}"],
        )
        .into(),
        1 => replaced("\"amount\":", "\"amounts\":"),
        2 => replaced(
            "2026-06-01T00:00:00.000Z",
            pick(rng, &["", "now", "1066-10-14T00:00:00Z", "9999-12-31T00:00:00Z", "2026-02-30T00:00:00Z"]),
        ),
        3 => replaced(
            "-0.1",
            pick(
                rng,
                &[
                    "\"\"",
                    "null",
                    "true",
                    "[1]",
                    "{}",
                    "-",
                    "1.",
                    ".1",
                    "01",
                    "+1",
                    "NaN",
                    "-Infinity",
                    "0x1",
                ],
            ),
        ),
        4 => replaced("stored by mistake", "\\ud80"),
        5 => replaced("stored by mistake", "\\x"),
        6 => replaced("stored by mistake", "\u{1}"),
        7 => replaced("\"notes\":", "\"note\":"),
        8 => replaced("stored by mistake", &"x".repeat(5000)),
        9 => good.into_bytes().into_iter().map(|byte| if byte == b'.' { 0xff } else { byte }).collect(),
        10 => good[..rng.usize(1..good.len())].into(),
        _ => {
            replaced("\"sku\":\"", pick(rng, &["\"sku\":7,\"x\":\"", "\"sku\":null,\"x\":\"", "\"sku\":[\""]))
        }
    }
}

pub(crate) fn ndjson(rng: &mut Rng, stakes: &Stakes) -> Case {
    let (before, after) = (rng.usize(0..4), rng.usize(0..4));
    let body = [rows(rng, before), bad_row(rng), b"\n".to_vec(), rows(rng, after)].concat();
    refused(rng, stakes, "application/x-ndjson", body)
}

/// Of any number of rows up to the body limit, with a few bad ones anywhere: a small fault in a large batch.
pub(crate) fn large(rng: &mut Rng, stakes: &Stakes) -> Case {
    let one = rows(rng, 1).len() + 40;
    let count = pick(rng, &[999, 1000, 1001, 2000, 2001, BODY_LIMIT / one]);
    let mut lines: Vec<_> = (0..count).map(|_| row(rng).into_bytes()).collect();
    for _ in 0..rng.usize(1..4) {
        let anywhere = rng.usize(0..count);
        let place = pick(rng, &[0, count / 2, count - 1, anywhere]);
        lines[place] = row(rng).replacen("-0.1", "\"1e400\"", 1).into_bytes();
    }
    let (media_type, body) = match rng.bool() {
        true => ("application/x-ndjson", lines.join(&b'\n')),
        false => ("application/json", [b"[", &*lines.join(&b','), b"]"].concat()),
    };
    if rng.bool() {
        let draft = Draft::new("POST", USAGE).key(&stakes.ingest).with("content-type", media_type);
        let draft = draft.with("idempotency-key", word(rng, 20)).with("content-encoding", "gzip");
        return Case::refused(draft.body(gzip(&body)).bytes(), &[422]).saying(Says::Issues);
    }
    refused(rng, stakes, media_type, body)
}

pub(crate) fn json(rng: &mut Rng, stakes: &Stakes) -> Case {
    let good = row(rng).into_bytes();
    let body = match rng.u8(0..5) {
        0 => pick(
            rng,
            &[
                "",
                "{}",
                "null",
                "0",
                "\"\"",
                "[",
                "]",
                "[,]",
                "[null]",
                "nonsense",
                "[[]]",
                "\u{feff}[",
                "[] []",
                "[]x",
            ],
        )
        .into(),
        1 => [b"[", &*good, b",", &bad_row(rng), b"]"].concat(),
        2 => [b"[", &*good, b","].concat(),
        3 => [b"[", &*good, pick(rng, &[" ", ";", "}", "]]", "] nonsense", ",]", ",,]"]).as_bytes()].concat(),
        _ => [b"{\"data\":[", &*good, b"]}"].concat(),
    };
    refused(rng, stakes, "application/json", body)
}

pub(crate) fn csv(rng: &mut Rng, stakes: &Stakes) -> Case {
    let good = "2026-06-01T00:00:00.000Z,x-llm-output-mtoken,1,0.1,-0.1,USD,stored by mistake,,,,";
    let header = HEADER;
    let body: Vec<u8> = match rng.u8(0..12) {
        0 => format!("{header}\n{good}\n{}\n", good.replace("stored by mistake", "\"never closed")).into(),
        1 => format!("{header}\n{good},more,fields\n").into(),
        2 => format!("{header}\n{good}\ntoo,few\n").into(),
        3 => format!("{}\n{good}\n", header.replace("amount", "amounts")).into(),
        4 => format!("{header},notes\n{good},twice\n").into(),
        5 => format!("{good}\n").into(),
        6 => format!(
            "{header}\n{}\n",
            good.replace("-0.1", pick(rng, &["", "x", "1e400", "-", "0,1", "\"-0.1\"\"\""]))
        )
        .into(),
        7 => format!("{header}\n{}\n", good.replace("stored by mistake", "a\"b\"c\"\"").replace("2026", ""))
            .into(),
        8 => [
            header.as_bytes(),
            b"\n",
            &good
                .replace("stored", "X")
                .bytes()
                .map(|b| if b == b'X' { 0xff } else { b })
                .collect::<Vec<_>>(),
            b"\n",
        ]
        .concat(),
        9 => format!("{header}\n{}\n", good.replace("2026-06-01", "0001-06-01")).into(),
        10 => format!(
            "{header}\n{good}\n{}\n",
            good.replace("stored by mistake", &format!("\"{}\"", "x\n".repeat(2500)))
        )
        .into(),
        _ => pick(rng, &["", "\n", ",,,,\n", "\"", "\u{feff}", "timestamp\n", "{}\n"]).into(),
    };
    refused(rng, stakes, "text/csv", body)
}

pub(crate) fn deep(rng: &mut Rng, stakes: &Stakes) -> Case {
    let depth = rng.usize(200..100_000);
    let nest = |open: &str, close: &str| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let nested = match rng.u8(0..3) {
        0 => nest("[", "]"),
        1 => nest("{\"a\":", "}"),
        _ => "[{\"a\":".repeat(depth / 3),
    };
    let good = row(rng);
    match rng.u8(0..3) {
        0 => refused(rng, stakes, "application/json", nested.into()),
        1 => refused(rng, stakes, "application/x-ndjson", nested.into()),
        _ => {
            let body =
                good.replacen("\"inferenceDetails\":null", &format!("\"inferenceDetails\":{nested}"), 1);
            refused(rng, stakes, "application/x-ndjson", body.into())
        }
    }
}

/// Nearly as large as a batch may be.
pub(crate) fn enormous(rng: &mut Rng, stakes: &Stakes) -> Case {
    let good = row(rng);
    let long = pick(rng, &["x", "\\u0000", "é", "\\\\", "9"]);
    let long = long.repeat(900_000 / long.len());
    match rng.u8(0..4) {
        0 => refused(rng, stakes, "application/x-ndjson", long.into()),
        1 => refused(rng, stakes, "application/x-ndjson", good.replacen("stored", &long, 1).into()),
        2 => {
            refused(rng, stakes, "application/json", format!("[{}", good.replacen("stored", &long, 1)).into())
        }
        _ => refused(rng, stakes, "text/csv", format!("{HEADER}\n\"{long}").into()),
    }
}

pub(crate) fn numbers(rng: &mut Rng, stakes: &Stakes) -> Case {
    let digits: String = (0..40).map(|_| rng.digit(10)).collect();
    let number = match rng.u8(0..4) {
        0 => format!("7{digits}"),
        1 => format!("0.{digits}7"),
        2 => "9".repeat(pick(rng, &[40, 1000, 100_000])),
        _ => pick(
            rng,
            &[
                "1e400",
                "-1e400",
                "1e-400",
                "1e99999999999999999999",
                "1E+1000",
                "79228162514264337593543950336",
            ],
        )
        .to_owned(),
    };
    let field = pick(rng, &["amount\":-0.1", "units\":", "pricePerUnitUsd\":"]);
    let name = field.split('"').next().unwrap_or_default();
    let good = row(rng);
    let at = good.find(&format!("\"{name}\":")).unwrap() + name.len() + 3;
    let end = at + good[at..].find([',', '}']).unwrap();
    let body = format!("{}{number}{}\n", &good[..at], &good[end..]);
    refused(rng, stakes, "application/x-ndjson", body.into())
}
