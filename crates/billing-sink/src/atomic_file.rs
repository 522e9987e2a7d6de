//! A file that is whole under its name, or not there.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::destination::Destination;
use crate::error::{Error, ErrorKind};
use crate::part::Part;
use crate::target::Target;

/// A file that gets its name only when it is complete.
///
/// What is written goes to `<name>.part` in the same directory. [`commit`](Target::commit) makes it durable and puts it
/// in the place of the file, in one step: there is the old file or the new one, whatever happens in between. Dropped
/// without `commit`, the partial file is removed and the old one is untouched. A process that is killed leaves the
/// partial file, and the next run starts it anew.
///
/// * The partial file is locked: a second run on the same file is refused ([`ErrorKind::Busy`]). What stands in its
///   place and is not a file is left alone ([`ErrorKind::PartInTheWay`]). Where `.part` would make the name longer than
///   the 255 bytes that a name can have, the end of the name gives way to a hash.
/// * The new file has the permissions of the old one, if no others are [said](AtomicFile::with_permissions), and belongs to
///   whoever runs the program.
/// * Behind a symbolic link, the file that it points to is replaced, and the link stays.
/// * What exists and is not a file (`/dev/null`, a pipe) is written straight through: it cannot take anything back
///   ([`takes_back`](Target::takes_back)). `create` waits until somebody opens a named pipe to read it, as every program
///   does that writes to one.
///
/// ```
/// use billing_sink::{AtomicFile, Target};
/// use std::io::Write;
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("usage.csv");
/// std::fs::write(&path, "old")?;
/// let mut file = AtomicFile::create(&path)?;
/// file.write_all(b"new")?;
/// assert_eq!(std::fs::read(&path)?, b"old");
/// file.commit()?;
/// assert_eq!(std::fs::read(&path)?, b"new");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AtomicFile {
    /// The path as the caller named it, for messages.
    path: PathBuf,
    /// `None` for what is written straight through. It stands before `file`, so that the partial file is removed before
    /// its lock is released. In the other order, the file that is removed could be another run's.
    part: Option<Part>,
    file: File,
}

