//! What a request asks for: paths, queries, cursors. The key is always right, so that rows are at stake.

use fastrand::Rng;

use super::case::{Case, Draft, Says};
use super::kinds::{pick, word};
use super::stakes::{READS, Stakes};
use crate::host::{ANALYTICS, HISTORY, USAGE};

/// The characters of a cursor, in the order of what they stand for.
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn asked(stakes: &Stakes, target: impl AsRef<[u8]>, statuses: &'static [u16]) -> Case {
    Case::refused(Draft::new("GET", target).key(&stakes.admin).bytes(), statuses)
}

pub(crate) fn unknown_path(rng: &mut Rng, stakes: &Stakes) -> Case {
    let known = pick(rng, &READS);
    let path = match rng.u8(0..10) {
        0 => format!("/{}", word(rng, 12)),
        1 => format!("{known}/"),
        2 => format!("/{known}"),
        3 => known.to_uppercase(),
        4 => known.replace('u', "%75").replace('b', "%62"),
        5 => known.replacen(
            "/v1/",
            pick(rng, &["/v2/", "//v1/", "/./v1/", "/x/../v1/", "/v1%2f", "/v1/%2e%2e/"]),
            1,
        ),
        6 => format!(
            "{known}{}",
            pick(rng, &["%00", "%ff", "%", "%zz", ";x=1", ".json", "%20", "é", "/é/日本", "\\", "*"])
        ),
        7 => format!("/{}", pick(rng, &["../", "a/", "%2e%2e/", "//"]).repeat(rng.usize(1..2000))),
        8 => format!(
            "/api/v1/billing/{}",
            pick(rng, &["ledger.db", "keys", "usages", "usage-", "{usage}", ":usage"])
        ),
        _ => pick(rng, &["/api", "/api/v1/billing", "/.git/config", "/admin", "/metrics/", "/docs/x"])
            .to_owned(),
    };
    let path = if rng.u8(0..4) == 0 { format!("{path}?limit=1&page=1") } else { path };
    asked(stakes, path, &[404])
}

/// Numbers that none of the ranges has.
fn no_number(rng: &mut Rng) -> String {
    match rng.u8(0..4) {
        0 => (0..40).map(|_| rng.digit(10)).chain(['1']).collect(),
        1 => word(rng, 6) + "x",
        _ => pick(
            rng,
            &[
                "0",
                "-1",
                "%2B5",
                "5.0",
                "1e400",
                "1e1",
                "0x10",
                "",
                "%20",
                "%ff",
                "%00",
                "%",
                "NaN",
                "Infinity",
                "4294967296",
                "18446744073709551616",
                "٣",
                "１",
                "1,2",
                "1%0d%0a",
                "null",
                "true",
                "[]",
                "5%20",
                "999999",
                "'1'",
                "1%3B",
                "00000000000000000000000000000000000000000",
            ],
        )
        .to_owned(),
    }
}

/// Instants that are none.
fn no_instant(rng: &mut Rng) -> &'static str {
    pick(
        rng,
        &[
            "",
            "now",
            "2026",
            "2026-05",
            "20260501T000000Z",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-05-01T25:00:00Z",
            "2026-05-01T00:00:00",
            "1780000000",
            "0000-00-00T00:00:00Z",
            "-1",
            "%00",
            "%ff%fe",
            "2026-05-01T00:00:00.Z",
            "99999-01-01T00:00:00Z",
            "2026-05-01t00:00:00zz",
            "2026-05-01T00:00:00%2B99:99",
        ],
    )
}

