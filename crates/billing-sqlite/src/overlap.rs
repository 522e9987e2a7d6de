//! Finds out whether files have the same entries before any of them count, such as exports of windows that overlap.

use std::collections::BTreeMap;
use std::path::Path;

use billing_ledger::{Error, ErrorKind};
use billing_model::{Likeness, Timestamp, UsageEntry};
use rusqlite::{Connection, Row};

use crate::error::failure;
use crate::row::{count, signed};

/// The page cache in KiB. Pages that have no room in it go to a temporary file.
const CACHE_KIB: u32 = 8192;

/// The most pairs of files that are reported. They are more than enough to refuse the import.
const MOST_PAIRS: usize = 100;

/// Finds equal entries in several files while these are read.
///
/// Entries have no id, and a file may hold equal ones, so that an entry comes twice proves nothing. But two exports whose
/// windows overlap hold the same entries in the time that they share, and each of those would be recorded twice. So for two
/// files the *shared time* is from the later first entry to the earlier last one. In it, each entry that both have counts as
/// often as in the file that has fewer of it.
///
/// - Files without shared time, such as those of one month and the next, share nothing, whatever they hold.
/// - Where one file ends at the very instant at which the other begins, equal entries are as likely the two halves of a batch
///   that was cut there: [`Overlap::is_border`].
/// - In every other shared time an equal entry is one that would be recorded twice.
///
/// Entries are compared in all that they hold. Only where one of the two files has no API key in any entry, as text/csv by
/// default, are the keys left out of it.
///
/// Of each entry it keeps two hashes, in 8 MiB of memory and beyond it in a temporary file without a name.
///
/// ```
/// use billing_model::UsageEntry;
/// use billing_sqlite::Overlaps;
/// # let entry = |day| UsageEntry::from_json(&format!(r#"{{"timestamp":"2026-05-{day:02}T00:00:00Z","units":1,"notes":"",
/// #   "sku":"venice-sd35-image-unit","pricePerUnitUsd":0.01,"amount":-1e-2,"currency":"USD"}}"#)).unwrap();
/// let may: Vec<UsageEntry> = (1..=31).map(entry).collect();
/// let mut overlaps = Overlaps::new()?;
/// overlaps.add(0, &may[..20])?;
/// overlaps.add(1, &may[9..])?;
/// let found = overlaps.find()?;
/// assert_eq!((found[0].files, found[0].entries), ((0, 1), 11));
/// assert_eq!(found[0].first.to_string(), "2026-05-10T00:00:00.000Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Overlaps {
    seen: Connection,
    files: Vec<File>,
}

/// The time in which two files hold equal entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The two files, by their numbers.
    pub files: (usize, usize),
    /// How many entries both have.
    pub entries: u64,
    /// When the first of them is.
    pub first: Timestamp,
    /// When the last of them is.
    pub last: Timestamp,
    /// True when one file ends at the instant at which the other begins.
    pub is_border: bool,
}

/// What is known about a file.
#[derive(Clone, Copy, Debug, Default)]
struct File {
    /// Its first and last instant; `None` while it has no entry.
    span: Option<(i64, i64)>,
    has_api_key: bool,
}

/// An entry that several files have, whatever its API key.
struct Group {
    at_ns: i64,
    /// The number of a file, the hash of an API key, and how many such entries the file has.
    held: Vec<(usize, i64, u64)>,
}

impl Overlaps {
    /// An empty comparison, without any file.
    ///
    /// # Errors
    /// [`ErrorKind::CannotCompare`].
    pub fn new() -> Result<Self, Error> {
        Ok(Self { seen: open().map_err(fail)?, files: Vec::new() })
    }

    /// Takes entries of a file, in any order. Files are numbered from 0 on.
    ///
    /// # Errors
    /// [`ErrorKind::CannotCompare`].
    pub fn add(&mut self, file: usize, entries: &[UsageEntry]) -> Result<(), Error> {
        if self.files.len() <= file {
            self.files.resize(file + 1, File::default());
        }
        let known = &mut self.files[file];
        let mut add = || {
            let mut insert = self.seen.prepare_cached(
                "INSERT INTO seen (at_ns, entry, file, api_key, entries) VALUES (?1, ?2, ?3, ?4, 1)
                 ON CONFLICT DO UPDATE SET entries = entries + 1",
            )?;
            for entry in entries {
                // An entry at an instant that no ledger can hold is refused elsewhere.
                let Some(at_ns) = entry.timestamp.unix_ns() else { continue };
                let Likeness { but_api_key, api_key } = Likeness::of(entry);
                let (first, last) = known.span.unwrap_or((at_ns, at_ns));
                known.span = Some((first.min(at_ns), last.max(at_ns)));
                known.has_api_key |= api_key.is_some();
                insert.execute((at_ns, but_api_key.to_be_bytes(), signed(file as u64), stored(api_key)))?;
            }
            Ok(())
        };
        add().map_err(fail)
    }

    /// The pairs of files that hold equal entries in the time that they share, in the order of their numbers; of each kind, at
    /// a border and elsewhere, the first hundred that are met in the order of time.
    ///
    /// # Errors
    /// [`ErrorKind::CannotCompare`].
    pub fn find(&self) -> Result<Vec<Overlap>, Error> {
        let mut found = BTreeMap::new();
        for (first_ns, last_ns) in self.shared() {
            self.look_at(first_ns, last_ns, |group| self.compare(group, &mut found)).map_err(fail)?;
        }
        Ok(found.into_values().collect())
    }