impl AtomicFile {
    /// Prepares to write the file at `path`, and finds out now whether that can be done.
    ///
    /// # Errors
    /// When the path is a directory, in a directory that does not exist or cannot be read, read-only, being written by
    /// another run, or in a place where the partial file cannot be created.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let place = match Destination::find(path)? {
            Destination::Through(file) => return Ok(Self { path: path.to_owned(), part: None, file }),
            Destination::File(place) => place,
        };
        let (file, mut part) = Part::open(place, path)?;
        // What a killed run left is useless, because nothing says how much of it is on the disk.
        part.set_stays(false);
        file.set_len(0).map_err(|cause| Error::io(ErrorKind::Create, Some(path), cause))?;
        Ok(Self { path: path.to_owned(), part: Some(part), file })
    }

    /// Gives the new file these permissions, whatever the old one had. Call it before anything is written. What is
    /// written straight through keeps its own.
    ///
    /// # Errors
    /// When the partial file's permissions cannot be changed.
    pub fn with_permissions(mut self, permissions: Permissions) -> Result<Self, Error> {
        let set = self.part.as_mut().map_or(Ok(()), |part| part.set_permissions(&self.file, permissions));
        set.map_err(|cause| Error::io(ErrorKind::Create, Some(&self.path), cause))?;
        Ok(self)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Target for AtomicFile {
    type Done = ();

    fn commit(mut self) -> Result<(), Error> {
        // Written straight through, there is nothing to flush, and a pipe or /dev/null cannot be synchronised.
        let Some(part) = &mut self.part else { return Ok(()) };
        let done = part.complete(&self.file).and_then(|()| part.put_in_place(&self.file, None));
        done.map_err(|cause| Error::io(ErrorKind::Commit, Some(&self.path), cause))
    }

    fn takes_back(&self) -> bool {
        self.part.is_some()
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::part::tests::{make_pipe, names, old_file, write_new};
    use crate::target::Plain;
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_is_whole() {
        let (directory, path) = old_file();
        let file = write_new(&path);
        assert_eq!(names(&directory), ["usage.csv", "usage.csv.part"]);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        drop(file);
        assert_eq!(names(&directory), ["usage.csv"]);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write_new(&path).commit().unwrap();
        assert_eq!(names(&directory), ["usage.csv"]);
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_new_file_is_not_there_before_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("usage.csv");
        drop(write_new(&path));
        assert!(names(&directory).is_empty());
        write_new(&path).commit().unwrap();
        assert_eq!(names(&directory), ["usage.csv"]);
    }

    #[test]
    fn permissions_that_were_said_go_before_those_of_the_old_file() {
        for said in [0o600, 0o640, 0o644, 0o666] {
            let (directory, path) = old_file();
            for path in [path, directory.path().join("another.csv")] {
                let file = AtomicFile::create(&path).unwrap();
                let mut file = file.with_permissions(fs::Permissions::from_mode(said)).unwrap();
                assert_eq!(mode(&path.with_extension("csv.part")), 0o600, "nobody else reads it on the way");
                file.write_all(b"new").unwrap();
                file.commit().unwrap();
                assert_eq!((mode(&path), fs::read(&path).unwrap()), (said, b"new".to_vec()));
            }
        }
    }

    #[test]
    fn what_a_killed_run_left_is_not_taken_over() {
        let (_directory, path) = old_file();
        fs::write(path.with_extension("csv.part"), "a longer text of a run that was killed").unwrap();
        write_new(&path).commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_partial_file_with_another_name_was_written_through() {
        let (directory, path) = old_file();
        fs::hard_link(&path, directory.path().join("usage.csv.part")).unwrap();
        assert_eq!(AtomicFile::create(&path).unwrap_err().kind(), ErrorKind::PartInTheWay);
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn what_took_the_place_of_the_partial_file_was_put_in_the_place_of_the_file() {
        let (directory, path) = old_file();
        let file = write_new(&path);
        let other = directory.path().join("other");
        fs::write(&other, "other").unwrap();
        fs::rename(&other, directory.path().join("usage.csv.part")).unwrap();
        assert_eq!(file.commit().unwrap_err().kind(), ErrorKind::Commit);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read(directory.path().join("usage.csv.part")).unwrap(), b"other");
    }

    #[test]
    fn a_second_run_on_the_same_file_is_refused() {
        let (directory, path) = old_file();
        symlink("usage.csv", directory.path().join("link")).unwrap();
        let first = write_new(&path);
        for name in ["usage.csv", "link"] {
            let error = AtomicFile::create(directory.path().join(name)).unwrap_err();
            assert!(error.is_busy(), "{error:?}");
            assert!(error.to_string().ends_with(&format!("{name}` is being written by another run")));
        }
        first.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new", "the refused runs changed nothing");
        drop(write_new(&path));
    }

    #[test]
    fn permissions_are_kept_and_never_wider_on_the_way() {
        let (_directory, path) = old_file();
        for (kept, on_the_way) in [(0o640, 0o600), (0o600, 0o600), (0o666, 0o600)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(kept)).unwrap();
            let file = write_new(&path);
            assert_eq!(mode(&path.with_extension("csv.part")), on_the_way);
            file.commit().unwrap();
            assert_eq!(mode(&path), kept);
        }
    }

    #[test]
    fn a_link_stays_a_link() {
        let (directory, path) = old_file();
        let link = directory.path().join("link");
        symlink("usage.csv", &link).unwrap();
        write_new(&link).commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");

        let dangling = directory.path().join("dangling");
        symlink("to-be-created", &dangling).unwrap();
        write_new(&dangling).commit().unwrap();
        assert!(fs::symlink_metadata(&dangling).unwrap().is_symlink());
        assert_eq!(fs::read(directory.path().join("to-be-created")).unwrap(), b"new");
    }

    #[test]
    fn what_cannot_be_created_is_known_at_once() {
        let (directory, path) = old_file();
        let check = |path: &Path, kind: ErrorKind| {
            let error = AtomicFile::create(path).unwrap_err();
            assert_eq!((error.kind(), error.path()), (kind, Some(path)), "{error:?}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        };
        check(directory.path(), ErrorKind::Directory);
        check(&directory.path().join("new/"), ErrorKind::Directory);
        check(Path::new("/"), ErrorKind::Directory);
        check(&directory.path().join("none/usage.csv"), ErrorKind::NoDirectory);
        check(&path.join("usage.csv"), ErrorKind::Create);
        check(&directory.path().join("n".repeat(300)), ErrorKind::Create);
        symlink("circle", directory.path().join("circle")).unwrap();
        check(&directory.path().join("circle"), ErrorKind::Create);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        check(&path, ErrorKind::ReadOnly);
        assert_eq!(names(&directory), ["circle", "usage.csv"]);
    }

    #[test]
    fn a_failed_commit_leaves_the_old_place_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("usage.csv");
        let file = write_new(&path);
        // In the meantime somebody puts a directory there.
        fs::create_dir(&path).unwrap();
        let error = file.commit().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Commit);
        assert_eq!(names(&directory), ["usage.csv"]);
    }

    #[test]
    fn devices_are_written_through_and_stay_devices() {
        let null = Path::new("/dev/null");
        write_new(null).commit().unwrap();
        assert!(!write_new(null).takes_back());
        assert!(fs::metadata(null).unwrap().file_type().is_char_device());
        assert!(!Path::new("/dev/null.part").exists());
    }

    #[test]
    fn a_target_says_whether_it_takes_back() {
        let (directory, path) = old_file();
        symlink("usage.csv", directory.path().join("link")).unwrap();
        for name in ["usage.csv", "new.csv", "link"] {
            let file = write_new(&directory.path().join(name));
            assert!(file.takes_back(), "{name}");
        }
        assert_eq!((names(&directory).len(), fs::read(&path).unwrap()), (2, b"old".to_vec()));
        assert!(!Plain(Vec::new()).takes_back());

        let pipe = directory.path().join("pipe");
        make_pipe(&pipe);
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        let file = write_new(&pipe);
        assert!(!file.takes_back());
        drop(file);
        assert_eq!(reader.join().unwrap(), b"new", "went through, though it was not committed");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_is_an_error() {
        use crate::FileSink;
        use billing_format::Format;
        use billing_model::Sink;
        let full = FileSink::new(Format::Json, AtomicFile::create("/dev/full").unwrap());
        let error = full.finish().unwrap_err();
        assert!(error.is_storage_full(), "{error:?}");
        assert_eq!(error.to_string(), "`/dev/full` cannot be written");
    }
}
