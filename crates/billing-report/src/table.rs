//! Tables on a terminal: figures to the right, words to the left. Where there is no room columns give way, digits never.

use std::borrow::Cow;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use console::{measure_text_width, truncate_str};

/// Spaces between two columns.
const GAP: usize = 2;

/// Columns of a terminal that a name keeps at least, if it is that long.
const LEAST_OF_A_NAME: usize = 20;

/// Rows that are laid out at a time. A cell of comfy-table costs a microsecond, whatever is in it, so a cell has the lines of
/// this many rows: 400,000 rows take half a second and not three.
const ROWS_AT_A_TIME: usize = 1_000;

/// A table: figures to the right, words to the left. The first row is its head.
pub fn table<R: AsRef<[String]>>(rows: &[R]) -> String {
    let columns = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0);
    let layouts: Vec<ColumnLayout> = (0..columns).map(|column| ColumnLayout::new(rows, column, 0)).collect();
    render(rows.len(), |row, column| cell(rows, row, column), &layouts, "…")
}

/// The rows without the columns that say nothing in any of them but the first.
pub fn without_empty_columns<const N: usize>(rows: &[[String; N]]) -> Vec<Vec<String>> {
    let says = |column: usize| rows.iter().skip(1).any(|row| !matches!(row[column].as_str(), "" | "-"));
    let kept: Vec<usize> = (0..N).filter(|column| says(*column)).collect();
    rows.iter().map(|row| kept.iter().map(|column| row[*column].clone()).collect()).collect()
}

/// The room for a table.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Columns of the terminal.
    pub columns: usize,
    /// Names are shown whole, and may be wider: whoever reads a pipe looks things up by them.
    pub whole_names: bool,
}

/// A table in a given room, and the columns that had none.
#[derive(Debug, PartialEq, Eq)]
pub struct Fitted {
    /// A line for each row.
    pub text: String,
    /// Their heads, from left to right.
    pub left_out: Vec<String>,
}

impl Fitted {
    /// The table in so many columns of a terminal. Where they are too few, the columns of `giving_way` are left out, one group after
    /// the other. Then the names in the first column are shortened, unless they are to be whole. What is still too wide is shown all
    /// the same: a figure is shown whole or not at all.
    pub fn new<R: AsRef<[String]>>(rows: &[R], giving_way: &[&[&str]], room: Room) -> Self {
        let heads = rows.first().map_or(&[][..], |row| row.as_ref());
        let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
        let place = |head: &&str| heads.iter().position(|other| other == head);
        let groups = giving_way.iter().rev().map(|heads| ColumnGroup {
            columns: heads.iter().filter_map(place).collect(),
            instead_of: Vec::new(),
            least_of_a_name: LEAST_OF_A_NAME,
        });
        let fitting = Fitting { names: 1, groups: groups.collect(), room };
        let chosen = fitting.choose(&heads, |column| ColumnLayout::new(rows, column, 1));
        let text = render(rows.len(), |row, column| cell(rows, row, column), &chosen.layouts, "…");
        Fitted { text, left_out: chosen.left_out }
    }
}

/// A cell; nothing where a row is too short for it.
fn cell<R: AsRef<[String]>>(rows: &[R], row: usize, column: usize) -> &str {
    rows[row].as_ref().get(column).map_or("", String::as_str)
}

/// Columns that are shown together or not at all.
#[derive(Clone, Debug)]
pub(crate) struct ColumnGroup {
    /// Where they stand in a row.
    pub(crate) columns: Vec<usize>,
    /// Columns that go where these come, because these say the same and more.
    pub(crate) instead_of: Vec<usize>,
    /// They are shown only where each name has room for so many characters, if it is that long.
    pub(crate) least_of_a_name: usize,
}

/// What of a table is to be shown in which room.
#[derive(Clone, Debug)]
pub(crate) struct Fitting {
    /// How many of the first columns have names. These, and what is in no group, are shown in any case.
    pub(crate) names: usize,
    /// What is shown where there is room, the most wanted first.
    pub(crate) groups: Vec<ColumnGroup>,
    pub(crate) room: Room,
}

/// The columns that are shown, from left to right, and the heads of those that had no room.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) layouts: Vec<ColumnLayout>,
    pub(crate) left_out: Vec<String>,
}

