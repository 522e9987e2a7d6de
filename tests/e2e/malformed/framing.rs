//! Where a request ends: cuts, lengths that lie, chunks, and requests inside of others.

use fastrand::Rng;

use super::batches::{row, rows};
use super::case::{Case, Draft, Says, Then};
use super::kinds::{pick, word};
use super::stakes::{READS, Stakes};
use crate::host::{HISTORY, USAGE};

pub(crate) fn cut_head(rng: &mut Rng, stakes: &Stakes) -> Case {
    let bytes = match rng.bool() {
        true => Draft::new("GET", pick(rng, &READS)).key(&stakes.admin).bytes(),
        false => stakes.batch().with("idempotency-key", word(rng, 9)).with("content-length", "0").bytes(),
    };
    let end = rng.usize(1..bytes.len());
    Case::no_request(bytes[..end].to_vec(), &[400]).then(Then::HalfClose)
}

/// A batch that would be stored if only its length were right.
fn batch(rng: &mut Rng, stakes: &Stakes) -> Draft {
    stakes.batch().with("idempotency-key", word(rng, 20))
}

pub(crate) fn odd_length(rng: &mut Rng, stakes: &Stakes) -> Case {
    let lengths = [
        "-1",
        "+5",
        "5,5",
        "5, 5",
        "5 5",
        "0x10",
        "1e3",
        "",
        "\u{663}",
        "5;",
        "five",
        "18446744073709551616",
        "9999999999999999999999999999999999999999",
        "0.5",
        "-0",
        "\"5\"",
        "5\t5",
        "1_000",
    ];
    let draft = batch(rng, stakes).with("content-length", pick(rng, &lengths)).raw_body(rows(rng, 1));
    Case::no_request(draft.bytes(), &[400])
}

pub(crate) fn two_lengths(rng: &mut Rng, stakes: &Stakes) -> Case {
    let body = rows(rng, 1);
    let other = pick(rng, &[0, 1, body.len() - 1, body.len() + 1]).to_string();
    let draft = batch(rng, stakes);
    let draft = match rng.bool() {
        true => draft.with("content-length", other).body(body),
        false => draft.body(body).with("Content-Length", other),
    };
    Case::no_request(draft.bytes(), &[400])
}

/// The library tells these from those that are none, as too large a header.
pub(crate) fn length_beyond_numbers(rng: &mut Rng, stakes: &Stakes) -> Case {
    let length = pick(rng, &["18446744073709551615", "18446744073709551614"]);
    let draft = batch(rng, stakes).with("content-length", length).raw_body(rows(rng, 1));
    Case::no_request(draft.bytes(), &[400, 413, 431])
}

/// The rest of the body is a request that is none.
pub(crate) fn short_length(rng: &mut Rng, stakes: &Stakes) -> Case {
    let body = row(rng);
    let length = rng.usize(1..body.len() - 1).to_string();
    let draft = batch(rng, stakes).with("content-length", length).raw_body(body + "\n\r\n\r\n");
    Case::refused(draft.bytes(), &[422]).saying(Says::Issues).then(Then::Leftovers)
}

pub(crate) fn long_length(rng: &mut Rng, stakes: &Stakes) -> Case {
    let body = rows(rng, 2);
    let length = (body.len() + pick(rng, &[1, 2, 100, 500_000])).to_string();
    let draft = batch(rng, stakes).with("content-length", length).raw_body(body);
    Case::refused(draft.bytes(), &[400]).then(Then::HalfClose)
}

pub(crate) fn odd_coding(rng: &mut Rng, stakes: &Stakes) -> Case {
    let draft = batch(rng, stakes);
    let codings = [
        "identity",
        "gzip",
        "chunked, gzip",
        "xchunked",
        "chunked;q=1",
        "",
        "chunked,",
        "chunked x",
        "\"chunked\"",
    ];
    let draft = match rng.u8(0..4) {
        0 => draft.with("transfer-encoding", "chunked").with("transfer-encoding", "identity"),
        1 => draft.with_line("transfer-encoding : chunked"),
        2 => draft.with("transfer-encoding", b"\x0bchunked"),
        _ => draft.with("transfer-encoding", pick(rng, &codings)),
    };
    let chunks = [format!("{:x}\r\n", 4).as_bytes(), b"abcd\r\n0\r\n\r\n"].concat();
    Case::no_request(draft.raw_body(chunks).bytes(), &[400])
}

