//! Finds the password of a database where PostgreSQL's own programs find it: in the URL, in `PGPASSWORD`, in a password file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use billing_postgres::Target;

use crate::redaction::without_passwords;

/// Rights of others than the owner.
const OTHERS: u32 = 0o077;

/// The target with its password, where one is found. Some databases need none. `note` tells of what should not be so.
pub(super) fn completed(target: &Target, note: &dyn Fn(&str)) -> Target {
    if target.has_password() {
        if std::env::args_os()
            .filter_map(|typed| typed.into_string().ok())
            .any(|typed| without_passwords(&typed) != typed)
        {
            note(
                "whoever lists the processes of this machine sees the password; PGPASSWORD and ~/.pgpass keep it to yourself",
            );
        }
        return target.clone();
    }
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(password) = variable("PGPASSWORD") {
        return target.clone().with_password(&password.to_string_lossy());
    }
    let file = variable("PGPASSFILE").map(PathBuf::from);
    let file = file.or_else(|| Some(etcetera::home_dir().ok()?.join(".pgpass")));
    match file.and_then(|path| password_in(&path, target, note)) {
        Some(password) => target.clone().with_password(&password),
        None => target.clone(),
    }
}

/// The password that a file has for the target. A file that others can read is left alone, as libpq does it.
fn password_in(path: &Path, target: &Target, note: &dyn Fn(&str)) -> Option<String> {
    let found = fs::metadata(path).ok()?;
    let shown = path.display();
    if !found.is_file() {
        note(&format!("`{shown}` is no file, so no password was looked for in it"));
        return None;
    }
    if found.permissions().mode() & OTHERS != 0 {
        note(&format!(
            "others than you may use `{shown}`, so no password was looked for in it: `chmod 600` closes it to them"
        ));
        return None;
    }
    match fs::read(path) {
        Ok(bytes) => target.password_in(&String::from_utf8_lossy(&bytes)),
        Err(error) => {
            note(&format!("`{shown}` cannot be read, so no password was looked for in it: {error}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_password_file_that_others_can_read_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pgpass");
        fs::write(&path, b"\xff:broken\nlocalhost:5432:b:u:s3cret\n").unwrap();
        let target: Target = "postgres://u@localhost/b".parse().unwrap();
        for (mode, password) in
            [(0o600, Some("s3cret")), (0o400, Some("s3cret")), (0o640, None), (0o604, None)]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let notes = Cell::new(0);
            let note = |text: &str| {
                assert!(text.contains("chmod 600") && !text.contains("s3cret"), "{text}");
                notes.set(notes.get() + 1);
            };
            assert_eq!(password_in(&path, &target, &note).as_deref(), password, "{mode:o}");
            assert_eq!(notes.get() == 0, password.is_some());
        }
        assert_eq!(password_in(&directory.path().join("none"), &target, &|text| panic!("{text}")), None);
        let noted = Cell::new(false);
        assert_eq!(password_in(directory.path(), &target, &|_| noted.set(true)), None);
        assert!(noted.get());
    }
}
