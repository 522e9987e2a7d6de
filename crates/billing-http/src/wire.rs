//! The two formats of a page on the wire: JSON and text/csv.

use billing_model::{Cursor, HalfCharacters, Page, PageRequest, Pagination, Paging, UsageEntry};
use reqwest::header::HeaderMap;

use crate::error::{Error, ErrorKind};
use crate::retry::Class;

/// A function that reads the entries of a text/csv page, such as `billing_csv::decode`.
pub type CsvDecoder = fn(&[u8]) -> Result<Vec<UsageEntry>, Box<dyn std::error::Error + Send + Sync>>;

/// The format of pages on the wire. Both give the same entries. JSON is smaller when compressed, and has warnings too.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Wire {
    /// `application/json`.
    #[default]
    Json,
    /// `text/csv`, read by the decoder. This client asks for the column `apiKeyId` with `Prefer: include=apiKeyId`. A
    /// service that does not know this header ignores it, and its entries come without API keys.
    Csv(CsvDecoder),
}

impl Wire {
    /// Reads a complete body. The second value says which texts had half a character. The class of an error says whether
    /// another try may help.
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
        // The text ends within a character, so it was cut.
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

/// The place of a CSV page in its walk, which is in the headers.
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
