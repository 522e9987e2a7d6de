//! Bad rows in batches of every size: each is named, and nothing is stored, whatever the size, the form and the place.

use serde::Deserialize;

use crate::host::Host;
use crate::ledger::Ledger;

use super::batches::{Found, gzip, post};

/// Rows are as short as can be, so that there are as many of them as a body can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Ndjson,
    Json,
    Csv,
}

impl Form {
    fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Json => "application/json",
            Self::Csv => "text/csv",
        }
    }

    fn row(self, amount: &str) -> String {
        match self {
            Self::Csv => format!("2026-05-01T00:00:00Z,s,1,1,{amount},USD,\n"),
            Self::Ndjson | Self::Json => format!(
                "{{\"timestamp\":\"2026-05-01T00:00:00Z\",\"sku\":\"s\",\"pricePerUnitUsd\":1,\"units\":1,\"amount\":{amount},\
                 \"currency\":\"USD\",\"notes\":\"\"}}{}",
                if self == Self::Json { "," } else { "\n" }
            ),
        }
    }

    /// A batch with bad rows at these places, from 1.
    fn body(self, rows: usize, bad: &[usize]) -> Vec<u8> {
        let good = self.row("-1");
        let spoilt = self.row(if self == Self::Csv { "-O" } else { "\"\"" });
        let mut body = match self {
            Self::Ndjson => String::new(),
            Self::Json => "[".to_owned(),
            Self::Csv => "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes\n".to_owned(),
        };
        let mut next = 1;
        for place in bad {
            body.extend(std::iter::repeat_n(good.as_str(), place - next));
            body.push_str(&spoilt);
            next = place + 1;
        }
        body.extend(std::iter::repeat_n(good.as_str(), rows + 1 - next));
        if self == Self::Json {
            body.pop();
            body.push(']');
        }
        body.into_bytes()
    }

    /// As many rows as a body of so many bytes can hold, the bad ones among them.
    fn most(self, limit: usize) -> usize {
        (limit - 200) / self.row("\"\"").len()
    }
}

/// The ranges that a refusal names.
fn ranges(bad: &[usize]) -> Vec<(usize, usize)> {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for place in bad {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *place => *last = *place,
            _ => ranges.push((*place, *place)),
        }
    }
    ranges
}

/// What a refusal says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    rows: usize,
    bad_rows: Vec<(usize, usize)>,
    issues: Vec<Issue>,
}

#[derive(Deserialize)]
struct Issue {
    row: usize,
}

struct House {
    ledger: Ledger,
    ingest: String,
    host: Host,
}

impl House {
    fn of(options: &[&str]) -> Self {
        let ledger = Ledger::of(&[]);
        let ingest = ledger.key("default", "ingest");
        let host = Host::start(&ledger.path(), &[&["--failed-request-limit", "0"], options].concat());
        Self { ledger, ingest, host }
    }

    #[track_caller]
    fn names(&self, form: Form, rows: usize, bad: &[usize], is_gzip: bool) {
        let what = format!("{form:?}, {rows} rows, bad {bad:?}, gzip {is_gzip}");
        let body = form.body(rows, bad);
        let body = if is_gzip { gzip(&body) } else { body };
        let request = post(&self.ingest, "batch", form.media_type(), body);
        let request = if is_gzip { request.header("content-encoding", "gzip") } else { request };
        let answer = self.host.ask(&request);
        assert_eq!(answer.status, 422, "{what}: {}", answer.text());
        let said: Said = serde_json::from_str(answer.text()).unwrap();
        assert_eq!((said.rows, said.bad_rows), (rows, ranges(bad)), "{what}");
        let described: Vec<_> = said.issues.iter().map(|issue| issue.row).collect();
        assert_eq!(described, bad[..bad.len().min(1000)], "{what}");
    }

    #[track_caller]
    fn has_nothing(&self) {
        let admin = self.ledger.key("default", "admin");
        assert_eq!(Found::by_walk(&self.host, &admin), Found::default());
    }
}

/// Where bad rows can be: first, middle, last, several, each second one, all.
fn places(rows: usize) -> Vec<Vec<usize>> {
    let mut places = vec![
        vec![1],
        vec![rows],
        vec![rows.div_ceil(2)],
        vec![1, rows.div_ceil(2), rows],
        (1..=rows).step_by(2).collect(),
        (1..=rows).collect(),
    ];
    places.iter_mut().for_each(Vec::dedup);
    places.dedup();
    places
}

#[test]
fn every_bad_row_is_named_in_batches_of_every_size() {
    const LIMIT: usize = 1 << 20;
    let house = House::of(&["--body-limit", "1"]);
    for form in [Form::Ndjson, Form::Json, Form::Csv] {
        for rows in [1, 2, 3, 999, 1000, 1001, 1002, 2001, form.most(LIMIT)] {
            for bad in places(rows) {
                for is_gzip in [false, true] {
                    house.names(form, rows, &bad, is_gzip);
                }
            }
        }
    }
    house.has_nothing();
}

/// With the limit that servers usually have: 460,000 rows of CSV.
#[test]
fn every_bad_row_is_named_in_the_largest_batches() {
    const LIMIT: usize = 16 << 20;
    let house = House::of(&[]);
    for form in [Form::Ndjson, Form::Json, Form::Csv] {
        let rows = form.most(LIMIT);
        for (bad, is_gzip) in [(vec![1], false), (vec![1, rows / 2, rows], true), (vec![rows], true)] {
            house.names(form, rows, &bad, is_gzip);
        }
    }
    house.has_nothing();
}
