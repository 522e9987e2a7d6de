//! One answer of the service: some entries, and where they stand.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::decode_error::DecodeError;
use crate::entry::UsageEntry;
use crate::entry_json::{Reading, read_unmended};
use crate::half_characters::mended;
use crate::history_query::{Cursor, HistoryQuery};
use crate::object::{object, read_object};
use crate::plain_entry;

/// The larger page of the two endpoints.
pub(crate) const MAX_ROWS: usize = HistoryQuery::MAX_PAGE_SIZE as usize;

/// A page of the ledger, of either endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The entries, in the order of the answer.
    pub entries: Vec<UsageEntry>,
    /// Where the page stands in the whole.
    pub paging: Paging,
    /// What the service wants its users to know, such as the end of an endpoint.
    pub warning: Option<String>,
}

/// Where a page stands in the whole, as its endpoint says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paging {
    /// By number: `GET /billing/usage`.
    ByNumber(Pagination),
    /// By cursor: `GET /billing/usage-history`. `None` is the last page; an empty page need not be.
    ByCursor(Option<Cursor>),
}

/// The `pagination` object of `GET /billing/usage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    /// Entries on a page.
    pub limit: u32,
    /// The number of this page, from 1.
    pub page: u32,
    /// Entries in the whole.
    pub total: u64,
    /// Pages in the whole.
    pub total_pages: u64,
}

impl Pagination {
    /// The numbers of a page of a whole of `total` entries.
    pub fn new(limit: u32, page: u32, total: u64) -> Self {
        Self { limit, page, total, total_pages: total.div_ceil(u64::from(limit.max(1))) }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UsageBody<'a> {
    #[serde(borrow)]
    data: Rows<'a>,
    #[serde(deserialize_with = "object")]
    pagination: Pagination,
    warning_message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistoryBody<'a> {
    #[serde(borrow)]
    data: Rows<'a>,
    next_cursor: Option<String>,
}

/// The rows of a page as they stand in the text, each to be read by itself: no more than any page may have, so that no
/// answer fills the memory.
struct Rows<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Rows<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RowsVisitor)
    }
}

struct RowsVisitor;

impl<'de> Visitor<'de> for RowsVisitor {
    type Value = Rows<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Rows<'de>, A::Error> {
        let mut rows = Vec::new();
        loop {
            let row = rows.len() + 1;
            match seq.next_element() {
                Ok(None) => return Ok(Rows(rows)),
                Ok(Some(_)) if row > MAX_ROWS => {
                    return Err(de::Error::custom(format_args!("a page has at most {MAX_ROWS} entries")));
                }
                Ok(Some(raw)) => rows.push(raw),
                Err(error) => return Err(de::Error::custom(format_args!("entry {row}: {error}"))),
            }
        }
    }
}

/// The texts of a page that had half a character in them, which became U+FFFD: how many in which entry, from 0.
pub type HalfCharacters = Vec<(usize, u64)>;

impl Page {
    /// Reads the JSON that `GET /billing/usage` answers.
    ///
    /// # Errors
    /// [`DecodeError`]: one entry that cannot be read exactly fails the page.
    pub fn from_usage_json(text: &str) -> Result<Self, DecodeError> {
        Self::from_usage_json_noting(text).map(|(page, _)| page)
    }

    /// As [`Page::from_usage_json`], and says which entries had half a character in a text.
    ///
    /// # Errors
    /// As there.
    pub fn from_usage_json_noting(text: &str) -> Result<(Self, HalfCharacters), DecodeError> {
        read_mending(text, |text, as_it_came| read_page(text, as_it_came, read_usage))
    }

    /// Reads the JSON that `GET /billing/usage-history` answers.
    ///
    /// # Errors
    /// [`DecodeError`]: one entry that cannot be read exactly fails the page.
    pub fn from_history_json(text: &str) -> Result<Self, DecodeError> {
        Self::from_history_json_noting(text).map(|(page, _)| page)
    }

    /// As [`Page::from_history_json`], and says which entries had half a character in a text.
    ///
    /// ```
    /// use billing_model::Page;
    /// let text = r#"{"nextCursor":null,"data":[{"timestamp":"2026-06-14T19:52:45.087Z","sku":"a","units":1,"amount":-1,
    ///   "pricePerUnitUsd":1,"currency":"USD","notes":"cut \ud83d"}]}"#;
    /// let (page, halves) = Page::from_history_json_noting(text)?;
    /// assert_eq!((page.entries[0].notes.as_str(), halves), ("cut \u{fffd}", vec![(0, 1)]));
    /// # Ok::<(), billing_model::DecodeError>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    pub fn from_history_json_noting(text: &str) -> Result<(Self, HalfCharacters), DecodeError> {
        read_mending(text, |text, as_it_came| read_page(text, as_it_came, read_history))
    }

    /// Appends the page as its endpoint's JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut writer = PageWriter::begin(out);
        self.entries.iter().for_each(|entry| entry.write_json(writer.next()));
        writer.finish(&self.paging, self.warning.as_deref());
    }
}

