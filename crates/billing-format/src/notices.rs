//! What was noticed while files were read, and is no error: something may be missing, or was changed or passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use billing_model::{ReadNotes, one_line};

use crate::paging::PagePlace;

/// Characters of a name that are shown.
const SHOWN: usize = 64;

/// What was noticed while files were read, one after the other.
///
/// Files that are read with the same `Notices` count as one set of pages: of several pages, each in its file, only the last
/// may say that more follows.
///
/// ```
/// use billing_format::{InputFormat, Notices, read_entries_noting};
///
/// let page = r#"{"data":[],"nextCursor":"abc"}"#;
/// let mut notices = Notices::default();
/// notices.begin("page.json");
/// read_entries_noting(page.as_bytes(), InputFormat::Auto, &mut Vec::new(), &mut notices)?;
/// let said: Vec<_> = notices.list().iter().map(ToString::to_string).collect();
/// assert_eq!(said, ["`page.json`: its `nextCursor` says that more entries follow, which are not there"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Notices {
    files: Vec<OfFile>,
    /// The number of the file whose page says that another one follows, which has not come.
    followed: Option<usize>,
    numbered: BTreeMap<u64, Numbered>,
}

/// What was noticed in one file.
#[derive(Clone, Debug, Default)]
struct OfFile {
    name: Option<String>,
    misnamed: BTreeMap<String, &'static str>,
    half_characters: u64,
    blank_rows: u64,
    repeated_headers: u64,
    /// The unknown names, each with whether it is a member, which is kept, or a column, which is not; and how many
    /// entries came with it.
    unknown: BTreeMap<(String, bool), u64>,
}

/// A column or member that no field has the name of, nor one like it. A member is kept with its entry
/// ([`UsageEntry::other_fields`](billing_model::UsageEntry::other_fields)); a column is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Its name.
    pub name: String,
    /// True for a member of JSON, which is kept.
    pub is_kept: bool,
    /// How many files have it.
    pub files: u64,
    /// How many entries have it. A column counts for all entries of its file.
    pub entries: u64,
}

/// Numbered pages of the same size.
#[derive(Clone, Debug, Default)]
struct Numbered {
    seen: BTreeSet<u64>,
    /// How many there are, as the pages say.
    total: u64,
    /// The file that the last one was in.
    file: usize,
}

/// One thing that was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The file, as [`Notices::begin`] was told its name.
    pub file: Option<String>,
    /// What it is.
    pub kind: NoticeKind,
}

/// The kinds of [`Notice`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoticeKind {
    /// A column or member that was not read, though its name looks like that of a field that was lacking.
    Misnamed {
        /// The name in the file.
        name: String,
        /// The field that is likely meant.
        field: &'static str,
    },
    /// The last page has a cursor, so another one follows, and it was not there.
    MoreFollows,
    /// Pages with numbers, of which some were not there.
    PagesMissing {
        /// Pages that were there.
        seen: u64,
        /// Pages that there are.
        total: u64,
    },
    /// So many texts had half a character, which became U+FFFD.
    HalfCharacters(u64),
    /// So many rows of CSV were blank, and were skipped.
    BlankRows(u64),
    /// So many headers came again in CSV.
    RepeatedHeaders(u64),
}

impl NoticeKind {
    /// True when something may be missing from what was read, or was changed; false for what has no effect.
    pub fn is_warning(&self) -> bool {
        !matches!(self, Self::BlankRows(_) | Self::RepeatedHeaders(_))
    }
}

impl Notices {
    /// Says the name of the file that is read next.
    pub fn begin(&mut self, name: impl fmt::Display) {
        self.files.push(OfFile { name: Some(name.to_string()), ..OfFile::default() });
    }

