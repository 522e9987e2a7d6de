//! Entries into a file.

use std::io::{self, Write};

use billing_model::UsageEntry;

use crate::columns::Columns;

/// Written at once, so that the cost of a call does not show.
const BUFFER_BYTES: usize = 64 << 10;

/// Writes entries as CSV: the header, then one row an entry, lines ended by LF.
///
/// Numbers are plain and exact. A text stands between quotes only where RFC 4180 asks for them, and otherwise as it is:
/// one that starts with `=` is a formula to a spreadsheet, so import such a column there as text.
///
/// ```
/// use billing_csv::{Columns, Writer};
/// let file = Writer::new(Vec::new(), Columns::Documented).finish()?;
/// assert!(file.starts_with(b"timestamp,sku,pricePerUnitUsd,units,amount,currency,notes,"), "with or without entries");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Rows are gathered and written in large pieces: what was not flushed is lost when the writer is dropped without
/// [`finish`](Writer::finish).
#[derive(Debug)]
#[must_use = "the last rows are written by `finish`"]
pub struct Writer<W> {
    output: W,
    columns: Columns,
    rows: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes to `output`, which need not be buffered.
    pub fn new(output: W, columns: Columns) -> Self {
        let mut rows = Vec::with_capacity(BUFFER_BYTES + (4 << 10));
        columns.write_header(&mut rows);
        Self { output, columns, rows }
    }

    /// Writes one row.
    ///
    /// # Errors
    /// When the output fails. What it has taken by then is unknown: drop the writer.
    pub fn write(&mut self, entry: &UsageEntry) -> io::Result<()> {
        self.columns.write_row(entry, &mut self.rows);
        if self.rows.len() >= BUFFER_BYTES { self.write_rows() } else { Ok(()) }
    }

    /// Hands every row over, and flushes the output.
    ///
    /// # Errors
    /// When the output fails.
    pub fn flush(&mut self) -> io::Result<()> {
        self.write_rows()?;
        self.output.flush()
    }

    /// Hands every row over, flushes the output and gives it back.
    ///
    /// # Errors
    /// When the output fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush()?;
        Ok(self.output)
    }

    fn write_rows(&mut self) -> io::Result<()> {
        self.output.write_all(&self.rows)?;
        self.rows.clear();
        Ok(())
    }
}