/// Writes a page as the JSON of its endpoint: its entries one after the other, and where it stands in the whole last.
///
/// ```
/// use billing_model::{PageWriter, Paging};
/// let mut body = Vec::new();
/// PageWriter::begin(&mut body).finish(&Paging::ByCursor(None), None);
/// assert_eq!(body, br#"{"data":[],"nextCursor":null}"#);
/// ```
#[derive(Debug)]
#[must_use = "a page that is not finished is no JSON"]
pub struct PageWriter<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl<'a> PageWriter<'a> {
    /// Appends the beginning of a page.
    pub fn begin(out: &'a mut Vec<u8>) -> Self {
        out.extend_from_slice(b"{\"data\":[");
        Self { out, is_first: true }
    }

    /// The buffer to which the next entry is to be appended, as one JSON object.
    #[expect(clippy::should_implement_trait, reason = "it gives a place and no item")]
    pub fn next(&mut self) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
        self.out
    }

    /// Appends the end of the page.
    pub fn finish(self, paging: &Paging, warning: Option<&str>) {
        let Self { out, .. } = self;
        out.extend_from_slice(b"],");
        let tail = match paging {
            Paging::ByNumber(Pagination { limit, page, total, total_pages }) => format!(
                r#""pagination":{{"limit":{limit},"page":{page},"total":{total},"totalPages":{total_pages}}}"#
            ),
            Paging::ByCursor(None) => r#""nextCursor":null"#.to_owned(),
            // The characters of a cursor need no escapes.
            Paging::ByCursor(Some(cursor)) => format!(r#""nextCursor":"{cursor}""#),
        };
        out.extend_from_slice(tail.as_bytes());
        if let Some(warning) = warning {
            out.extend_from_slice(b",\"warningMessage\":");
            // Writing a str into a Vec cannot fail.
            let _ = serde_json::to_writer(&mut *out, warning);
        }
        out.push(b'}');
    }
}

/// Reads a page. When that fails because of half a character in a text, it is read again with U+FFFD in its place.
/// `read` gets the text, and the text as it came.
pub(crate) fn read_mending(
    text: &str,
    read: impl Fn(&str, &str) -> Result<Page, DecodeError>,
) -> Result<(Page, HalfCharacters), DecodeError> {
    let error = match read(text, text) {
        Ok(page) => return Ok((page, Vec::new())),
        Err(error) => error,
    };
    let mut places = Vec::new();
    let Some(mended) = mended(text, |at| places.push(at)) else { return Err(error) };
    let page = read(&mended, text)?;
    Ok((page, halves_in(&mended, &places)))
}

/// How many of the places are in which entry.
fn halves_in(page: &str, places: &[usize]) -> HalfCharacters {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        data: Rows<'a>,
    }
    let Ok(Body { data }) = serde_json::from_str(page) else { return Vec::new() };
    let count = |row: &RawValue| {
        let Range { start, end } = place(row, page);
        let before = |end: usize| places.partition_point(|at| *at < end);
        u64::try_from(before(end) - before(start)).unwrap_or(u64::MAX)
    };
    let counts = data.0.iter().enumerate().map(|(row, raw)| (row, count(raw)));
    counts.filter(|(_, count)| *count > 0).collect()
}

/// Where a row of a page stands in its text.
fn place(row: &RawValue, page: &str) -> Range<usize> {
    let start = row.get().as_ptr().addr() - page.as_ptr().addr();
    start..start + row.get().len()
}

/// Reads a page. The short way takes the entries, and the long way what is around them. When either fails, the long way
/// reads the whole text, because it alone says what is wrong.
fn read_page(
    text: &str,
    as_it_came: &str,
    long_way: fn(&str, &str) -> Result<Page, DecodeError>,
) -> Result<Page, DecodeError> {
    if let Some((entries, around)) = plain_entry::entries(text, as_it_came, MAX_ROWS)
        && let Ok(page) = long_way(&around, &around)
    {
        return Ok(Page { entries, ..page });
    }
    long_way(text, as_it_came)
}

pub(crate) fn read_usage(text: &str, as_it_came: &str) -> Result<Page, DecodeError> {
    let body: UsageBody<'_> = read_object(text).map_err(|cause| DecodeError::json(cause, text))?;
    Ok(Page {
        entries: decode(&body.data, text, as_it_came)?,
        paging: Paging::ByNumber(body.pagination),
        warning: body.warning_message,
    })
}

