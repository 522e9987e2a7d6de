//! Bodies in every format, made of entries or of rows.

use billing_csv::Columns;
use billing_format::{Format, RowFormat, Writer};
use billing_model::UsageEntry;

pub(crate) const FORMATS: [RowFormat; 3] = [RowFormat::JsonArray, RowFormat::Ndjson, RowFormat::Csv];

pub(crate) fn written(format: RowFormat, entries: &[UsageEntry]) -> Vec<u8> {
    let format = match format {
        RowFormat::JsonArray => Format::Json,
        RowFormat::Ndjson => Format::Ndjson,
        RowFormat::Csv => Format::Csv(Columns::All),
    };
    let mut writer = Writer::new(Vec::new(), format);
    entries.iter().for_each(|entry| writer.write(entry).unwrap());
    writer.finish().unwrap()
}

/// A body of these rows, with what the format has between and around them.
pub(crate) fn joined(format: RowFormat, rows: &[Vec<u8>], line_break: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    match format {
        RowFormat::JsonArray => {
            body.extend(b"[");
            body.extend(rows.join(&[b",", line_break].concat()[..]));
            body.extend(b"]");
        }
        RowFormat::Ndjson => rows.iter().for_each(|row| body.extend([row, line_break].concat())),
        RowFormat::Csv => {
            Columns::All.write_header(&mut body);
            rows.iter().for_each(|row| body.extend([row, line_break].concat()));
        }
    }
    body
}

pub(crate) fn row_of(format: RowFormat, entry: &UsageEntry) -> Vec<u8> {
    let mut row = Vec::new();
    match format {
        RowFormat::JsonArray | RowFormat::Ndjson => entry.write_json(&mut row),
        RowFormat::Csv => Columns::All.write_row(entry, &mut row),
    }
    row.truncate(row.strip_suffix(b"\n").unwrap_or(&row).len());
    row
}