    /// The separate stretches of time that lie within the span of more than one file.
    fn shared(&self) -> Vec<(i64, i64)> {
        let mut spans: Vec<_> = self.files.iter().filter_map(|file| file.span).collect();
        spans.sort_unstable();
        let mut shared: Vec<(i64, i64)> = Vec::new();
        let mut end_ns = None;
        for (first, last) in spans {
            if let Some(end) = end_ns.filter(|end| first <= *end) {
                let until = last.min(end);
                match shared.last_mut() {
                    Some((_, so_far)) if first <= *so_far => *so_far = until.max(*so_far),
                    _ => shared.push((first, until)),
                }
            }
            end_ns = end_ns.max(Some(last));
        }
        shared
    }

    /// Gives all entries of a stretch that more than one file has.
    fn look_at(&self, first_ns: i64, last_ns: i64, mut take: impl FnMut(&Group)) -> rusqlite::Result<()> {
        // This is the order of the table, so nothing has to be sorted.
        let mut select = self.seen.prepare_cached(
            "SELECT at_ns, entry, file, api_key, entries FROM seen WHERE at_ns BETWEEN ?1 AND ?2
             ORDER BY at_ns, entry, file, api_key",
        )?;
        let mut rows = select.query((first_ns, last_ns))?;
        let mut entry = [0; 16];
        let mut group = Group { at_ns: first_ns, held: Vec::new() };
        let mut close = |group: &mut Group| {
            if group.held.first().map(|held| held.0) != group.held.last().map(|held| held.0) {
                take(group);
            }
            group.held.clear();
        };
        while let Some(row) = rows.next()? {
            let (at_ns, next): (i64, [u8; 16]) = (row.get(0)?, row.get(1)?);
            if (at_ns, next) != (group.at_ns, entry) {
                close(&mut group);
                (group.at_ns, entry) = (at_ns, next);
            }
            group.held.push((number(row)?, row.get(3)?, count(row, 4)?));
        }
        close(&mut group);
        Ok(())
    }

    fn compare(&self, group: &Group, found: &mut BTreeMap<(usize, usize), Overlap>) {
        let by_file: Vec<_> = group.held.chunk_by(|one, other| one.0 == other.0).collect();
        for (at, one) in by_file.iter().enumerate() {
            for other in &by_file[at + 1..] {
                let files = (one[0].0, other[0].0);
                let (Some(is_border), entries) = (self.border(group.at_ns, files), self.in_both(one, other))
                else {
                    continue;
                };
                if entries == 0 {
                    continue;
                }
                let is_full =
                    || found.values().filter(|pair| pair.is_border == is_border).count() >= MOST_PAIRS;
                if !found.contains_key(&files) && is_full() {
                    continue;
                }
                let at = Timestamp::from_unix_ns(group.at_ns);
                let pair = found.entry(files).or_insert(Overlap {
                    files,
                    entries: 0,
                    first: at,
                    last: at,
                    is_border,
                });
                pair.entries += entries;
                pair.last = at;
            }
        }
    }

    /// True when an instant is the border between two files; `None` when it is not in their shared time.
    fn border(&self, at_ns: i64, files: (usize, usize)) -> Option<bool> {
        let (one, other) = (self.files[files.0].span?, self.files[files.1].span?);
        let shared = one.0.max(other.0)..=one.1.min(other.1);
        let is_border = one.1 == other.0 || other.1 == one.0;
        shared.contains(&at_ns).then_some(is_border)
    }

    /// How often both files have an entry.
    fn in_both(&self, one: &[(usize, i64, u64)], other: &[(usize, i64, u64)]) -> u64 {
        let have_api_keys = self.files[one[0].0].has_api_key && self.files[other[0].0].has_api_key;
        if !have_api_keys {
            let all = |held: &[(usize, i64, u64)]| held.iter().map(|held| held.2).sum::<u64>();
            return all(one).min(all(other));
        }
        let of = |key: i64| other.iter().find(|held| held.1 == key).map_or(0, |held| held.2);
        one.iter().map(|held| held.2.min(of(held.1))).sum()
    }
}

/// Opens a private database. It is gone with the connection, also when the process is killed.
fn open() -> rusqlite::Result<Connection> {
    let seen = Connection::open("")?;
    // Nothing of it is needed after a crash.
    seen.pragma_update(None, "journal_mode", "off")?;
    seen.pragma_update(None, "synchronous", "off")?;
    seen.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
    seen.execute_batch(
        "CREATE TABLE seen (
            at_ns INTEGER NOT NULL,
            entry BLOB NOT NULL,
            file INTEGER NOT NULL,
            api_key INTEGER NOT NULL,
            entries INTEGER NOT NULL,
            PRIMARY KEY (at_ns, entry, file, api_key)
        ) STRICT, WITHOUT ROWID;
        BEGIN;",
    )?;
    Ok(seen)
}

fn fail(cause: rusqlite::Error) -> Error {
    failure(ErrorKind::CannotCompare, Path::new(""), "").caused_by(cause)
}

/// A hash as the engine keeps it. Zero stands for none.
fn stored(hash: Option<u64>) -> i64 {
    hash.map_or(0, |hash| hash.cast_signed() | 1)
}

fn number(row: &Row<'_>) -> rusqlite::Result<usize> {
    Ok(usize::try_from(count(row, 2)?).unwrap_or(usize::MAX))
}