pub(crate) fn usage_query(rng: &mut Rng, stakes: &Stakes) -> Case {
    let query = match rng.u8(0..8) {
        0 => format!("limit={}", no_number(rng)),
        1 => format!("page={}&limit=2", no_number(rng).replace("999999", "0")),
        2 => format!("sortOrder={}", pick(rng, &["up", "ASC", "", "asc%00", "1", "desc,asc", "%ff"])),
        3 => format!(
            "currency={}",
            pick(rng, &["EUR", "usd", "", "USD%20", "USD,DIEM", "USD%00", "%ff", "*", "EARNED_CREDITS"])
        ),
        4 => format!("{}={}", pick(rng, &["startDate", "endDate"]), no_instant(rng)),
        5 => "startDate=2026-06-01T00:00:00Z&endDate=2026-05-01T00:00:00Z".to_owned(),
        6 => pick(
            rng,
            &["limit=1&limit=1", "page=1&page=2", "currency=USD&currency=USD", "sortOrder=asc&sortOrder=asc"],
        )
        .to_owned(),
        _ => format!("&&%6cimit=%30&={}&limit", word(rng, 20)),
    };
    asked(stakes, format!("{USAGE}?{query}"), &[400]).saying(Says::Details)
}

pub(crate) fn history_query(rng: &mut Rng, stakes: &Stakes) -> Case {
    let query = match rng.u8(0..8) {
        0 => format!("pageSize={}", no_number(rng)),
        1 => format!("pageSize={}", pick(rng, &["1", "9", "1001", "010000"])),
        2 => format!(
            "{}=1",
            pick(
                rng,
                &[
                    "page",
                    "limit",
                    "startDate",
                    "Cursor",
                    "pagesize",
                    "%70ageSizes",
                    "account",
                    "%00",
                    "é",
                    "%ff",
                    "a[]"
                ]
            )
        ),
        3 => format!("currency={}", pick(rng, &["VCU", "EUR", "usd", "", "USD%0a", "%ff"])),
        4 => format!("{}={}", pick(rng, &["startTimestamp", "endTimestamp"]), no_instant(rng)),
        5 => format!(
            "startTimestamp=2026-05-01T00:00:00{}",
            pick(rng, &["%2B02:00", "+00:00", "-00:01", ".00000000000000000000000000Z"])
        ),
        6 => "startTimestamp=2026-05-01T00:00:00Z&endTimestamp=2026-05-01T00:00:00Z".to_owned(),
        _ => pick(
            rng,
            &[
                "pageSize=10&pageSize=10",
                "currency=USD&currency=DIEM",
                "=",
                "x&y=z",
                "pageSize=10&account=theirs",
            ],
        )
        .to_owned(),
    };
    asked(stakes, format!("{HISTORY}?{query}"), &[400]).saying(Says::Details)
}

pub(crate) fn analytics_query(rng: &mut Rng, stakes: &Stakes) -> Case {
    let query = match rng.u8(0..6) {
        0 => format!(
            "lookback={}",
            pick(
                rng,
                &[
                    "0d",
                    "91",
                    "7",
                    "d",
                    "",
                    "07d",
                    "-1d",
                    "7D",
                    "1e400d",
                    "99999999999999999999",
                    "7d%00",
                    "٧d"
                ]
            )
        ),
        // Alone a date counts for nothing, but it has to be one.
        1 => format!("{}=2026-05-32", pick(rng, &["startDate", "endDate"])),
        2 => format!(
            "startDate={}&endDate=2026-05-02",
            pick(
                rng,
                &[
                    "",
                    "x",
                    "2026-5-1",
                    "2026-02-30",
                    "2026-05-01T00:00:00Z",
                    "%ff",
                    "2026-05-03",
                    "1066-05-01",
                    "+2026-05-01"
                ]
            )
        ),
        3 => "lookback=7&startDate=2026-05-01&endDate=2026-05-02".to_owned(),
        4 => format!("topN={}", pick(rng, &["0", "51", "-1", "x", "", "1e400", "4294967296", "%ff"])),
        _ => pick(rng, &["page=1", "lookback=7d&lookback=7d", "account=theirs", "%ff=1", "topN=1&topN=2"])
            .to_owned(),
    };
    asked(stakes, format!("{ANALYTICS}?{query}"), &[400]).saying(Says::Details)
}

