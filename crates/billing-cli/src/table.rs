//! Tables on a terminal: figures to the right, words to the left. Where there is no room columns give way, digits never.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use console::{measure_text_width, truncate_str};

/// Spaces between two columns.
const GAP: usize = 2;

/// Columns of a terminal that a name keeps at least, if it is that long.
const LEAST_OF_A_NAME: usize = 20;

/// A table: figures to the right, words to the left. The first row is its head.
pub(crate) fn table<R: AsRef<[String]>>(rows: &[R]) -> String {
    laid_out(rows, 0)
}

/// The same, where so many of the first columns have names, which may look like figures.
fn laid_out<R: AsRef<[String]>>(rows: &[R], names: usize) -> String {
    let rows: Vec<&[String]> = rows.iter().map(AsRef::as_ref).collect();
    let mut table = Table::new();
    // Nothing is wrapped or cut: whoever has too little room leaves columns out before.
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    rows.iter().for_each(|row| {
        table.add_row(row.iter());
    });
    let gap = u16::try_from(GAP).unwrap_or_default();
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, gap));
        let mut cells = rows.iter().skip(1).filter_map(|row| row.get(place));
        if place >= names && cells.all(|cell| is_figure(cell)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The rows without the columns that say nothing in any of them but the first.
pub(crate) fn without_empty_columns<const N: usize>(rows: &[[String; N]]) -> Vec<Vec<String>> {
    let says = |column: usize| rows.iter().skip(1).any(|row| !matches!(row[column].as_str(), "" | "-"));
    let kept: Vec<usize> = (0..N).filter(|column| says(*column)).collect();
    rows.iter().map(|row| pick(row, &kept)).collect()
}

/// The room for a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) columns: usize,
    /// Names are shown whole, and may be wider: whoever reads a pipe looks things up by them.
    pub(crate) whole_names: bool,
}

/// A table in a given room, and the columns that had none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fitted {
    pub(crate) text: String,
    /// Their heads, from left to right.
    pub(crate) left_out: Vec<String>,
}

impl Fitted {
    /// The table in so many columns of a terminal. Where they are too few, the columns of `giving_way` are left out, one lot
    /// after the other, and then names, which stand in the first column, are shortened unless they are to be whole. What is still too wide is shown all
    /// the same: a figure is shown whole or not at all.
    pub(crate) fn new<const N: usize>(rows: &[[String; N]], giving_way: &[&[&str]], room: Room) -> Self {
        let widths: Vec<usize> = (0..N).map(|column| width(rows, column)).collect();
        let mut kept: Vec<usize> = (0..N).collect();
        // What the other columns leave to the names.
        let left = |kept: &[usize]| {
            room.columns.saturating_sub(
                kept.iter().filter(|column| **column > 0).map(|column| widths[*column] + GAP).sum(),
            )
        };
        let needed = widths.first().map_or(0, |width| (*width).min(LEAST_OF_A_NAME));
        let mut left_out = Vec::new();
        for heads in giving_way {
            if left(&kept) >= needed {
                break;
            }
            kept.retain(|column| rows.first().is_none_or(|row| !heads.contains(&row[*column].as_str())));
            left_out.extend(heads.iter().map(|head| (*head).to_owned()));
        }
        let heads = rows.first().map_or(&[][..], |row| row.as_slice());
        left_out.sort_by_key(|head| heads.iter().position(|other| other == head));
        let of_names = if room.whole_names { usize::MAX } else { left(&kept).max(needed) };
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let mut row = pick(row, &kept);
                if let Some(name) = row.first_mut() {
                    *name = truncate_str(name, of_names, "…").into_owned();
                }
                row
            })
            .collect();
        Self { text: laid_out(&rows, 1), left_out }
    }
}

fn pick(row: &[String], kept: &[usize]) -> Vec<String> {
    kept.iter().map(|column| row[*column].clone()).collect()
}

fn width<const N: usize>(rows: &[[String; N]], column: usize) -> usize {
    rows.iter().map(|row| measure_text_width(&row[column])).max().unwrap_or(0)
}

/// True for a number, `1,204` and `1.5e-28`, and for what stands where there is none.
fn is_figure(cell: &str) -> bool {
    let is_of_a_number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | ',' | 'e');
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

    fn room(columns: usize) -> Room {
        Room { columns, whole_names: false }
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
        a-model-whose-name-is-r…  LLM    12345.678  0.00000000000123
        short                     IMAGE          9                 1
        ");
        insta::assert_snapshot!(fitted(55).text, @"
        model                           units               USD
        a-model-whose-name-is-rat…  12345.678  0.00000000000123
        short                               9                 1
        ");
        assert_eq!((fitted(56).left_out, fitted(55).left_out), (vec![], vec!["type".to_owned()]));
        assert_eq!(fitted(40).left_out, ["type", "units"]);
    }
}
