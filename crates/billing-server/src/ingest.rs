//! `POST /billing/usage`: a batch of entries, taken whole or not at all.

use std::io::Read;
use std::ops::RangeInclusive;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use billing_model::UsageEntry;
use billing_sink::{RowFormat, rows};
use billing_store::Receipt;
use flate2::bufread::MultiGzDecoder;
use http_body_util::BodyExt;
use mediatype::MediaType;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::answer::{JSON, whole_body};
use crate::budget::Share;
use crate::error::Error;
use crate::row_rules::{Refused, RowRules};

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that a batch was there already, and not stored again.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Characters of an idempotency key, at most.
pub(crate) const MAX_KEY_LEN: usize = 255;

/// Faults that are described. Where the others are is told as well, in ranges.
const DESCRIBED: usize = 1000;

/// Memory that an entry takes beside its texts, about: itself, and what its texts cost the allocator.
const ENTRY_BYTES: usize = size_of::<UsageEntry>() + 96;

/// Rows between two looks at the memory.
const STEP: usize = 1000;

/// What a request says of its batch before the batch itself comes.
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
    pub(crate) entries: Vec<UsageEntry>,
}

impl Announced {
    /// # Errors
    /// What must be there and is not, or is something that is not taken.
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

    /// Reads the batch from the body that came: every row, good or bad.
    ///
    /// # Errors
    /// [`Error::Rows`] with all that is wrong, or what stands in the way of reading.
    pub(crate) fn check(
        &self,
        body: Vec<u8>,
        (limit, rules): (usize, RowRules),
        share: &mut Share,
    ) -> Result<Checked, Error> {
        let body = if self.is_gzip { decompress(&body, limit, share)? } else { body };
        // The form belongs to what was said: the same text means other rows in another.
        let mut digest = Sha256::new_with_prefix(format!("{:?}\n", self.format));
        digest.update(&body);
        let (mut entries, mut faults) = (Vec::new(), Faults::default());
        for row in rows(&*body, self.format).strict() {
            match row.map_err(Refused::from).and_then(|entry| rules.check(entry)) {
                Ok(entry) => {
                    faults.rows += 1;
                    if entries.len() % STEP == 0 {
                        share.grow(STEP * ENTRY_BYTES).map_err(|_| Error::IngestFull)?;
                    }
                    // Once nothing will be stored it need not be kept.
                    if faults.is_none() { entries.push(entry) } else { entries = Vec::new() }
                }
                Err(refused) => faults.add(refused),
            }
        }
        let digest = digest.finalize().into();
        if faults.is_none() {
            return Ok(Checked { digest, entries });
        }
        Err(Error::Rows { digest, body: faults.into_body() })
    }
}

/// The body, when it is not too large, comes in time and finds room.
///
/// # Errors
/// As it says; what was read of it then is of no use.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    mut body: Body,
    (limit, time): (usize, Duration),
    share: &mut Share,
) -> Result<Vec<u8>, Error> {
    // Known to be too large before it is sent.
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Error::BodyTooLarge(limit));
    }
    let read = async {
        let mut whole = Vec::new();
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
            // A Vec that grows has up to twice what it holds.
            share.grow(2 * data.len()).map_err(|_| Error::IngestFull)?;
            whole.extend_from_slice(&data);
        }
        Ok(whole)
    };
    timeout(time, read).await.map_err(|_| Error::BodyTimeout)?
}

/// The answer for what came of a batch.
pub(crate) fn answer(idempotency_key: &str, receipt: Receipt) -> Result<Response, Error> {
    let (recorded, is_repeated) = match receipt {
        Receipt::Stored(entries) => (entries, false),
        Receipt::Repeated(entries) => (entries, true),
        Receipt::Conflict => return Err(Error::IdempotencyConflict),
    };
    let body = serde_json::to_vec(&Recorded { idempotency_key, recorded }).map_err(Error::internal)?;
    let mut response = whole_body(StatusCode::CREATED, JSON, body);
    if is_repeated {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recorded<'a> {
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

fn decompress(body: &[u8], limit: usize, share: &mut Share) -> Result<Vec<u8>, Error> {
    let mut decoder = MultiGzDecoder::new(body);
    let mut whole = Vec::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match decoder.read(&mut piece) {
            Ok(0) => return Ok(whole),
            Ok(read) if whole.len() + read > limit => return Err(Error::BodyTooLarge(limit)),
            Ok(read) => {
                share.grow(2 * read).map_err(|_| Error::IngestFull)?;
                whole.extend_from_slice(&piece[..read]);
            }
            Err(_) => return Err(Error::Body("its gzip is damaged or cut off")),
        }
    }
}

/// Everything that is wrong with a batch.
#[derive(Default)]
struct Faults {
    /// Rows so far, good and bad.
    rows: u64,
    /// Where the bad ones are, in order.
    ranges: Vec<RangeInclusive<u64>>,
    bad_rows: u64,
    /// What is wrong, of the first ones.
    issues: Vec<Issue>,
}

#[derive(Serialize)]
struct Issue {
    /// From 1; none for the body as a whole.
    row: Option<u64>,
    field: Option<&'static str>,
    message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RowsBody {
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
        // What is wrong with the body as a whole comes last, and is always said.
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
        let body = RowsBody {
            error: format!("{what}; nothing was stored"),
            rows,
            bad_rows: ranges.into_iter().map(RangeInclusive::into_inner).collect(),
            issues,
        };
        // A struct of strings and numbers always has a JSON form.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}