pub(crate) fn enormous_parameter(rng: &mut Rng, stakes: &Stakes) -> Case {
    let (path, name) = pick(
        rng,
        &[
            (USAGE, "limit"),
            (USAGE, "currency"),
            (HISTORY, "cursor"),
            (HISTORY, "startTimestamp"),
            (ANALYTICS, "lookback"),
            (HISTORY, "x"),
        ],
    );
    let value = pick(rng, &["9", "x", "%ff", "%00", "é", "%3Cscript%3E", "%22", "'"]);
    let count = rng.usize(5_000..64_000) / value.len();
    let query = match rng.u8(0..3) {
        0 => format!("{name}={}", value.repeat(count)),
        1 => format!("{name}=x{}", "&x=".repeat(count / 4)),
        _ => format!("{name}=x{}", format!("&{name}=x").repeat(3_000)),
    };
    asked(stakes, format!("{path}?{query}"), &[400]).saying(Says::Details)
}

fn at_cursor(stakes: &Stakes, cursor: impl AsRef<[u8]>) -> Case {
    asked(stakes, [HISTORY.as_bytes(), b"?cursor=", cursor.as_ref()].concat(), &[400])
}

/// Any bit of what is signed, of the signature, and of those that the text has to spare.
pub(crate) fn flipped_cursor(rng: &mut Rng, stakes: &Stakes) -> Case {
    let mut cursor = stakes.cursor.clone().into_bytes();
    for _ in 0..pick(rng, &[1, 1, 1, 2, 7]) {
        let at = rng.usize(..cursor.len());
        let value = ALPHABET.iter().position(|byte| *byte == cursor[at]).unwrap();
        cursor[at] = ALPHABET[value ^ (1 << rng.u8(0..6))];
    }
    // The same bit flipped twice is none.
    if cursor == stakes.cursor.as_bytes() {
        cursor[0] ^= 1;
    }
    at_cursor(stakes, cursor)
}

pub(crate) fn cut_cursor(rng: &mut Rng, stakes: &Stakes) -> Case {
    let whole = &stakes.cursor;
    let at = rng.usize(1..whole.len());
    let cursor = match rng.u8(0..6) {
        0 => whole[..at].to_owned(),
        1 => whole[at..].to_owned(),
        2 => format!("{whole}{}", word(rng, 4)),
        3 => format!("{}{}", &whole[at..], &whole[..at]),
        4 => format!("{}{whole}", word(rng, 4)),
        _ => format!("{whole}{whole}"),
    };
    at_cursor(stakes, cursor)
}

pub(crate) fn foreign_cursor(rng: &mut Rng, stakes: &Stakes) -> Case {
    let half = stakes.cursor.len() / 2;
    match rng.u8(0..4) {
        0 => at_cursor(stakes, &stakes.their_cursor),
        1 => at_cursor(stakes, &stakes.expired_cursor),
        // Our own half of a token, and theirs.
        2 => at_cursor(stakes, format!("{}{}", &stakes.their_cursor[..half], &stakes.cursor[half..])),
        _ => {
            let target = format!("{HISTORY}?cursor={}", stakes.cursor);
            Case::refused(Draft::new("GET", target).key(&stakes.their_admin).bytes(), &[400])
        }
    }
}

pub(crate) fn no_cursor(rng: &mut Rng, stakes: &Stakes) -> Case {
    let (cursor, length) = (&stakes.cursor, pick(rng, &[1, 20, 70, 512, 513, 5000]));
    match rng.u8(0..7) {
        0 => at_cursor(stakes, word(rng, length)),
        1 => at_cursor(
            stakes,
            pick(
                rng,
                &["", "%00", "%ff", "a.b", "a%2Bb", "%20", "é", "null", "../../etc/passwd", "'%20OR%201=1--"],
            ),
        ),
        2 => at_cursor(stakes, format!("{cursor}=")),
        3 => at_cursor(stakes, format!("{cursor}&pageSize=10")),
        4 => at_cursor(stakes, format!("{cursor}&cursor={cursor}")),
        5 => at_cursor(stakes, format!("{cursor}&currency=USD&account=theirs")),
        _ => at_cursor(stakes, format!("%0d%0a{cursor}")),
    }
}
