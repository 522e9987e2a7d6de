//! How entries stand in a file.

use billing_csv::Columns;
use billing_model::UsageEntry;

/// The form of a file of entries. Each is read back to the same entries, but for the columns that [`Columns`] leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The API's own CSV: a header, then one row an entry.
    Csv(Columns),
    /// One JSON array with one entry a line, so that it can be read by people and by line tools too.
    Json,
    /// One JSON object a line. Without entries the file is empty.
    Ndjson,
}

impl Format {
    /// Appends what stands before the first entry.
    pub(crate) fn write_start(self, out: &mut Vec<u8>) {
        match self {
            Self::Csv(columns) => columns.write_header(out),
            Self::Json => out.push(b'['),
            Self::Ndjson => {}
        }
    }

    /// Appends an entry; `first` when none was before it.
    pub(crate) fn write_entry(self, first: bool, entry: &UsageEntry, out: &mut Vec<u8>) {
        match self {
            Self::Csv(columns) => columns.write_row(entry, out),
            Self::Json => {
                out.extend_from_slice(if first { b"\n" } else { b",\n" });
                entry.write_json(out);
            }
            Self::Ndjson => {
                entry.write_json(out);
                out.push(b'\n');
            }
        }
    }

    /// Appends what stands after the last entry; `empty` when there was none.
    pub(crate) fn write_end(self, empty: bool, out: &mut Vec<u8>) {
        match self {
            Self::Json => out.extend_from_slice(if empty { b"]\n" } else { b"\n]\n" }),
            Self::Csv(_) | Self::Ndjson => {}
        }
    }
}