    /// All of it, in the order of the files; what is missing from a set of pages is with the file of the last one.
    pub fn list(&self) -> Vec<Notice> {
        let mut list = Vec::new();
        for (number, file) in self.files.iter().enumerate() {
            let mut add = |kind| list.push(Notice { file: file.name.clone(), kind });
            for (name, field) in &file.misnamed {
                add(NoticeKind::Misnamed { name: name.clone(), field });
            }
            if self.followed == Some(number) {
                add(NoticeKind::MoreFollows);
            }
            for Numbered { seen, total, .. } in self.numbered.values().filter(|pages| pages.file == number) {
                let seen = u64::try_from(seen.len()).unwrap_or(u64::MAX);
                if seen < *total {
                    add(NoticeKind::PagesMissing { seen, total: *total });
                }
            }
            for (count, kind) in [
                (file.half_characters, NoticeKind::HalfCharacters as fn(u64) -> NoticeKind),
                (file.blank_rows, NoticeKind::BlankRows),
                (file.repeated_headers, NoticeKind::RepeatedHeaders),
            ] {
                if count > 0 {
                    add(kind(count));
                }
            }
        }
        list
    }

    /// The columns and members that are unknown, by name: of each file twenty at the most.
    pub fn unknown(&self) -> Vec<Unknown> {
        let mut unknown = BTreeMap::<&(String, bool), Unknown>::new();
        for (key, entries) in self.files.iter().flat_map(|file| &file.unknown) {
            let nothing = || Unknown { name: key.0.clone(), is_kept: key.1, files: 0, entries: 0 };
            let found = unknown.entry(key).or_insert_with(nothing);
            found.files += 1;
            found.entries += entries;
        }
        unknown.into_values().collect()
    }

    fn file(&mut self) -> &mut OfFile {
        if self.files.is_empty() {
            self.files.push(OfFile::default());
        }
        let last = self.files.len() - 1;
        &mut self.files[last]
    }

    pub(crate) fn note_json(&mut self, notes: &ReadNotes) {
        let file = self.file();
        file.half_characters += notes.half_characters;
        file.misnamed.extend(notes.misnamed.clone());
        for (name, entries) in &notes.unknown {
            *file.unknown.entry((name.clone(), true)).or_default() += entries;
        }
    }

    pub(crate) fn note_csv(&mut self, notes: &billing_csv::Notes, entries: u64) {
        let file = self.file();
        file.misnamed.extend(notes.misnamed.clone());
        file.blank_rows += notes.blank_rows;
        file.repeated_headers += notes.repeated_headers;
        for name in &notes.unknown {
            *file.unknown.entry((name.clone(), false)).or_default() += entries;
        }
    }

    pub(crate) fn note_page(&mut self, place: PagePlace) {
        self.file();
        let file = self.files.len() - 1;
        self.followed = place.is_followed.then_some(file);
        if let Some((limit, page, total)) = place.numbers {
            let pages = self.numbered.entry(limit).or_default();
            pages.seen.insert(page);
            // The total of a later page may be higher, because entries arrive.
            pages.total = pages.total.max(total);
            pages.file = file;
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "`{file}`: ")?;
        }
        self.kind.fmt(f)
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, is_kept, files, entries } = self;
        let name = one_line(name, SHOWN);
        let (entry, file) =
            (if *entries == 1 { "entry" } else { "entries" }, if *files == 1 { "file" } else { "files" });
        match is_kept {
            true => write!(f, "`{name}` is not documented and is kept: ")?,
            false => write!(f, "the column `{name}` is unknown and was not read: ")?,
        }
        write!(f, "{entries} {entry} of {files} {file}")
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |f: &mut fmt::Formatter<'_>, count: &u64, one: &str, many: &str| {
            write!(f, "{count} {}", if *count == 1 { one } else { many })
        };
        match self {
            Self::Misnamed { name, field } => {
                let name = one_line(name, SHOWN);
                write!(f, "`{name}` was not read; it looks like `{field}`, which is not there")
            }
            Self::MoreFollows => {
                f.write_str("its `nextCursor` says that more entries follow, which are not there")
            }
            Self::PagesMissing { seen, total } => {
                write!(f, "{seen} of {total} pages read; the entries of the others are missing")
            }
            Self::HalfCharacters(count) => {
                counted(f, count, "text", "texts")?;
                f.write_str(" had half a character, which became U+FFFD")
            }
            Self::BlankRows(count) => {
                counted(f, count, "blank row was passed over", "blank rows were passed over")
            }
            Self::RepeatedHeaders(count) => counted(f, count, "header came again", "headers came again"),
        }
    }
}