impl Fitting {
    /// Chooses among the columns with these heads. `measure` makes the cells of a column and says how wide they are. It is asked only
    /// for a column whose head has room: of a long table the cells of all columns take longer than all the rest.
    ///
    /// A column that had no room is named, unless another one stands in its place.
    pub(crate) fn choose(&self, heads: &[&str], mut measure: impl FnMut(usize) -> ColumnLayout) -> Chosen {
        let all = 0..heads.len();
        let is_optional = |column: &usize| self.groups.iter().any(|group| group.columns.contains(column));
        let mut shown: Vec<usize> = all.clone().filter(|column| !is_optional(column)).collect();
        let mut replaced: Vec<usize> = Vec::new();
        let mut widths: Vec<usize> = heads.iter().map(|head| measure_text_width(head)).collect();
        let mut layouts: Vec<Option<ColumnLayout>> = vec![None; heads.len()];
        let mut measure_all = |columns: &[usize], widths: &mut [usize]| {
            for column in columns.iter().copied() {
                widths[column] = layouts[column].get_or_insert_with(|| measure(column)).width;
            }
        };
        measure_all(&shown, &mut widths);
        for group in &self.groups {
            let mut more: Vec<usize> =
                shown.iter().copied().filter(|column| !group.instead_of.contains(column)).collect();
            more.extend(&group.columns);
            let has_room = |widths: &[usize]| {
                self.least_width(&more, widths, group.least_of_a_name) <= self.room.columns
            };
            if !has_room(&widths) {
                continue;
            }
            measure_all(&more, &mut widths);
            if has_room(&widths) {
                replaced.extend(&group.instead_of);
                shown = more;
            }
        }
        shown.sort_unstable();
        let is_shown = |head: &str| shown.iter().any(|column| heads[*column] == head);
        let left_out = all.filter(|column| !shown.contains(column) && !replaced.contains(column));
        // What is shown in another column under the same head is not missed, and what is drawn has none.
        let left_out =
            left_out.map(|column| heads[column]).filter(|head| !head.is_empty() && !is_shown(head));
        let mut left_out: Vec<String> = left_out.map(str::to_owned).collect();
        left_out.dedup();
        if !self.room.whole_names {
            self.shorten_names(&shown, &mut widths);
        }
        let layout = |column: usize| Some(ColumnLayout { width: widths[column], ..layouts[column]? });
        Chosen { layouts: shown.into_iter().filter_map(layout).collect(), left_out }
    }

    /// How wide these columns are at least, with names that have only so much room.
    fn least_width(&self, columns: &[usize], widths: &[usize], of_a_name: usize) -> usize {
        let width = |column: &usize| match widths[*column] {
            width if *column < self.names => width.min(of_a_name),
            width => width,
        };
        columns.iter().map(width).sum::<usize>() + GAP * columns.len().saturating_sub(1)
    }