pub(crate) fn coding_before_chunked(rng: &mut Rng, stakes: &Stakes) -> Case {
    let coding = pick(rng, &["gzip, chunked", "identity, chunked", "br,chunked"]);
    let draft = batch(rng, stakes).with("transfer-encoding", coding);
    Case::refused(draft.raw_body("3\r\n\x1f\x0b\x08\r\n0\r\n\r\n").bytes(), &[422]).then(Then::End)
}

/// A request for rows where one reader of lengths sees a body and another one a request.
pub(crate) fn smuggled(rng: &mut Rng, stakes: &Stakes) -> Case {
    let inner = Draft::new("GET", format!("{HISTORY}?pageSize=10")).key(&stakes.admin).bytes();
    let chunked = [b"0\r\n\r\n", &*inner].concat();
    match rng.u8(0..5) {
        // The coding counts, and nothing after it does.
        0 => {
            let draft = Draft::new("POST", USAGE).with("content-length", chunked.len().to_string());
            Case::refused(draft.with("transfer-encoding", "chunked").raw_body(chunked).bytes(), &[401])
                .then(Then::End)
        }
        1 => {
            let draft = Draft::new("GET", format!("{USAGE}?limit=0")).with("transfer-encoding", "chunked");
            let draft = draft.key(&stakes.inference).with("content-length", "5").raw_body(chunked);
            Case::refused(draft.bytes(), &[401]).then(Then::End)
        }
        // The length counts, and what it covers is no request.
        2 => Case::refused(Draft::new("POST", USAGE).body(inner).bytes(), &[401]).then(Then::End),
        3 => {
            let draft = batch(rng, stakes).body([b"no row\n", &*inner].concat());
            Case::refused(draft.bytes(), &[422]).saying(Says::Issues)
        }
        // A header that ends a header.
        _ => {
            let line = [b"x-name: value\r\r\n\r\n", &*inner].concat();
            Case::no_request(Draft::new("GET", USAGE).with_line(line).bytes(), &[400])
        }
    }
}

pub(crate) fn odd_chunks(rng: &mut Rng, stakes: &Stakes) -> Case {
    let row = row(rng);
    let good = format!("{:x}\r\n{row}\r\n", row.len());
    let odd = match rng.u8(0..12) {
        0 => format!("{good}xyz\r\n"),
        1 => format!("{good}-1\r\nx\r\n0\r\n\r\n"),
        2 => format!("{good}\r\n0\r\n\r\n"),
        3 => format!("{good}FFFFFFFFFFFFFFFFF\r\nx\r\n0\r\n\r\n"),
        4 => format!("{:x}\r\n{row}x\r\n0\r\n\r\n", row.len()),
        5 => format!("{:x}\n{row}\n0\n\n", row.len()),
        6 => format!("{good}0x1\r\nx\r\n0\r\n\r\n"),
        7 => format!("{good}1;{}\r\nx\r\n0\r\n\r\n", "x".repeat(20_000)),
        8 => format!("{good}1;a\nb\r\nx\r\n0\r\n\r\n"),
        9 => format!("{good}0\r\nx: {}\r\n\r\n", "x".repeat(200_000)),
        10 => format!("{good}0\r\nno trailer\r\n\r\n"),
        _ => format!("{good}1 1\r\nx\r\n0\r\n\r\n"),
    };
    let draft = batch(rng, stakes).with("transfer-encoding", "chunked").raw_body(odd);
    Case::refused(draft.bytes(), &[400]).then(Then::HalfClose)
}

pub(crate) fn cut_chunks(rng: &mut Rng, stakes: &Stakes) -> Case {
    let row = row(rng);
    let whole = format!("{:x}\r\n{row}\r\n0\r\n\r\n", row.len());
    let body = match rng.u8(0..3) {
        0 => format!("FFFFFFF\r\n{row}"),
        _ => whole[..rng.usize(..whole.len())].to_owned(),
    };
    let draft = batch(rng, stakes).with("transfer-encoding", "chunked").raw_body(body);
    Case::refused(draft.bytes(), &[400]).then(Then::HalfClose)
}

/// It is not read, and must not be taken for the next request.
pub(crate) fn body_of_a_read(rng: &mut Rng, stakes: &Stakes) -> Case {
    let draft = Draft::new("GET", format!("{USAGE}?limit=0")).key(&stakes.admin);
    let inner = stakes.normal().bytes();
    let draft = match rng.u8(0..3) {
        0 => draft.body(inner),
        1 => draft.chunks(&[&inner, b"x"]),
        _ => draft.with("content-length", "999999999999").raw_body(inner),
    };
    Case::refused(draft.bytes(), &[400]).saying(Says::Details).then(Then::End)
}
