//! The partial file, which has the bytes until the file is complete.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use crate::claim::{claim, is_at, make_private};
use crate::destination::{Place, directory_of};
use crate::directory::Directory;
use crate::error::{Error, ErrorKind};

/// The longest name that nearly all file systems take.
const MAX_NAME_BYTES: usize = 255;

/// The name of the partial file. No other run uses it as long as the file is open and locked.
#[derive(Debug)]
pub(crate) struct Part {
    path: PathBuf,
    target: PathBuf,
    directory: Directory,
    /// The permissions of the new file; `None` for those of the old file, if there is one.
    permissions: Option<Permissions>,
    /// True when the partial file is to stay, or has become the file. Otherwise it is removed when this is dropped.
    stays: bool,
}

impl Part {
    /// Opens the partial file of a place and locks it. What an earlier run left is still in it, and stays when this is
    /// dropped, unless [`set_stays`](Self::set_stays) says otherwise. Everything that is needed later is opened and
    /// tried here, so that it fails before there is anything to lose.
    pub(crate) fn open(place: Place, named: &Path) -> Result<(File, Self), Error> {
        let failed = |cause| Error::io(ErrorKind::Create, Some(named), cause);
        let Place { path: target, is_taken } = place;
        let directory = Directory::open(directory_of(&target)).map_err(|cause| match cause.kind() {
            io::ErrorKind::PermissionDenied => Error::io(ErrorKind::UnreadableDirectory, Some(named), cause),
            _ => failed(cause),
        })?;
        let path = beside(&target, ".part");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = claim(&path, &options, named, ErrorKind::PartInTheWay)?;
        // From here on, what an earlier run left stays whatever fails. A partial file without bytes counts as none.
        let stays = file.metadata().map_err(failed)?.len() > 0;
        let part = Self { path, target, directory, permissions: None, stays };
        if is_taken {
            // The old file may be secret, so the new one must not be readable by others while it grows.
            make_private(&file).map_err(failed)?;
        }
        Ok((file, part))
    }

    /// The partial file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file that it is to become.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Says whether the partial file is to stay when this is dropped.
    pub(crate) fn set_stays(&mut self, stays: bool) {
        self.stays = stays;
    }

    /// Says what permissions the new file is to have.
    pub(crate) fn set_permissions(&mut self, file: &File, permissions: Permissions) -> io::Result<()> {
        // The wanted permissions may be narrower than the present ones, and until the file is complete nobody else
        // needs any.
        make_private(file)?;
        self.permissions = Some(permissions);
        Ok(())
    }

    /// Makes the bytes and the permissions of the new file durable. It has not got its name yet.
    pub(crate) fn complete(&self, file: &File) -> io::Result<()> {
        let existing = || fs::metadata(&self.target).ok().map(|existing| existing.permissions());
        if let Some(permissions) = self.permissions.clone().or_else(existing) {
            file.set_permissions(permissions)?;
        }
        file.sync_all()
    }

    /// Puts the complete partial file in the place of the file. What has the name of the partial file must be the file
    /// that was written, and must have so many bytes, if they were counted. Anything else with that name stays where it
    /// is.
    pub(crate) fn put_in_place(&mut self, file: &File, bytes: Option<u64>) -> io::Result<()> {
        let has_bytes = bytes.is_none_or(|bytes| file.metadata().is_ok_and(|found| found.len() == bytes));
        if !is_at(file, &self.path)? || !has_bytes {
            self.stays = true;
            let message = "the partial file was replaced or changed by something else while it was written";
            return Err(io::Error::other(message));
        }
        fs::rename(&self.path, &self.target)?;
        self.stays = true;
        self.directory.sync()
    }

