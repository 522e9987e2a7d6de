//! The labels of rows in words: names from entries on one line, and what stands where there is none.

use std::collections::{BTreeMap, BTreeSet};

use billing_model::one_line;

use crate::dimension::Dimension;
use crate::figures;
use crate::report::Report;
use crate::row::Row;

/// The most characters of a name.
const MOST_OF_A_NAME: usize = 200;

/// Characters of a key's id that tell keys of the same name apart.
const ENOUGH_OF_AN_ID: usize = 8;

/// A cell that stands for what a row is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// Our words, harmless everywhere.
    Words(String),
    /// A text from entries, on one line, and still hostile to anything but a terminal.
    Name(String),
}

impl Label {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Words(text) | Self::Name(text) => text,
        }
    }
}

/// The labels of a report.
pub(crate) struct Naming<'a> {
    last: Option<Dimension>,
    key_names: &'a BTreeMap<String, String>,
    /// Names that more than one key has.
    ambiguous: BTreeSet<&'a str>,
}

impl<'a> Naming<'a> {
    pub(crate) fn new(report: &'a Report) -> Self {
        let key_names = &report.meta.key_names;
        let (mut once, mut ambiguous) = (BTreeSet::new(), BTreeSet::new());
        for name in key_names.values() {
            if !once.insert(name.as_str()) {
                ambiguous.insert(name.as_str());
            }
        }
        let dimensions = report.meta.by.iter().rev();
        let last = dimensions.copied().find(|dimension| *dimension != Dimension::Currency);
        Self { last, key_names, ambiguous }
    }

    /// What a row says in the column of a dimension.
    pub(crate) fn label(&self, row: &Row, dimension: Dimension) -> Label {
        let label = row.label(dimension).flatten();
        match (row.rest, label) {
            (Some(1), None) if Some(dimension) == self.last => Label::Words("1 other".to_owned()),
            (Some(rest), None) if Some(dimension) == self.last => {
                Label::Words(format!("{} others", figures::count(rest)))
            }
            (_, None) => Label::Words(format!("(no {dimension})")),
            (_, Some(label)) => self.named(dimension, label),
        }
    }

    /// A label as it is shown: a key by its name, others as they are, all on one line.
    pub(crate) fn named(&self, dimension: Dimension, label: &str) -> Label {
        let line = match (dimension, self.key_names.get(label)) {
            (Dimension::Key, Some(name)) if self.ambiguous.contains(name.as_str()) => {
                format!("{} ({})", one_line(name, MOST_OF_A_NAME), one_line(label, ENOUGH_OF_AN_ID))
            }
            (Dimension::Key, Some(name)) => one_line(name, MOST_OF_A_NAME),
            _ => one_line(label, MOST_OF_A_NAME),
        };
        match dimension {
            // A key need not be called anything.
            Dimension::Key if line.trim().is_empty() => Label::Name(one_line(label, MOST_OF_A_NAME)),
            _ if line.trim().is_empty() => Label::Words(format!("(no {dimension})")),
            Dimension::Hour if line.len() == 2 && line.bytes().all(|digit| digit.is_ascii_digit()) => {
                Label::Words(line + ":00")
            }
            _ if dimension.is_time()
                && line.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') =>
            {
                Label::Words(line)
            }
            _ => Label::Name(line),
        }
    }
}

/// A currency. An unknown one may be any text.
pub(crate) fn currency(currency: &str) -> String {
    const MOST_OF_A_CURRENCY: usize = 40;
    let line = one_line(currency, MOST_OF_A_CURRENCY);
    if line.trim().is_empty() { "(no currency)".to_owned() } else { line }
}
