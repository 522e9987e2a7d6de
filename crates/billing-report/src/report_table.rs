//! A report as tables on a terminal.

use anstyle::{AnsiColor, Style};
use console::measure_text_width;

use crate::column::Column;
use crate::dimension::Dimension;
use crate::naming::Naming;
use crate::report::Report;
use crate::row::Row;
use crate::section::Section;
use crate::table::{ColumnGroup, ColumnLayout, Fitted, Fitting, Room, render};
use crate::wrapping::wrapped;

/// The width that a long name keeps, in columns of the terminal: beside the figures that a report is read for, and beside those
/// that are shown where there is room. The names of nearly all skus and models have room in the latter, because rows whose names are
/// cut are hard to tell apart.
const LEAST_OF_A_NAME: usize = 24;
const MUCH_OF_A_NAME: usize = 48;

/// The width that an API key keeps. Its id is of use only if it is whole.
const KEY_ID: usize = 36;

const HEAD: Style = Style::new().bold();
const QUIET: Style = Style::new().dimmed();
const MORE: Style = AnsiColor::Red.on_default();
const LESS: Style = AnsiColor::Green.on_default();

/// How the tables of a report are written.
#[derive(Clone, Copy, Debug)]
pub struct TableOptions {
    /// The room for it.
    pub room: Room,
    /// It has escape sequences for colours.
    pub colors: bool,
    /// What we draw is in ASCII. Names are as they are.
    pub ascii: bool,
}

impl Report {
    /// The report as tables for a terminal, one for each currency. Amounts are rounded for show, which a note says; no digit of
    /// what is shown is ever cut. A line below a table names the columns that had no room.
    ///
    /// ```
    /// use billing_report::table::Room;
    /// use billing_report::{By, Meta, Question, ReportBuilder, TableOptions};
    ///
    /// let builder = ReportBuilder::new(Question::new("day".parse::<By>()?));
    /// let room = Room { columns: 80, whole_names: false };
    /// let text = builder.finish(Meta::default()).to_table(TableOptions { room, colors: false, ascii: false });
    /// assert!(text.ends_with("\nNothing was spent or credited here.\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_table(&self, options: TableOptions) -> String {
        let mut page = Page { options, text: String::new() };
        page.words(HEAD, &self.title());
        self.heading().iter().for_each(|line| page.words(Style::new(), line));
        let sections = self.sections(options.ascii);
        let naming = Naming::new(self);
        for section in &sections {
            page.add(section, &naming);
        }
        if sections.is_empty() {
            page.text.push('\n');
            page.line(Style::new(), "Nothing was spent or credited here.");
        }
        let notes = self.notes(sections.iter().any(|section| section.is_rounded));
        if !notes.is_empty() {
            page.text.push('\n');
        }
        notes.iter().for_each(|note| page.words(QUIET, note));
        page.text
    }
}

struct Page {
    options: TableOptions,
    text: String,
}

impl Page {
    /// Words, on as many lines as they need.
    fn words(&mut self, style: Style, words: &str) {
        let columns = if self.options.room.whole_names { usize::MAX } else { self.options.room.columns };
        wrapped(words, columns).iter().for_each(|line| self.line(style, line));
    }

    fn line(&mut self, style: Style, line: &str) {
        match self.options.ascii {
            true => self.styled(style, &line.replace('…', "...")),
            false => self.styled(style, line),
        }
        self.text.push('\n');
    }

    fn styled(&mut self, style: Style, text: &str) {
        match self.options.colors {
            true => self.text.push_str(&format!("{style}{text}{style:#}")),
            false => self.text.push_str(text),
        }
    }

    fn add(&mut self, section: &Section<'_>, naming: &Naming<'_>) {
        let (Fitted { text, left_out }, columns) = fitted(section, naming, self.options);
        let width = text.lines().map(measure_text_width).max().unwrap_or(0);
        let rule = if self.options.ascii { "-" } else { "─" }.repeat(width);
        self.text.push('\n');
        if let Some(currency) = &section.currency {
            self.line(HEAD, currency);
        }
        let change = section.columns.iter().position(|column| *column == Column::Change);
        for (position, line) in text.lines().enumerate() {
            let is_total = position > section.rows.len();
            // Below the head there is a line already.
            if is_total && position > 1 {
                self.line(QUIET, &rule);
            }
            let change = change.and_then(|change| columns[change].get(position)).map_or("", String::as_str);
            match position {
                0 => self.styled(HEAD, line),
                _ if is_total => self.styled(HEAD, line),
                _ => self.with_change(line, change),
            }
            self.text.push('\n');
            if position == 0 {
                self.line(QUIET, &rule);
            }
        }
        if !left_out.is_empty() {
            self.words(QUIET, &format!("no room for {}", left_out.join(", ")));
        }
        section.remarks.iter().for_each(|remark| self.words(QUIET, remark));
    }