    /// Makes the names in the directory durable.
    pub(crate) fn sync_directory(&self) -> io::Result<()> {
        self.directory.sync()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.stays {
            // An error could be told to nobody. If the partial file stays, the next run empties it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The path of a companion of a file. It is always the same for the same file, because a second run has to find the
/// first one's lock and what it left.
pub(crate) fn beside(target: &Path, suffix: &str) -> PathBuf {
    target.with_file_name(name_with(target.file_name().unwrap_or_default(), suffix))
}

/// The name with the suffix. One that gets too long ends in a hash.
fn name_with(name: &OsStr, suffix: &str) -> OsString {
    let bytes = name.as_encoded_bytes();
    if bytes.len() + suffix.len() <= MAX_NAME_BYTES {
        return [name, OsStr::new(suffix)].into_iter().collect();
    }
    // FNV-1a, and not the standard library's hash, which may be another one in another version of this program.
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let end = format!("~{hash:016x}{suffix}");
    // Whole characters, because some file systems take nothing but UTF-8.
    let start = name.to_string_lossy();
    let start = &start[..start.floor_char_boundary(MAX_NAME_BYTES - end.len())];
    format!("{start}{end}").into()
}

#[cfg(test)]
#[cfg(unix)]
pub(crate) mod tests {
    use super::*;
    use crate::{AtomicFile, Target};
    use std::io::Write;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;
    use tempfile::TempDir;

    pub(crate) use billing_testkit::make_pipe;

    /// A directory with a file in it.
    pub(crate) fn old_file() -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("usage.csv");
        fs::write(&path, "old").unwrap();
        (directory, path)
    }

    pub(crate) fn names(directory: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn write_new(path: &Path) -> AtomicFile {
        let mut file = AtomicFile::create(path).unwrap();
        file.write_all(b"new").unwrap();
        file
    }

    /// The error of `create`, which has to come at once.
    fn error_at_once(path: &Path) -> Error {
        let (give, take) = mpsc::channel();
        let path = path.to_owned();
        thread::spawn(move || give.send(AtomicFile::create(path).unwrap_err()));
        take.recv_timeout(Duration::from_secs(30)).expect("`create` waits for something")
    }

    #[test]
    fn what_stood_in_the_place_of_the_partial_file_was_waited_for_or_followed() {
        type Put = fn(&Path, &Path);
        let cases: [(&str, Put); 5] = [
            ("a pipe", |part, _| make_pipe(part)),
            ("a link", |part, precious| symlink(precious, part).unwrap()),
            ("a dangling link", |part, _| symlink("to-be-created", part).unwrap()),
            ("a directory", |part, _| fs::create_dir(part).unwrap()),
            ("a socket", |part, _| drop(UnixListener::bind(part).unwrap())),
        ];
        for (case, put) in cases {
            let (directory, path) = old_file();
            let precious = directory.path().join("precious");
            fs::write(&precious, "precious").unwrap();
            let part = directory.path().join("usage.csv.part");
            put(&part, &precious);
            let before = fs::symlink_metadata(&part).unwrap().file_type();

            let error = error_at_once(&path);
            let part = fs::canonicalize(directory.path()).unwrap().join("usage.csv.part");
            assert_eq!((error.kind(), error.path()), (ErrorKind::PartInTheWay, Some(&*part)), "{case}");
            let expect = format!(
                "`{}` is in the place of the partial file and is not a file of its own",
                part.display()
            );
            assert_eq!(error.to_string(), expect, "{case}");

            assert_eq!(fs::symlink_metadata(&part).unwrap().file_type(), before, "{case}");
            assert_eq!(names(&directory), ["precious", "usage.csv", "usage.csv.part"], "{case}");
            assert_eq!(fs::read(precious).unwrap(), b"precious", "{case}");
        }
    }

    #[test]
    fn the_longest_names_could_not_be_written() {
        // One byte, two and three bytes a character.
        for character in ["n", "é", "€"] {
            for length in 245..=255 {
                let directory = tempfile::tempdir().unwrap();
                let count = (length - 1) / character.len();
                let name =
                    format!("{}{}", "x".repeat(length - count * character.len()), character.repeat(count));
                let path = directory.path().join(&name);
                let first = write_new(&path);
                let part = names(&directory).remove(0);
                assert!(part.len() <= 255 && part.ends_with(".part"), "{part}");
                assert_eq!(part == format!("{name}.part"), length <= 250, "{part}");
                assert!(AtomicFile::create(&path).unwrap_err().is_busy(), "{length}");
                // Names that differ only at their end do not get into each other's way.
                let start = name.strip_suffix(character).unwrap();
                drop(write_new(&directory.path().join(format!("{start}{}", "y".repeat(character.len())))));
                first.commit().unwrap();
                assert_eq!(names(&directory), [name]);
            }
        }
    }

    #[test]
    fn the_short_name_of_a_long_one_never_changes() {
        let name = |suffix| name_with("n".repeat(251).as_ref(), suffix).into_string().unwrap();
        assert_eq!(name(".part"), format!("{}~5e213bdb3ee7e039.part", "n".repeat(233)));
        assert_eq!(name(".checkpoint"), format!("{}~5e213bdb3ee7e039.checkpoint", "n".repeat(227)));
    }

    #[test]
    fn a_directory_that_cannot_be_read_failed_after_the_rename() {
        use std::os::unix::fs::PermissionsExt;
        let (directory, path) = old_file();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o300)).unwrap();
        if File::open(directory.path()).is_ok() {
            // Permissions do not bind root.
            let test = "part::tests::a_directory_that_cannot_be_read_failed_after_the_rename";
            return billing_testkit::run_as_nobody(test);
        }
        let new = directory.path().join("new.csv");
        let errors = [&path, &new].map(|path| (path, AtomicFile::create(path).unwrap_err()));
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        for (path, error) in errors {
            assert_eq!((error.kind(), error.path()), (ErrorKind::UnreadableDirectory, Some(&**path)));
            let expect = format!(
                "`{}` is in a directory that cannot be read, which it takes to make its name durable",
                path.display()
            );
            assert_eq!(error.to_string(), expect);
        }
        assert_eq!(names(&directory), ["usage.csv"]);
        assert_eq!(fs::read(path).unwrap(), b"old");
    }
}