/// Appends a whole body: the header, then one row an entry.
///
/// ```
/// use billing_csv::{Columns, decode, encode};
/// let mut body = Vec::new();
/// encode(&[], Columns::WithApiKeyId, &mut body);
/// assert!(body.ends_with(b",apiKeyId\n"));
/// assert_eq!(decode(&body)?, []);
/// # Ok::<(), billing_csv::Error>(())
/// ```
pub fn encode(entries: &[UsageEntry], columns: Columns, out: &mut Vec<u8>) {
    columns.write_header(out);
    entries.iter().for_each(|entry| columns.write_row(entry, out));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;
    use crate::reader::Reader;
    use billing_model::{OtherFields, Timestamp, decimal_text};
    use billing_testkit::{any_entries, entry_at};
    use proptest::prelude::*;

    fn written(entries: &[UsageEntry], columns: Columns) -> Vec<u8> {
        let mut body = Vec::new();
        encode(entries, columns, &mut body);
        body
    }

    #[test]
    fn a_row_is_written_as_documented() {
        let plain = entry_at(Timestamp::from_unix_ns(1_780_000_000_000_000_000), "-8e-7");
        let full = UsageEntry {
            notes: "a, \"b\"\nc".to_owned(),
            inference_details: Some(billing_model::InferenceDetails {
                request_id: Some("chatcmpl-1".to_owned()),
                completion_tokens: Some(214.into()),
                ..Default::default()
            }),
            api_key_id: Some("key".to_owned()),
            other_fields: OtherFields::from_json(r#"{"region":"eu","tier":1.50}"#).unwrap(),
            ..plain.clone()
        };
        let start = "2026-05-28T20:26:40.000Z,zai-org-glm-5-1-llm-output-mtoken,4.84,0.000044,-0.0000008,USD";
        let rows = format!("{start},API Inference,,,,,\n{start},\"a, \"\"b\"\"\nc\",chatcmpl-1,,,214,key\n");
        let entries = [plain, full];
        let body = String::from_utf8(written(&entries, Columns::WithApiKeyId)).unwrap();
        assert_eq!(body.split_once('\n').unwrap().1, rows);
        let rows = rows
            .replace(",\n", ",,\n")
            .replace("key\n", "key,\"{\"\"region\"\":\"\"eu\"\",\"\"tier\"\":1.50}\"\n");
        let body = String::from_utf8(written(&entries, Columns::All)).unwrap();
        assert_eq!(body.split_once('\n').unwrap().1, rows);
        let body = String::from_utf8(written(&entries, Columns::WithOtherFields)).unwrap();
        assert_eq!(body.split_once('\n').unwrap().1, rows.replace(",,\n", ",\n").replace("key,", ""));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn entries_survive_the_file(entries in any_entries(40)) {
            let body = written(&entries, Columns::All);
            prop_assert_eq!(&decode(&body).unwrap(), &entries);

            for (columns, has_key, has_others) in [
                (Columns::Documented, false, false),
                (Columns::WithApiKeyId, true, false),
                (Columns::WithOtherFields, false, true),
            ] {
                let mut without = entries.clone();
                for entry in &mut without {
                    entry.api_key_id.take_if(|_| !has_key);
                    entry.other_fields.take_if(|_| !has_others);
                }
                let body = written(&entries, columns);
                prop_assert_eq!(&body, &written(&without, columns));
                prop_assert_eq!(decode(&body).unwrap(), without);
            }

            let mut writer = Writer::new(Vec::new(), Columns::All);
            entries.iter().for_each(|entry| writer.write(entry).unwrap());
            prop_assert_eq!(writer.finish().unwrap(), body);
        }

        #[test]
        fn another_reader_finds_the_same_fields(entries in any_entries(20)) {
            let body = written(&entries, Columns::All);
            let mut other = csv::Reader::from_reader(body.as_slice());
            prop_assert!(other.headers().unwrap().iter().eq(Columns::All.names()));
            let records: Vec<_> = other.into_records().map(Result::unwrap).collect();
            prop_assert_eq!(records.len(), entries.len());
            for (record, entry) in records.iter().zip(&entries) {
                let details = entry.inference_details.clone().unwrap_or_default();
                let number = |number: Option<_>| number.map(decimal_text).unwrap_or_default();
                let expect = [
                    entry.timestamp.to_string(),
                    entry.sku.clone(),
                    decimal_text(entry.price_per_unit_usd),
                    decimal_text(entry.units),
                    decimal_text(entry.amount),
                    entry.currency.to_string(),
                    entry.notes.clone(),
                    details.request_id.unwrap_or_default(),
                    number(details.execution_time_ms),
                    number(details.prompt_tokens),
                    number(details.completion_tokens),
                    entry.api_key_id.clone().unwrap_or_default(),
                    entry.other_fields.as_ref().map(ToString::to_string).unwrap_or_default(),
                ];
                prop_assert!(record.iter().eq(expect.iter()), "{:?} {:?}", record, expect);
            }
        }

        #[test]
        fn what_another_writer_writes_is_read(
            entries in any_entries(20), crlf: bool, quote_all: bool, order in Just(Vec::from_iter(0..13)).prop_shuffle(),
        ) {
            let body = written(&entries, Columns::All);
            let mut other = csv::WriterBuilder::new()
                .terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
                .quote_style(if quote_all { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary })
                .from_writer(Vec::new());
            let mut ours = csv::ReaderBuilder::new().has_headers(false).from_reader(body.as_slice());
            for record in ours.records().map(Result::unwrap) {
                other.write_record(order.iter().map(|column: &usize| &record[*column])).unwrap();
            }
            let body = other.into_inner().unwrap();
            prop_assert_eq!(decode(&body).unwrap(), entries);
        }

        #[test]
        fn a_cut_file_is_an_error_or_whole_rows(entries in any_entries(4), part in 0usize..1000, has_others: bool) {
            let body = written(&entries, if has_others { Columns::All } else { Columns::WithApiKeyId });
            let cut = body.len() * part / 1000;
            let mut entries = entries;
            for entry in &mut entries {
                entry.other_fields.take_if(|_| !has_others);
            }
            let mut whole = 0;
            for item in Reader::new(&body[..cut]) {
                match item {
                    // Only the last field of the last row may be shorter, as the documentation says.
                    Ok(entry) if entry != entries[whole] => {
                        prop_assert_ne!(body[cut - 1], b'\n');
                        let last = entries[whole].clone();
                        let expect = match has_others {
                            // Nothing between an object and no text is JSON.
                            true => UsageEntry { other_fields: None, ..last },
                            false => UsageEntry { api_key_id: entry.api_key_id.clone(), ..last },
                        };
                        prop_assert_eq!(entry, expect);
                        whole += 1;
                    }
                    Ok(_) => whole += 1,
                    Err(error) => prop_assert!(error.is_cut_off() || cut == 0, "{:?}", error),
                }
            }
        }
    }

    #[test]
    fn large_files_are_written_in_pieces_and_a_full_disk_is_seen() {
        /// Counts its calls and is full after some bytes.
        struct Disk {
            free: usize,
            calls: usize,
        }
        impl Write for Disk {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.calls += 1;
                if bytes.len() > self.free {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                self.free -= bytes.len();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let entry = entry_at(Timestamp::from_unix_ns(0), "-1");
        let rows = 10_000;
        let fill = |free| {
            let mut writer = Writer::new(Disk { free, calls: 0 }, Columns::Documented);
            (0..rows).try_for_each(|_| writer.write(&entry))?;
            writer.finish()
        };
        let size = written(&vec![entry.clone(); rows], Columns::Documented).len();
        let disk = fill(size).unwrap();
        assert_eq!((disk.free, disk.calls), (0, size.div_ceil(BUFFER_BYTES)));
        for free in [0, size / 2, size - 1] {
            assert_eq!(fill(free).err().map(|error| error.kind()), Some(io::ErrorKind::StorageFull));
        }
    }
}