    /// Cuts names, the longest first, until these columns fit, or all of them are as short as may be.
    fn shorten_names(&self, columns: &[usize], widths: &mut [usize]) {
        let longest = widths.iter().take(self.names).copied().max().unwrap_or(0);
        // Between a width that is always allowed and one that cuts nothing lies the widest that fits.
        let (mut fits, mut beyond) = (LEAST_OF_A_NAME, longest.max(LEAST_OF_A_NAME) + 1);
        while beyond - fits > 1 {
            let between = fits + (beyond - fits) / 2;
            match self.least_width(columns, widths, between) <= self.room.columns {
                true => fits = between,
                false => beyond = between,
            }
        }
        widths.iter_mut().take(self.names).for_each(|width| *width = (*width).min(fits));
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColumnLayout {
    /// Where it stands in a row.
    pub(crate) column: usize,
    /// Columns of a terminal. What is wider is cut.
    pub(crate) width: usize,
    /// Figures stand to the right.
    pub(crate) is_right: bool,
}

impl ColumnLayout {
    /// The column as wide as its widest cell. So many of the first columns have names, which may look like figures.
    fn new<R: AsRef<[String]>>(rows: &[R], column: usize, names: usize) -> Self {
        let mut cells = rows.iter().skip(1).filter_map(|row| row.as_ref().get(column));
        let is_right = column >= names && cells.all(|cell| is_figure(cell));
        let cells = rows.iter().filter_map(|row| row.as_ref().get(column));
        Self { is_right, ..Self::left_aligned(cells, column) }
    }

    /// A column of words, as wide as the widest of these cells.
    pub(crate) fn left_aligned<'a>(cells: impl Iterator<Item = &'a String>, column: usize) -> Self {
        let width = cells.map(|cell| measure_text_width(cell)).max().unwrap_or(0);
        Self { column, width, is_right: false }
    }
}

/// A line for each row, of these columns. `cell` lends the cell of a row in a column, and `ellipsis` stands in the middle of a
/// name that is cut.
pub(crate) fn render<'a>(
    rows: usize,
    cell: impl Fn(usize, usize) -> &'a str,
    layouts: &[ColumnLayout],
    ellipsis: &str,
) -> String {
    let mut text = String::new();
    for start in (0..rows).step_by(ROWS_AT_A_TIME) {
        let rows = start..rows.min(start + ROWS_AT_A_TIME);
        let mut table = Table::new();
        // Nothing is wrapped: whoever has too little room leaves columns out before.
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.add_row(layouts.iter().map(|layout| {
            let cells = rows.clone().map(|row| cell(row, layout.column));
            lines(cells, layout.width, ellipsis)
        }));
        for (column, layout) in table.column_iter_mut().zip(layouts) {
            let to_u16 = |width: usize| u16::try_from(width).unwrap_or(u16::MAX);
            column.set_padding((0, to_u16(GAP)));
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(to_u16(layout.width + GAP))));
            if layout.is_right {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for line in table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

/// The cells of a column, one below the other.
fn lines<'a>(cells: impl Iterator<Item = &'a str>, width: usize, ellipsis: &str) -> String {
    let mut lines = String::new();
    for (position, cell) in cells.enumerate() {
        if position > 0 {
            lines.push('\n');
        }
        // No character has fewer bytes than columns.
        if cell.len() <= width && !cell.contains('\n') {
            lines.push_str(cell);
            continue;
        }
        match shortened(cell, width, ellipsis) {
            // A line break would set every row below it one lower.
            cell if cell.contains('\n') => lines.push_str(&cell.replace('\n', " ")),
            cell => lines.push_str(&cell),
        }
    }
    lines
}

/// A name in so many columns. It is cut in its middle: names that begin alike mostly differ at their ends.
fn shortened<'a>(name: &'a str, width: usize, ellipsis: &str) -> Cow<'a, str> {
    if measure_text_width(name) <= width {
        return name.into();
    }
    let room = width.saturating_sub(measure_text_width(ellipsis));
    let (mut start, mut end_width) = (name.len(), 0);
    for (place, c) in name.char_indices().rev() {
        let c_width = measure_text_width(c.encode_utf8(&mut [0; 4]));
        end_width += c_width;
        if end_width > room / 2 {
            break;
        }
        // A mark belongs to the letter before it.
        if c_width > 0 {
            start = place;
        }
    }
    let end = &name[start..];
    let begin = truncate_str(name, room - measure_text_width(end), "");
    format!("{begin}{}{end}", truncate_str(ellipsis, width, "")).into()
}

