//! The sink that writes a file.

use billing_model::UsageEntry;

use crate::error::{Error, ErrorKind};
use crate::format::Format;
use crate::sink::{Mark, Sink};
use crate::target::Target;

/// Written at once, so that the cost of a call does not show.
const BUFFER_BYTES: usize = 64 << 10;

/// Writes entries in a [`Format`] to a [`Target`]: to a file that is whole or not there, or to a stream.
///
/// ```
/// use billing_sink::{AtomicFile, FileSink, Format, Plain, Sink};
///
/// let empty = FileSink::new(Format::Json, Plain(Vec::new())).finish()?;
/// assert_eq!(empty, b"[]\n");
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("usage.ndjson");
/// let sink = FileSink::new(Format::Ndjson, AtomicFile::create(&path)?);
/// assert!(!path.exists(), "not before it is finished");
/// sink.finish()?;
/// assert!(path.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileSink<T> {
    format: Format,
    target: T,
    pending: Vec<u8>,
    empty: bool,
}

impl<T: Target> FileSink<T> {
    /// Writes to `target`, which need not be buffered. What the target holds already must be of the same format.
    pub fn new(format: Format, target: T) -> Self {
        let mut pending = Vec::with_capacity(BUFFER_BYTES + (4 << 10));
        let held = target.entries_held();
        if held.is_none() {
            format.write_start(&mut pending);
        }
        Self { format, target, pending, empty: held.is_none_or(|entries| entries == 0) }
    }

    fn write_pending(&mut self) -> Result<(), Error> {
        let written = self.target.write_all(&self.pending);
        written.map_err(|cause| Error::io(ErrorKind::Write, self.target.path(), cause))?;
        self.pending.clear();
        Ok(())
    }
}

impl<T: Target> Sink for FileSink<T> {
    type Output = T::Done;
    type Error = Error;

    fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Error> {
        for entry in entries {
            self.format.write_entry(self.empty, entry, &mut self.pending);
            self.empty = false;
            if self.pending.len() >= BUFFER_BYTES {
                self.write_pending()?;
            }
        }
        Ok(())
    }

    fn mark(&mut self, mark: &Mark<'_>) -> Result<(), Error> {
        // What the target makes durable has to be with the target.
        self.write_pending()?;
        self.target.mark(mark)
    }

    fn finish(mut self) -> Result<T::Done, Error> {
        self.format.write_end(self.empty, &mut self.pending);
        self.write_pending()?;
        self.target.commit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Plain;
    use billing_csv::Columns;
    use billing_model::Timestamp;
    use billing_testkit::entry_at;
    use std::io::{self, Write};

    fn check(format: Format, entries: &[UsageEntry], expect: &str) {
        let mut sink = FileSink::new(format, Plain(Vec::new()));
        entries.chunks(1).for_each(|page| sink.write(page).unwrap());
        assert_eq!(String::from_utf8(sink.finish().unwrap()).unwrap(), expect);
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

    /// Fails from its n-th call on.
    struct Failing(u32, io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.flush().map(|()| bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0 = self.0.checked_sub(1).ok_or(self.1)?;
            Ok(())
        }
    }

    #[test]
    fn a_failing_stream_is_seen_at_every_call() {
        let entry = entry_at(Timestamp::from_unix_ns(0), "-1");
        let page = vec![entry; 1000];
        let fill = |calls, kind| {
            let mut sink = FileSink::new(Format::Ndjson, Plain(Failing(calls, kind)));
            sink.write(&page)?;
            sink.finish().map(|failing| failing.0)
        };
        let spare = fill(100, io::ErrorKind::StorageFull).unwrap();
        for calls in 0..100 - spare {
            let full = fill(calls, io::ErrorKind::StorageFull).err().unwrap();
            assert!(full.is_storage_full() && full.kind() == ErrorKind::Write, "{calls}: {full:?}");
            assert!(fill(calls, io::ErrorKind::BrokenPipe).err().unwrap().is_broken_pipe());
        }
        assert_eq!(fill(100 - spare, io::ErrorKind::StorageFull).unwrap(), 0);
    }
}