pub(crate) fn read_history(text: &str, as_it_came: &str) -> Result<Page, DecodeError> {
    let body: HistoryBody<'_> = read_object(text).map_err(|cause| DecodeError::json(cause, text))?;
    let cursor = body.next_cursor.map(|token| token.parse::<Cursor>()).transpose();
    Ok(Page {
        entries: decode(&body.data, text, as_it_came)?,
        paging: Paging::ByCursor(cursor.map_err(|cause| DecodeError::value("nextCursor", cause))?),
        warning: None,
    })
}

/// Every entry, or an error that names those that cannot be read.
fn decode(rows: &Rows<'_>, text: &str, as_it_came: &str) -> Result<Vec<UsageEntry>, DecodeError> {
    let (mut entries, mut bad) = (Vec::with_capacity(rows.0.len()), Vec::new());
    for (row, raw) in rows.0.iter().enumerate() {
        // Mending changes no length, so the row is at the same place.
        let row_as_it_came = as_it_came.get(place(raw, text)).unwrap_or(raw.get());
        match read_unmended(raw.get(), row_as_it_came, Reading::Lenient) {
            Ok(entry) => entries.push(entry),
            Err(error) => bad.push((row, error, raw.get())),
        }
    }
    DecodeError::of_page(bad).map_or(Ok(entries), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bad_rows::BadRows;
    use crate::currency::Currency;

    const USAGE: &str = include_str!("../../../tests/data/pages/usage.json");
    const HISTORY: &str = include_str!("../../../tests/data/pages/usage-history.json");

    #[test]
    fn both_documented_answers_are_read_and_written_again() {
        let usage = Page::from_usage_json(USAGE).unwrap();
        assert_eq!(usage.paging, Paging::ByNumber(Pagination::new(200, 1, 2)));
        assert_eq!(usage.entries.len(), 2);
        let history = Page::from_history_json(HISTORY).unwrap();
        assert_eq!(history.paging, Paging::ByCursor(None));
        assert_eq!(history.entries.len(), 4);
        assert_eq!(history.entries[2].currency, Currency::EarnedCredits);
        assert_eq!(history.entries[3].notes, "commas, \"quotes\"\nand a line break");

        let again = |page: &Page, read: fn(&str) -> Result<Page, DecodeError>| {
            let mut out = Vec::new();
            page.write_json(&mut out);
            read(std::str::from_utf8(&out).unwrap()).unwrap()
        };
        assert_eq!(again(&usage, Page::from_usage_json), usage);
        let next = Page { paging: Paging::ByCursor(Some("a-_".parse().unwrap())), ..history };
        assert_eq!(again(&next, Page::from_history_json), next);
    }

    #[test]
    fn only_a_null_or_missing_cursor_is_the_last_page() {
        for (text, last) in [
            (r#"{"data":[]}"#, true),
            (r#"{"data":[],"nextCursor":null}"#, true),
            (r#"{"data":[],"nextCursor":"x"}"#, false),
        ] {
            let page = Page::from_history_json(text).unwrap();
            assert_eq!(page.paging == Paging::ByCursor(None), last, "{text}");
        }
    }

    #[test]
    fn a_cut_body_is_told_from_a_wrong_one() {
        for end in 1..USAGE.trim_end().len() {
            let error = Page::from_usage_json(&USAGE[..end]).unwrap_err();
            assert!(error.is_cut_off(), "cut at {end}: {error:?}");
        }
        for behind in ["x", "<html>", "}", "{}", "{\"data\":", "\0", "5."] {
            let error = Page::from_usage_json(&format!("{USAGE}{behind}")).unwrap_err();
            assert!(!error.is_cut_off(), "{behind} behind it: {error:?}");
        }
        for wrong in ["", "<html></html>", "[]x", r#"{"data":5}"#, r#"{"data":[],"pagination":{}}"#, "{}"] {
            assert!(!Page::from_usage_json(wrong).unwrap_err().is_cut_off(), "{wrong}");
        }
    }

    #[test]
    fn a_page_that_is_no_page_does_not_fill_the_memory() {
        let rows = |count: usize| format!(r#"{{"data":[{}{{}}]}}"#, "{},".repeat(count - 1));
        let error = Page::from_history_json(&rows(1001)).unwrap_err();
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("at most 1000 entries"));
        assert_eq!(
            Page::from_history_json(&rows(1000)).unwrap_err().field(),
            Some("currency"),
            "those are read"
        );
    }

    #[test]
    fn a_fault_of_the_text_names_its_entry() {
        let text = USAGE.replacen("0.06356", "0.06356,\"amount\":1", 1);
        let error = Page::from_usage_json(&text).unwrap_err();
        assert_eq!((error.entry(), error.to_string().as_str()), (Some(2), "entry 2"));
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.starts_with("duplicate field `amount`"), "{cause}");
        assert!(cause.ends_with(" (timestamp 2026-06-15T19:05:10.504Z)"), "{cause}");
    }

    #[test]
    fn every_bad_entry_of_a_page_is_named_up_to_twenty() {
        let row = |second: usize, amount: &str| {
            format!(
                r#"{{"timestamp":"2026-06-14T19:52:{second:02}Z","sku":"a","pricePerUnitUsd":1,"units":1,"amount":{amount},"currency":"USD","notes":"\ud83d"}}"#
            )
        };
        for bad in [2, 20, 21, 35] {
            let rows = (0..40).map(|at| row(at, if at < bad { "\"x\"" } else { "1" }));
            let text = format!("{{\"data\":[{}]}}", rows.collect::<Vec<_>>().join(","));
            let error = Page::from_history_json(&text).unwrap_err();
            assert_eq!((error.entry(), error.field()), (Some(1), Some("amount")));
            assert_eq!(error.to_string(), format!("{bad} of its entries cannot be read"));
            let cause = std::error::Error::source(&error).unwrap();
            let lines: Vec<_> = cause.downcast_ref::<BadRows>().unwrap().lines().collect();
            assert_eq!(lines.len(), bad.min(20) + usize::from(bad > 20));
            let second =
                "entry 2, field `amount`: `x` is not a decimal number (timestamp 2026-06-14T19:52:01.000Z)";
            assert_eq!(lines[1], second);
            assert_eq!(
                bad > 20,
                lines.last().is_some_and(|last| *last == format!("and {} more", bad - 20.min(bad)))
            );
        }
    }

    #[test]
    fn half_a_character_anywhere_on_a_page_is_counted_where_it_is() {
        let row = |notes: &str, id: &str| {
            format!(
                r#"{{"timestamp":"2026-06-14T19:52:45Z","sku":"a","pricePerUnitUsd":1,"units":1,"amount":1,"currency":"USD","notes":"{notes}","inferenceDetails":{{"requestId":"{id}"}}}}"#
            )
        };
        let rows = [
            row("x", "y"),
            row(r"\ud83d", r"\uDE00\ud83d"),
            row(r"\ud83d\ude00", r"\\ud83d"),
            row(r"\udc00", ""),
        ];
        let text = format!(
            r#"{{"x":"\ud800","data":[{}],"warningMessage":"cut \ud83d","nextCursor":null,"pagination":{{"limit":5,"page":1,"total":4,"totalPages":1}}}}"#,
            rows.join(",")
        );
        let (page, halves) = Page::from_usage_json_noting(&text).unwrap();
        assert_eq!(halves, [(1, 2), (3, 1)]);
        let notes: Vec<_> = page.entries.iter().map(|entry| entry.notes.as_str()).collect();
        assert_eq!(notes, ["x", "\u{fffd}", "\u{1f600}", "\u{fffd}"]);
        assert_eq!(page.warning.as_deref(), Some("cut \u{fffd}"));
        assert_eq!(Page::from_history_json_noting(&text).unwrap().1, halves);
        let whole = mended(&text, |_| ()).unwrap();
        assert_eq!(Page::from_usage_json_noting(&whole).unwrap(), (page, HalfCharacters::new()));
    }

    #[test]
    fn other_fields_are_as_they_came_also_on_a_page_that_is_mended() {
        let row = |notes: &str, more: &str| {
            format!(
                r#"{{"timestamp":"2026-06-14T19:52:45Z","sku":"a","pricePerUnitUsd":1,"units":1,"amount":1,"currency":"USD","notes":"{notes}"{more}}}"#
            )
        };
        let other = r#""\ud83d":"\ud83d","x":"é \ude00""#;
        for (notes, more, unit) in [
            ("", "", ""),
            (r"\ud83d", "", ""),
            (r"\ud83d", "", r#","unit":"long way""#),
            ("", r#","x":1"#, r#","unit":1"#),
        ] {
            let rows =
                [row("", &format!(",{other}{unit}")), row(notes, more), row("é", &format!(",{other}"))];
            let text = format!(r#"{{"data":[{}],"nextCursor":null}}"#, rows.join(", "));
            let page = Page::from_history_json(&text).unwrap();
            for (entry, text) in page.entries.iter().zip(&rows) {
                assert_eq!(*entry, UsageEntry::from_json(text).unwrap(), "{text}");
            }
            let expect = format!("{{{other}}}");
            assert_eq!(page.entries[0].other_fields.as_ref().unwrap().as_str(), expect);
            assert_eq!(page.entries[2].other_fields.as_ref().unwrap().as_str(), expect);
        }
    }

    #[test]
    fn an_error_names_entry_and_field() {
        let text = USAGE.replacen("-0.06356", "-1e400", 1);
        let error = Page::from_usage_json(&text).unwrap_err();
        assert_eq!((error.entry(), error.field()), (Some(2), Some("amount")));
        assert_eq!(error.to_string(), "entry 2, field `amount`");
    }
}