/// True for a number, `1,204` and `1.5e-28`, and for what stands where there is none.
fn is_figure(cell: &str) -> bool {
    let is_of_a_number =
        |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | ',' | 'e' | '<' | '>' | '%');
    cell.chars().all(is_of_a_number) && !cell.starts_with('e')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_figures_to_the_right_and_no_empty_columns() {
        let rows = [["name", "n", "gone", "said"], ["a", "1,000", "-", "x"], ["bcd", "-5", "-", "longer"]];
        let rows = rows.map(|row| row.map(str::to_owned));
        assert_eq!(
            table(&without_empty_columns(&rows)),
            "name      n  said\na     1,000  x\nbcd      -5  longer\n"
        );
    }

    #[test]
    fn a_figure_is_one_in_any_form() {
        for cell in ["", "-", "0", "1,204", "-0.25", "1.5e-28", "1e+30"] {
            assert!(is_figure(cell), "{cell}");
        }
        for cell in ["e", "e5", "1.5 h", "LLM", "…"] {
            assert!(!is_figure(cell), "{cell}");
        }
        let rows = [["day", "USD"], ["2026-06-14", "1e-30"], ["2026-06-15", "7"]];
        let rows = rows.map(|row| row.map(str::to_owned));
        assert_eq!(
            Fitted::new(&rows, &[], room(80)).text,
            "day           USD\n2026-06-14  1e-30\n2026-06-15      7\n"
        );
    }

    #[test]
    fn a_table_stands_straight_whatever_a_name_is_written_in() {
        let rows = [["name", "n"], ["模型", "1"], ["e\u{301}", "22"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "name   n\n模型   1\ne\u{301}     22\n");
    }

    #[test]
    fn a_name_is_cut_in_its_middle() {
        for (name, width, expect) in [
            ("deepseek-v4-flash-0731-llm-input-mtoken", 24, "deepseek-v4-…nput-mtoken"),
            ("deepseek", 8, "deepseek"),
            ("deepseek", 7, "dee…eek"),
            ("deepseek", 6, "dee…ek"),
            ("deepseek", 1, "…"),
            ("deepseek", 0, ""),
            ("模型模型模型", 8, "模型…型"),
            // The mark at the cut stays with its letter.
            ("abcde\u{301}f", 5, "ab…e\u{301}f"),
            ("abcde\u{301}f", 4, "ab…f"),
        ] {
            assert_eq!(shortened(name, width, "…"), expect, "{name} {width}");
        }
        assert_eq!(shortened("deepseek", 2, "..."), "..");
    }

    fn room(columns: usize) -> Room {
        Room { columns, whole_names: false }
    }

    #[test]
    fn rows_beyond_the_first_thousand_stand_below_the_others() {
        let rows = (0..2_500).map(|row| [format!("row {row}"), format!("{}", row * row)]);
        let mut rows: Vec<[String; 2]> = rows.collect();
        rows[7] = ["two\nlines".to_owned(), String::new()];
        rows[1_007] = [String::new(), String::new()];
        let text = table(&rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), rows.len());
        assert_eq!((lines[7], lines[1_007]), ("two lines", ""));
        assert_eq!((lines[8], lines[2_499]), ("row 8           64", "row 2499   6245001"));
    }

    #[test]
    fn a_name_that_is_to_be_whole_is_wider_than_the_room() {
        let room = Room { columns: 40, whole_names: true };
        let Fitted { text, left_out } = Fitted::new(&rows(), &[&["type"], &["units"]], room);
        assert_eq!(left_out, ["type", "units"]);
        assert!(text.contains("a-model-whose-name-is-rather-long  0.00000000000123\n"), "{text}");
    }

    fn rows() -> [[String; 4]; 3] {
        let rows = [
            ["model", "type", "units", "USD"],
            ["a-model-whose-name-is-rather-long", "LLM", "12345.678", "0.00000000000123"],
            ["short", "IMAGE", "9", "1"],
        ];
        rows.map(|row| row.map(str::to_owned))
    }

    /// In every room: each figure is there whole or its column is named, and the table fits where it can.
    #[test]
    fn columns_give_way_and_digits_do_not() {
        for columns in 0..90 {
            let Fitted { text, left_out } = Fitted::new(&rows(), &[&["type"], &["units"]], room(columns));
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= columns.max(20 + 2 + 16), "{columns}: {text}");
            for (head, figures) in [("units", ["12345.678", "9"]), ("USD", ["0.00000000000123", "1"])] {
                let is_there = !left_out.iter().any(|other| other == head);
                assert_eq!(text.split_whitespace().any(|word| word == head), is_there, "{columns}: {text}");
                for figure in figures {
                    assert_eq!(
                        text.split_whitespace().any(|word| word == figure),
                        is_there,
                        "{columns}: {text}"
                    );
                }
            }
        }
    }

    /// The cells of a long table are made only for the columns that may be shown.
    #[test]
    fn a_column_whose_head_has_no_room_is_not_measured() {
        let group = |columns: &[usize]| ColumnGroup {
            columns: columns.to_vec(),
            instead_of: Vec::new(),
            least_of_a_name: LEAST_OF_A_NAME,
        };
        let fitting =
            Fitting { names: 1, groups: vec![group(&[1]), group(&[2, 3]), group(&[4])], room: room(30) };
        let mut measured = Vec::new();
        let chosen = fitting.choose(&["model", "tokens", "input", "output", "n"], |column| {
            measured.push(column);
            ColumnLayout { column, width: 10, is_right: false }
        });
        // The last one has room for its head, and none for its cells.
        assert_eq!(
            (measured, chosen.left_out),
            (vec![0, 1, 4], ["input", "output", "n"].map(str::to_owned).to_vec())
        );
        assert_eq!(chosen.layouts.iter().map(|layout| layout.column).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn names_are_shortened_behind_the_columns_that_give_way() {
        let fitted = |columns| Fitted::new(&rows(), &[&["type"], &["units"]], room(columns));
        insta::assert_snapshot!(fitted(69).text, @"
        model                              type       units               USD
        a-model-whose-name-is-rather-long  LLM    12345.678  0.00000000000123
        short                              IMAGE          9                 1
        ");
        insta::assert_snapshot!(fitted(60).text, @"
        model                     type       units               USD
        a-model-whos…rather-long  LLM    12345.678  0.00000000000123
        short                     IMAGE          9                 1
        ");
        insta::assert_snapshot!(fitted(55).text, @"
        model                           units               USD
        a-model-whose…-rather-long  12345.678  0.00000000000123
        short                               9                 1
        ");
        assert_eq!((fitted(56).left_out, fitted(55).left_out), (vec![], vec!["type".to_owned()]));
        assert_eq!(fitted(40).left_out, ["type", "units"]);
    }
}
