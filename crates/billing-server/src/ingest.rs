//! `POST /billing/usage`: a batch of entries, taken whole or not at all.

use std::io::Read;
use std::ops::RangeInclusive;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use billing_format::{RowFormat, rows};
use billing_ledger::{PackedEntries, Receipt};
use flate2::bufread::MultiGzDecoder;
use http_body_util::BodyExt;
use mediatype::MediaType;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::budget::work_bytes;
use crate::error::Error;
use crate::metrics::Amounts;
use crate::row_rules::{Refused, RowRules};
use crate::whole_body::{JSON, whole_body};

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The header that says that a batch was there already and was not stored again.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Characters of an idempotency key, at most.
pub(crate) const MAX_KEY_LEN: usize = 255;

/// The most faults that are described. The places of the others are listed as ranges.
const DESCRIBED: usize = 1000;

/// How many times as long a body can be once it is decompressed: DEFLATE cannot do more.
const MOST_GZIP: usize = 1032;

/// What the headers of a request say of its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) idempotency_key: String,
    format: RowFormat,
    is_gzip: bool,
}

/// A batch that can be stored.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) digest: [u8; 32],
    pub(crate) entries: PackedEntries,
    pub(crate) amounts: Amounts,
}

impl Announced {
    /// # Errors
    /// An error for a required header that is missing, and for a value that is not taken.
    pub(crate) fn by(headers: &HeaderMap) -> Result<Self, Error> {
        let is_gzip = match only(headers, &CONTENT_ENCODING) {
            Ok(None) => false,
            Ok(Some(coding)) if coding.eq_ignore_ascii_case("identity") => false,
            Ok(Some(coding)) if coding.eq_ignore_ascii_case("gzip") => true,
            _ => return Err(Error::ContentCoding),
        };
        let format = match only(headers, &CONTENT_TYPE) {
            Ok(Some(media_type)) => format_of(media_type).ok_or(Error::MediaType)?,
            _ => return Err(Error::MediaType),
        };
        let key = only(headers, &IDEMPOTENCY_KEY).ok().flatten().unwrap_or_default();
        let is_key =
            (1..=MAX_KEY_LEN).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_key {
            return Err(Error::IdempotencyKey);
        }
        Ok(Self { idempotency_key: key.to_owned(), format, is_gzip })
    }

    /// The memory that it takes to read a body that came with so many bytes.
    pub(crate) fn work_bytes(&self, came: usize, limit: usize) -> usize {
        let whole = if self.is_gzip { came.saturating_mul(MOST_GZIP).min(limit) } else { came };
        work_bytes(whole, self.is_gzip)
    }

    /// Reads the batch from the body that came: every row, good or bad.
    ///
    /// # Errors
    /// [`Error::Rows`] with everything that is wrong, or the error that prevents reading.
    pub(crate) fn check(&self, body: Vec<u8>, (limit, rules): (usize, RowRules)) -> Result<Checked, Error> {
        let body = if self.is_gzip { decompress(&body, limit)? } else { body };
        // The format is a part of the digest, because the same text means other rows in another format.
        let mut digest = Sha256::new_with_prefix(format!("{:?}\n", self.format));
        digest.update(&body);
        // Rows take no more than their text, so this is never too little.
        let mut entries = PackedEntries::with_capacity(body.len());
        let (mut amounts, mut faults) = (Amounts::default(), Faults::default());
        for row in rows(&*body, self.format).strict() {
            let refused = match row {
                Ok(entry) => match rules.check(&entry) {
                    Ok(()) => {
                        faults.rows += 1;
                        // After the first fault nothing will be stored, so entries need not be kept.
                        if faults.is_none() {
                            amounts.add(&entry);
                            entries.push(&entry);
                        }
                        continue;
                    }
                    Err(refused) => refused,
                },
                Err(error) => error.into(),
            };
            entries = PackedEntries::default();
            faults.add(refused);
        }
        let digest = digest.finalize().into();
        if faults.is_none() {
            entries.shrink_to_fit();
            return Ok(Checked { digest, entries, amounts });
        }
        Err(Error::Rows { digest, body: faults.into_body() })
    }
}

/// How many bytes a body has, as announced, or the limit when nothing is announced.
///
/// # Errors
/// [`Error::BodyTooLarge`], before it is sent.
pub(crate) fn announced_bytes(headers: &HeaderMap, limit: usize) -> Result<usize, Error> {
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    match announced {
        Some(length) if length > limit => Err(Error::BodyTooLarge(limit)),
        Some(length) => Ok(length),
        None => Ok(limit),
    }
}

