//! The header of a file: which field is which column, and what files have in the place of a header.

use std::collections::BTreeSet;
use std::io::Read;

use billing_model::meant_field;

use crate::columns::{Column, TABLE, UNIT};
use crate::error::{Error, ErrorKind, Misnamed};
use crate::records::{Fields, Records};

/// How many records behind the first are looked at for a header, when the first is none: it may be a title, a date, an
/// author, an empty line.
const MAX_PREAMBLE: usize = 20;

/// So many known column names make a record a header, though perhaps a wrong one. No field has such a name as its
/// value.
const TELLING: usize = 3;

/// Names that are kept of columns that were not read, after which those of further headers are not noted: memory is bounded,
/// whatever the file.
pub(crate) const MOST_NAMES: usize = 20;

const BOM: char = '\u{feff}';

/// Which field of a file is which column.
#[derive(Debug)]
pub(crate) struct Header {
    /// Fields of the header, and so of every record.
    pub(crate) width: usize,
    /// The columns that the file has, each with the number of its field.
    pub(crate) layout: Vec<(usize, &'static Column)>,
    /// Columns that must say what `units` says: none unless it is read strictly.
    pub(crate) unit: Vec<usize>,
}

impl Header {
    /// Reads a record as a header, or says what it lacks.
    pub(crate) fn of(fields: Fields<'_>, is_strict: bool) -> Result<Self, ErrorKind> {
        let layout = layout(fields)?;
        let is_unit = |number: &usize| fields.text(*number) == UNIT;
        let unit = if is_strict { (0..fields.len()).filter(is_unit).collect() } else { Vec::new() };
        Ok(Self { width: fields.len(), layout, unit })
    }
}

/// Which field is which column.
fn layout(header: Fields<'_>) -> Result<Vec<(usize, &'static Column)>, ErrorKind> {
    let mut layout = Vec::with_capacity(TABLE.len());
    let mut missing = Vec::new();
    for column in &TABLE {
        let find = |name| names(header).position(|field| field == name);
        match find(column.name).or_else(|| column.alias.and_then(find)) {
            Some(number) => {
                let name = header.text(number).trim_start_matches(BOM);
                if header.iter().skip(number + 1).any(|field| field == name) {
                    return Err(ErrorKind::DuplicateColumn(column.name));
                }
                layout.push((number, column));
            }
            None if column.required => missing.push(column.name),
            None => {}
        }
    }
    if missing.is_empty() { Ok(layout) } else { Err(ErrorKind::MissingColumns(missing)) }
}

/// The names of a header. Where files were put one behind the other each may bring its byte order mark.
fn names(header: Fields<'_>) -> impl Iterator<Item = &str> {
    header.iter().map(|name| name.trim_start_matches(BOM))
}

/// The columns that look like known ones which the header does not have.
pub(crate) fn misnamed(header: Fields<'_>) -> Misnamed {
    let has = |field: &str| names(header).any(|name| name == field || (field == "units" && name == UNIT));
    let meant = |name: &str| meant_field(name).filter(|field| !has(field));
    names(header).filter_map(|name| Some((name.to_owned(), meant(name)?))).collect()
}

/// The other columns that the format does not know.
pub(crate) fn unknown(header: Fields<'_>) -> BTreeSet<String> {
    let misnamed = misnamed(header);
    let is_known = |name: &str| {
        name == UNIT || TABLE.iter().any(|column| column.name == name || column.alias == Some(name))
    };
    let is_unknown =
        |name: &&str| !name.trim().is_empty() && !is_known(name) && !misnamed.contains_key(*name);
    names(header).filter(is_unknown).take(MOST_NAMES).map(str::to_owned).collect()
}

/// True for a record that is meant as a header, right or wrong.
pub(crate) fn is_meant_as_header(fields: Fields<'_>) -> bool {
    let is_name = |name: &&str| TABLE.iter().any(|column| column.name == *name);
    names(fields).filter(is_name).count() >= TELLING
}

/// Why the first record of a file, at which the records are, is no header.
pub(crate) fn instead_of_header<R: Read>(records: &mut Records<R>) -> Error {
    let place = records.place();
    let Some(first) = records.fields() else {
        let cause = records.invalid_field().map(|(_, cause)| cause);
        return Error::utf8(None, cause, place);
    };
    if let Some(kind) = spreadsheet_line(first).or_else(|| separator(first)) {
        return Error::new(kind, place);
    }
    if records.misquoted_field().is_some() {
        return Error::text_after_quote(None, place);
    }
    let kind = match layout(first) {
        Err(kind) => kind,
        // The caller knows already that the first record is no header.
        Ok(_) => ErrorKind::NoHeader,
    };
    let error = Error::new(kind, place).meaning(misnamed(first)).cut_off(records.at_end());
    if !matches!(error.kind(), ErrorKind::MissingColumns(_)) || is_meant_as_header(first) {
        return error;
    }
    for _ in 0..MAX_PREAMBLE {
        // A fault further on is not reported: the first record is what is wrong.
        let Ok(true) = records.next() else { break };
        let Some(fields) = records.fields() else { break };
        if layout(fields).is_ok() {
            return Error::new(ErrorKind::Preamble { header_line: records.place().line }, place);
        }
        if let Some(kind) = separator(fields) {
            return Error::new(kind, records.place().in_header());
        }
    }
    error
}

/// The line with which a spreadsheet is told the separator.
fn spreadsheet_line(fields: Fields<'_>) -> Option<ErrorKind> {
    let first = fields.text(0).trim_start_matches(BOM);
    let (name, separator) = first.split_at_checked("sep=".len())?;
    let found = name.eq_ignore_ascii_case("sep=") && fields.len() <= 2 && separator.chars().count() <= 1;
    found.then(|| ErrorKind::SeparatorLine(separator.chars().next().unwrap_or(',')))
}

/// The separator of a header that is not separated by commas.
fn separator(fields: Fields<'_>) -> Option<ErrorKind> {
    let is_name = |name: &str| {
        let name = name.trim_matches(['"', BOM]);
        name == UNIT || TABLE.iter().any(|column| column.name == name) || meant_field(name).is_some()
    };
    let names = |separator: char| {
        let parts =
            fields.iter().filter(|field| field.contains(separator)).flat_map(|field| field.split(separator));
        parts.filter(|name| is_name(name)).count()
    };
    [';', '\t', '|'].into_iter().find(|separator| names(*separator) >= TELLING).map(ErrorKind::Separator)
}
