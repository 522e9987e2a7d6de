//! The partial file: where the bytes are until they are all there.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};

/// How often the partial file may be replaced under our hands before we give up. Each time takes another run that
/// starts and ends between two calls of ours.
const MAX_TRIES: u32 = 16;

const SUFFIX: &str = ".part";

/// What file systems take as a name, nearly all of them.
const MAX_NAME_BYTES: usize = 255;

/// The name of the partial file, ours as long as the file is open and locked.
#[derive(Debug)]
pub(crate) struct Part {
    path: PathBuf,
    target: PathBuf,
    directory: Directory,
    /// True once the partial file is the file.
    renamed: bool,
}

impl Part {
    /// Opens the partial file of `target` and locks it, so that it is ours and empty. Everything that `commit` needs
    /// is opened and tried here: what fails, fails before there is anything to lose.
    pub(crate) fn open(target: PathBuf, named: &Path) -> Result<(File, Self), Error> {
        let failed = |cause| Error::io(ErrorKind::Create, Some(named), cause);
        let directory = Directory::open(directory_of(&target)).map_err(|cause| match cause.kind() {
            io::ErrorKind::PermissionDenied => Error::io(ErrorKind::UnreadableDirectory, Some(named), cause),
            _ => failed(cause),
        })?;
        let path = target.with_file_name(part_name(target.file_name().unwrap_or_default()));
        for _ in 0..MAX_TRIES {
            if is_in_the_way(&path).map_err(failed)? {
                return Err(Error::new(ErrorKind::PartInTheWay, &path));
            }
            let file = open_part(&path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(Error::new(ErrorKind::Busy, named)),
                Err(TryLockError::Error(cause)) => return Err(failed(cause)),
            }
            // Another run may have finished in between, and what we hold is its finished file.
            if is_at(&file, &path).map_err(failed)? {
                file.set_len(0).map_err(failed)?;
                return Ok((file, Self { path, target, directory, renamed: false }));
            }
        }
        Err(Error::new(ErrorKind::Busy, named))
    }

    /// Puts the partial file in the place of the file.
    pub(crate) fn commit(mut self, file: &File) -> io::Result<()> {
        if let Ok(existing) = fs::metadata(&self.target) {
            file.set_permissions(existing.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&self.path, &self.target)?;
        self.renamed = true;
        self.directory.sync()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.renamed {
            // There is nobody to tell; a partial file that stays is emptied by the next run.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The name of the partial file, always the same for the same file: a second run has to find the first one's lock.
fn part_name(name: &OsStr) -> OsString {
    let bytes = name.as_encoded_bytes();
    if bytes.len() + SUFFIX.len() <= MAX_NAME_BYTES {
        return [name, OsStr::new(SUFFIX)].into_iter().collect();
    }
    // FNV-1a: not the standard library's hash, which another version of this program may have another one of.
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let end = format!("~{hash:016x}{SUFFIX}");
    // Whole characters, because some file systems take nothing but UTF-8.
    let start = name.to_string_lossy();
    let start = &start[..start.floor_char_boundary(MAX_NAME_BYTES - end.len())];
    format!("{start}{end}").into()
}

pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    }
}

/// True when something is there that is not a file: a link, a directory, a pipe.
fn is_in_the_way(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(there) => Ok(!there.is_file()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// Opens or creates the file. It is not truncated yet: until it is locked it may be another run's.
fn open_part(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // A link or a pipe may have come since we looked: it must neither be followed nor waited for.
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    }
    options.open(path)
}

/// True when what is open is a file, and the one at the path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let held = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok(held.is_file() && (held.dev(), held.ino()) == (there.dev(), there.ino())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// Elsewhere a file that is open and locked cannot be renamed by another run.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// The directory of the file. A renamed file has its new name for good only when its directory is on the disk.
///
/// `None` where directories cannot be synchronised: some network file systems have no such thing, and their names are
/// durable when the call returns.
#[derive(Debug)]
struct Directory(Option<File>);

impl Directory {
    /// Opens the directory, and tries whether it can be synchronised.
    #[cfg(unix)]
    fn open(path: &Path) -> io::Result<Self> {
        let directory = File::open(path)?;
        match directory.sync_all() {
            Ok(()) => Ok(Self(Some(directory))),
            Err(cause)
                if matches!(cause.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
            {
                Ok(Self(None))
            }
            Err(cause) => Err(cause),
        }
    }

    #[cfg(not(unix))]
    fn open(_: &Path) -> io::Result<Self> {
        Ok(Self(None))
    }

    fn sync(&self) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), File::sync_all)
    }
}

#[cfg(test)]
#[cfg(unix)]
pub(crate) mod tests {
    use super::*;
    use crate::{AtomicFile, Target};
    use std::io::Write;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;
    use tempfile::TempDir;

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

    pub(crate) fn make_pipe(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
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
            let expect =
                format!("`{}` is in the place of the partial file and is not a file", part.display());
            assert_eq!(error.to_string(), expect, "{case}");

            assert_eq!(fs::symlink_metadata(&part).unwrap().file_type(), before, "{case}");
            assert_eq!(names(&directory), ["precious", "usage.csv", "usage.csv.part"], "{case}");
            assert_eq!(fs::read(precious).unwrap(), b"precious", "{case}");
        }
    }

    #[test]
    fn what_comes_after_the_look_is_neither_followed_nor_waited_for() {
        let (directory, path) = old_file();
        let part = directory.path().join("pipe");
        make_pipe(&part);
        assert!(open_part(&part).is_err(), "a pipe without a reader");
        let reader = thread::spawn({
            let part = part.clone();
            move || fs::read(part).unwrap()
        });
        // There is a moment when the reader has not come yet.
        let pipe = std::iter::repeat_with(|| open_part(&part)).find_map(Result::ok).unwrap();
        assert!(!is_at(&pipe, &part).unwrap(), "a pipe with a reader");
        drop(pipe);
        reader.join().unwrap();

        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(open_part(&link).is_err());
        assert!(!is_at(&File::open(&path).unwrap(), &link).unwrap());
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
        let name = part_name("n".repeat(251).as_ref());
        assert_eq!(name.to_str().unwrap(), format!("{}~5e213bdb3ee7e039.part", "n".repeat(233)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_directory_that_cannot_be_read_failed_after_the_rename() {
        use std::os::unix::fs::PermissionsExt;
        use std::os::unix::process::CommandExt;
        let (directory, path) = old_file();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o300)).unwrap();
        if File::open(directory.path()).is_ok() {
            // Permissions do not bind root: run this test again as nobody.
            let mut again = Command::new("/proc/self/exe");
            again.args([
                &format!(
                    "{}::a_directory_that_cannot_be_read_failed_after_the_rename",
                    module_path!().split_once("::").unwrap().1
                ),
                "--exact",
            ]);
            // Where there is no other user to become, as in some containers, it cannot be shown.
            let Ok(again) = again.gid(65534).uid(65534).output() else { return };
            let output = String::from_utf8(again.stdout).unwrap();
            return assert!(output.contains("1 passed"), "{output}");
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
