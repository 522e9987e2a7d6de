//! The sink that writes a file.

use std::io;
use std::path::Path;

use billing_format::{Format, Writer};
use billing_model::{Mark, Sink, UsageEntry};

use crate::error::{Error, ErrorKind};
use crate::target::Target;

/// Writes entries in a [`Format`] to a [`Target`]: to a file that is whole or not there, or to a stream.
///
/// ```
/// use billing_format::Format;
/// use billing_model::Sink;
/// use billing_sink::{AtomicFile, FileSink, Plain};
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
    writer: Writer<T>,
}

impl<T: Target> FileSink<T> {
    /// Writes to `target`, which need not be buffered. What the target holds already must be of the same format.
    pub fn new(format: Format, target: T) -> Self {
        let writer = match target.entries_held() {
            Some(entries) => Writer::going_on(target, format, entries),
            None => Writer::new(target, format),
        };
        Self { writer }
    }
}

impl<T: Target> Sink for FileSink<T> {
    type Output = T::Done;
    type Error = Error;

    fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Error> {
        let written = entries.iter().try_for_each(|entry| self.writer.write(entry));
        written.map_err(|cause| failed(self.writer.output().path(), cause))
    }

    fn mark(&mut self, mark: &Mark<'_>) -> Result<(), Error> {
        // The target can make durable only what it has.
        let handed_over = self.writer.hand_over();
        handed_over.map_err(|cause| failed(self.writer.output().path(), cause))?;
        self.writer.output_mut().mark(mark)
    }

    fn finish(self) -> Result<T::Done, Error> {
        let path = self.writer.output().path().map(Path::to_owned);
        let target = self.writer.finish().map_err(|cause| failed(path.as_deref(), cause))?;
        target.commit()
    }
}

fn failed(path: Option<&Path>, cause: io::Error) -> Error {
    Error::io(ErrorKind::Write, path, cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Plain;
    use billing_model::Timestamp;
    use billing_testkit::entry_at;
    use std::io::Write;

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
