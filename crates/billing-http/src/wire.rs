//! The two forms of a page on the wire.

use billing_model::{Cursor, HalfCharacters, Page, PageRequest, Pagination, Paging, UsageEntry};
use reqwest::header::HeaderMap;

use crate::error::{Error, ErrorKind};
use crate::retry::Class;

/// Reads the entries of a text/csv page; `billing_csv::decode` is one.
pub type CsvDecoder = fn(&[u8]) -> Result<Vec<UsageEntry>, Box<dyn std::error::Error + Send + Sync>>;

/// How pages travel. Both give the same entries; JSON is smaller when compressed and says more.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Wire {
    /// `application/json`.
    #[default]
    Json,
    /// `text/csv`, read by the decoder. A service whose text/csv has no `apiKeyId` column gives entries without it;
    /// this client asks for the column with `Prefer: include=apiKeyId`, which others ignore.
    Csv(CsvDecoder),
}

impl Wire {
    /// Reads a complete body, and says which texts had half a character. The class says what a failure means for another
    /// try.
    pub(crate) fn decode(
        &self,
        request: &PageRequest,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(Page, HalfCharacters), (Class, Error)> {
        match self {
            Self::Json => decode_json(request, body),
            Self::Csv(decoder) => {
                let paging = csv_paging(request, headers).map_err(|error| (Class::Fatal, error))?;
                let entries = decoder(body)
                    .map_err(|cause| (Class::Fatal, Error::of(ErrorKind::Malformed).because(cause)))?;
                Ok((Page { entries, paging, warning: None }, HalfCharacters::new()))
            }
        }
    }
}

fn decode_json(request: &PageRequest, body: &[u8]) -> Result<(Page, HalfCharacters), (Class, Error)> {
    let malformed = || Error::of(ErrorKind::Malformed);
    let text = std::str::from_utf8(body).map_err(|cause| match cause.error_len() {
        // Cut within its last character.
        None => (Class::Transient, Error::of(ErrorKind::Interrupted).because(cause)),
        Some(_) => (Class::Fatal, malformed().because(cause)),
    })?;
    let page = match request {
        PageRequest::ByNumber { .. } => Page::from_usage_json_noting(text),
        PageRequest::ByCursor(_) => Page::from_history_json_noting(text),
    };
    page.map_err(|cause| {
        let (class, kind) = match cause.is_cut_off() {
            true => (Class::Transient, ErrorKind::Interrupted),
            false => (Class::Fatal, ErrorKind::Malformed),
        };
        (class, Error::of(kind).because(cause))
    })
}

/// A CSV page says in headers where it stands.
fn csv_paging(request: &PageRequest, headers: &HeaderMap) -> Result<Paging, Error> {
    match request {
        PageRequest::ByCursor(_) => {
            let token = headers.get("x-next-cursor").map(|value| {
                let token = value.to_str().map_err(|cause| header_error("x-next-cursor").because(cause))?;
                token.parse::<Cursor>().map_err(|cause| header_error("x-next-cursor").because(cause))
            });
            Ok(Paging::ByCursor(token.transpose()?))
        }
        PageRequest::ByNumber { .. } => Ok(Paging::ByNumber(Pagination {
            limit: number(headers, "x-pagination-limit")?,
            page: number(headers, "x-pagination-page")?,
            total: number(headers, "x-pagination-total")?,
            total_pages: number(headers, "x-pagination-total-pages")?,
        })),
    }
}

fn number<T: std::str::FromStr>(headers: &HeaderMap, name: &'static str) -> Result<T, Error> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.and_then(|text| text.trim().parse().ok()).ok_or_else(|| header_error(name))
}

fn header_error(name: &str) -> Error {
    let message = format!("the header `{name}` is missing or wrong, so the page cannot be placed");
    Error::of(ErrorKind::Inconsistent).with_message(message)
}