    /// A line whose change is coloured. Nothing behind it has digits, so it is the last place where its text stands.
    fn with_change(&mut self, line: &str, change: &str) {
        let style = match change.chars().next() {
            Some('+') => MORE,
            Some('-') => LESS,
            _ => Style::new(),
        };
        match line.rfind(change) {
            Some(start) if self.options.colors && !style.is_plain() => {
                self.text.push_str(&line[..start]);
                self.styled(style, change);
                self.text.push_str(&line[start + change.len()..]);
            }
            _ => self.text.push_str(line),
        }
    }
}

/// A table of a report in its room, and the cells of each of its columns, as far as they were needed for it.
pub(crate) fn fitted(
    section: &Section<'_>,
    naming: &Naming<'_>,
    options: TableOptions,
) -> (Fitted, Vec<Vec<String>>) {
    let heads: Vec<&str> = section.columns.iter().map(|column| column.head()).collect();
    let mut columns = vec![Vec::new(); heads.len()];
    let chosen = fitting(section, options.room).choose(&heads, |position| {
        columns[position] = cells(section, naming, options.ascii, position);
        ColumnLayout {
            is_right: section.columns[position].is_figure(),
            ..ColumnLayout::left_aligned(columns[position].iter(), position)
        }
    });
    let rows = section.rows.len() + 1 + usize::from(section.total.is_some());
    let ellipsis = if options.ascii { "..." } else { "…" };
    let text = render(rows, |row, column| &columns[column][row], &chosen.layouts, ellipsis);
    (Fitted { text, left_out: chosen.left_out }, columns)
}

/// All cells of a column: the head, those of the rows, and that of the total.
pub(crate) fn cells(section: &Section<'_>, naming: &Naming<'_>, ascii: bool, position: usize) -> Vec<String> {
    let column = section.columns[position];
    // A group's label stands at its first row only.
    let group = match (column, section.columns.get(position + 1)) {
        (Column::Label(dimension), Some(Column::Label(_))) => Some(dimension),
        _ => None,
    };
    let mut cells = Vec::with_capacity(section.rows.len() + 2);
    cells.push(column.head().to_owned());
    let mut above: Option<&Row> = None;
    for row in section.rows {
        let is_repeated =
            group.zip(above).is_some_and(|(dimension, above)| above.label(dimension) == row.label(dimension));
        above = Some(row);
        if is_repeated {
            cells.push(String::new());
            continue;
        }
        let text = section.cell(row, column, naming).text();
        let is_name = matches!(column, Column::Label(_));
        cells.push(if ascii && is_name { text.replace('…', "...") } else { text });
    }
    cells.extend(section.total.map(|total| section.total_cell(total, column)));
    cells
}

/// Which columns are shown in which room: what was asked for comes first, then what a report is read for.
fn fitting(section: &Section<'_>, room: Room) -> Fitting {
    use Column::*;
    const WANTED: [(&[Column], &[Column], usize); 13] = [
        (&[Change], &[], LEAST_OF_A_NAME),
        (&[Usd], &[], LEAST_OF_A_NAME),
        (&[Share], &[], LEAST_OF_A_NAME),
        (&[Requests], &[], LEAST_OF_A_NAME),
        (&[Tokens], &[], LEAST_OF_A_NAME),
        (&[Credits], &[], LEAST_OF_A_NAME),
        (&[Previous], &[], LEAST_OF_A_NAME),
        (&[Entries], &[], MUCH_OF_A_NAME),
        (&Column::KINDS, &[Tokens], MUCH_OF_A_NAME),
        (&[Bar, ShortTrend], &[], MUCH_OF_A_NAME),
        (&[Price], &[], MUCH_OF_A_NAME),
        (&[Trend], &[ShortTrend], MUCH_OF_A_NAME),
        (&[Net], &[], MUCH_OF_A_NAME),
    ];
    let mut wanted = WANTED.to_vec();
    if section.columns.contains(&Credits) && section.is_next_to_nothing(Credits) {
        // They are the second to give way, behind the net, which is the spend then.
        wanted.retain(|(columns, ..)| *columns != [Credits]);
        wanted.insert(wanted.len() - 1, (&[Credits], &[], MUCH_OF_A_NAME));
    }
    let places = |columns: &[Column]| {
        let place = |column: &Column| section.columns.iter().position(|other| other == column);
        columns.iter().filter_map(place).collect::<Vec<_>>()
    };
    let is_by_key = section.columns.contains(&Label(Dimension::Key));
    let groups = wanted.into_iter().map(|(columns, instead_of, least_of_a_name)| ColumnGroup {
        columns: places(columns),
        instead_of: places(instead_of),
        least_of_a_name: if is_by_key { KEY_ID } else { least_of_a_name },
    });
    let names = section.columns.iter().filter(|column| matches!(column, Label(_))).count();
    Fitting { names, groups: groups.filter(|group| !group.columns.is_empty()).collect(), room }
}
