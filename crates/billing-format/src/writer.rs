//! Entries into an output.

use std::io::{self, Write};

use billing_model::UsageEntry;

use crate::format::Format;

/// Written at once, so that the cost of a call does not show.
const BUFFER_BYTES: usize = 64 << 10;

/// Writes entries in a [`Format`] to any output.
///
/// ```
/// use billing_format::{Format, Writer};
///
/// let empty = Writer::new(Vec::new(), Format::Json).finish()?;
/// assert_eq!(empty, b"[]\n");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Entries are gathered and written in large pieces: what was not [handed over](Writer::hand_over) is lost when the writer is
/// dropped without [`finish`](Writer::finish).
#[derive(Debug)]
#[must_use = "the end is written by `finish`"]
pub struct Writer<W> {
    output: W,
    format: Format,
    pending: Vec<u8>,
    is_empty: bool,
}

impl<W: Write> Writer<W> {
    /// Writes to `output`, which need not be buffered.
    pub fn new(output: W, format: Format) -> Self {
        let mut writer = Self::going_on(output, format, 0);
        format.write_start(&mut writer.pending);
        writer
    }

    /// Goes on with an output that was begun in the same format, has so many entries, and was not ended.
    ///
    /// ```
    /// use billing_format::{Format, Writer};
    ///
    /// let mut begun = Writer::new(Vec::new(), Format::Json);
    /// begun.hand_over()?;
    /// let begun = begun.output().clone();
    /// assert_eq!(Writer::going_on(begun, Format::Json, 0).finish()?, b"[]\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn going_on(output: W, format: Format, entries: u64) -> Self {
        let pending = Vec::with_capacity(BUFFER_BYTES + (4 << 10));
        Self { output, format, pending, is_empty: entries == 0 }
    }

    /// Writes one entry.
    ///
    /// # Errors
    /// When the output fails. What it has taken by then is unknown: drop the writer.
    pub fn write(&mut self, entry: &UsageEntry) -> io::Result<()> {
        self.format.write_entry(self.is_empty, entry, &mut self.pending);
        self.is_empty = false;
        if self.pending.len() >= BUFFER_BYTES { self.hand_over() } else { Ok(()) }
    }

    /// Gives the output everything that was written. It is not flushed.
    ///
    /// # Errors
    /// When the output fails.
    pub fn hand_over(&mut self) -> io::Result<()> {
        self.output.write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }

    /// Writes the end, flushes the output and gives it back.
    ///
    /// # Errors
    /// When the output fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.format.write_end(self.is_empty, &mut self.pending);
        self.hand_over()?;
        self.output.flush()?;
        Ok(self.output)
    }

    /// The output, which may not have everything that was written.
    pub fn output(&self) -> &W {
        &self.output
    }

    /// The same, to tell an output something other than bytes. Bytes that are written to it directly come before
    /// entries that were not handed over.
    pub fn output_mut(&mut self) -> &mut W {
        &mut self.output
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_csv::Columns;
    use billing_model::Timestamp;
    use billing_testkit::entry_at;

    fn check(format: Format, entries: &[UsageEntry], expect: &str) {
        let mut writer = Writer::new(Vec::new(), format);
        entries.iter().for_each(|entry| writer.write(entry).unwrap());
        assert_eq!(String::from_utf8(writer.finish().unwrap()).unwrap(), expect);
        // The same in two runs, wherever the first one ends.
        for cut in 0..=entries.len() {
            let (before, after) = entries.split_at(cut);
            let mut writer = Writer::new(Vec::new(), format);
            before.iter().for_each(|entry| writer.write(entry).unwrap());
            writer.hand_over().unwrap();
            let begun = writer.output().clone();
            let mut writer = Writer::going_on(begun, format, cut as u64);
            after.iter().for_each(|entry| writer.write(entry).unwrap());
            assert_eq!(String::from_utf8(writer.finish().unwrap()).unwrap(), expect, "{cut}");
        }
    }

    #[test]
    fn every_format_has_one_form() {
        let entry = entry_at(Timestamp::from_unix_ns(0), "-8e-7");
        let json = r#"{"amount":-0.0000008,"apiKeyId":null,"currency":"USD","inferenceDetails":null,"notes":"API Inference","pricePerUnitUsd":4.84,"sku":"zai-org-glm-5-1-llm-output-mtoken","timestamp":"1970-01-01T00:00:00.000Z","units":0.000044}"#;
        let two = [entry.clone(), entry];
        check(Format::Json, &[], "[]\n");
        check(Format::Json, &two[..1], &format!("[\n{json}\n]\n"));
        check(Format::Json, &two, &format!("[\n{json},\n{json}\n]\n"));
        check(Format::Ndjson, &[], "");
        check(Format::Ndjson, &two, &format!("{json}\n{json}\n"));

        let mut csv = Vec::new();
        billing_csv::encode(&two, Columns::Documented, &mut csv);
        check(Format::Csv(Columns::Documented), &two, std::str::from_utf8(&csv).unwrap());
    }
}