/// The body, when it is not too large and comes in time.
///
/// # Errors
/// When it is too large, too slow or broken off. What was read is then useless.
pub(crate) async fn read_body(
    mut body: Body,
    announced: usize,
    (limit, time): (usize, Duration),
) -> Result<Vec<u8>, Error> {
    let read = async {
        let mut whole = Vec::with_capacity(announced);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame
                .map_err(|_| Error::Body("it broke off, or its chunks are not well formed"))?
                .into_data()
            else {
                continue;
            };
            if whole.len() + data.len() > limit {
                return Err(Error::BodyTooLarge(limit));
            }
            whole.extend_from_slice(&data);
        }
        // A body without an announced length was given too much room.
        whole.shrink_to_fit();
        Ok(whole)
    };
    timeout(time, read).await.map_err(|_| Error::BodyTimeout)?
}

/// The answer for what came of a batch. `source` is the service that its account is a copy of, if it is one.
pub(crate) fn answer(
    idempotency_key: &str,
    receipt: Receipt,
    source: Option<String>,
) -> Result<Response, Error> {
    let (recorded, is_repeated) = match receipt {
        Receipt::Stored(entries) => (entries, false),
        Receipt::Repeated(entries) => (entries, true),
        Receipt::Conflict => {
            return Err(Error::IdempotencyConflict { idempotency_key: idempotency_key.to_owned() });
        }
        Receipt::Synced => {
            let synced_with = source.unwrap_or_else(|| "a service".to_owned());
            return Err(Error::Synced { idempotency_key: idempotency_key.to_owned(), synced_with });
        }
        Receipt::Busy => return Err(Error::LedgerBusy),
    };
    let body = serde_json::to_vec(&IngestReceipt { idempotency_key, recorded }).map_err(Error::internal)?;
    let mut response = whole_body(StatusCode::CREATED, JSON, body);
    if is_repeated {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IngestReceipt<'a> {
    idempotency_key: &'a str,
    recorded: u64,
}

/// The value of a header that may be there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(drop),
        _ => Err(()),
    }
}

fn format_of(media_type: &str) -> Option<RowFormat> {
    let media_type = MediaType::parse(media_type).ok()?;
    let is = |ty: &str, subty: &str| {
        media_type.ty.as_str().eq_ignore_ascii_case(ty)
            && media_type.subty.as_str().eq_ignore_ascii_case(subty)
    };
    if media_type.suffix.is_some() {
        return None;
    }
    match () {
        () if is("application", "json") => Some(RowFormat::JsonArray),
        () if is("application", "x-ndjson") => Some(RowFormat::Ndjson),
        () if is("text", "csv") => Some(RowFormat::Csv),
        () => None,
    }
}

fn decompress(body: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    let mut decoder = MultiGzDecoder::new(body);
    // Room for the most that it may become: a growing `Vec` takes up to three times its content.
    let mut whole = Vec::with_capacity(body.len().saturating_mul(MOST_GZIP).min(limit));
    let mut piece = vec![0; 64 << 10];
    loop {
        match decoder.read(&mut piece) {
            Ok(0) => {
                whole.shrink_to_fit();
                return Ok(whole);
            }
            Ok(read) if whole.len() + read > limit => return Err(Error::BodyTooLarge(limit)),
            Ok(read) => whole.extend_from_slice(&piece[..read]),
            Err(_) => return Err(Error::Body("its gzip is damaged or cut off")),
        }
    }
}

/// Everything that is wrong with a batch.
#[derive(Default)]
struct Faults {
    /// The number of rows so far, good and bad.
    rows: u64,
    /// Where the bad ones are, in order.
    ranges: Vec<RangeInclusive<u64>>,
    bad_rows: u64,
    /// What is wrong with the first of them.
    issues: Vec<Issue>,
}

#[derive(Serialize)]
struct Issue {
    /// The row from 1; `None` for the body as a whole.
    row: Option<u64>,
    field: Option<&'static str>,
    message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IngestRefused {
    error: String,
    rows: u64,
    bad_rows: Vec<(u64, u64)>,
    issues: Vec<Issue>,
}

impl Faults {
    fn is_none(&self) -> bool {
        self.bad_rows == 0 && self.issues.is_empty()
    }

    fn add(&mut self, refused: Refused) {
        let Refused { is_row, field, message } = refused;
        if is_row {
            self.rows += 1;
            self.bad_rows += 1;
            match self.ranges.last_mut() {
                Some(range) if range.end() + 1 == self.rows => *range = *range.start()..=self.rows,
                _ => self.ranges.push(self.rows..=self.rows),
            }
        }
        // A fault of the body as a whole comes last, and is always described.
        if self.issues.len() < DESCRIBED || !is_row {
            self.issues.push(Issue { row: is_row.then_some(self.rows), field, message });
        }
    }

    fn into_body(self) -> Vec<u8> {
        let Self { rows, ranges, bad_rows, issues } = self;
        let what = match bad_rows {
            0 => "the body cannot be read".to_owned(),
            bad => format!("{bad} of {rows} rows cannot be recorded"),
        };
        let body = IngestRefused {
            error: format!("{what}; nothing was stored"),
            rows,
            bad_rows: ranges.into_iter().map(RangeInclusive::into_inner).collect(),
            issues,
        };
        // A struct of strings and numbers always has a JSON form.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}
