//! Proof of the forms of a report: how they options, and that no digit of money is cut or wrong in any room.

use billing_model::{Decimal, Total};
use proptest::prelude::*;

use crate::column::Column;
use crate::made_up::{self, all, report, row};
use crate::naming::Naming;
use crate::report::Report;
use crate::report_table::{TableOptions, cells, fitted};
use crate::section::Section;
use crate::table::Room;

const MONEY: [Column; 5] = [Column::Spend, Column::Credits, Column::Net, Column::Usd, Column::Previous];

fn options(columns: usize) -> TableOptions {
    TableOptions { room: Room { columns, whole_names: false }, colors: false, ascii: false }
}

/// All made-up reports in a form.
fn shown(form: impl Fn(&Report) -> String) -> String {
    all().iter().map(|(name, report)| format!("== {name}\n{}\n", form(report))).collect()
}

#[test]
fn tables_in_80_columns() {
    insta::assert_snapshot!(shown(|report| report.to_table(options(80))));
}

#[test]
fn tables_in_140_columns() {
    insta::assert_snapshot!(shown(|report| report.to_table(options(140))));
}

#[test]
fn tables_in_ascii_with_colors() {
    let options = TableOptions { colors: true, ascii: true, ..options(100) };
    insta::assert_snapshot!(shown(|report| report.to_table(options).replace('\u{1b}', "^")));
}

#[test]
fn markdown() {
    insta::assert_snapshot!(shown(Report::to_markdown));
}

#[test]
fn csv() {
    // A carriage return would be lost in a snapshot.
    insta::assert_snapshot!(shown(|report| report.to_csv().replace('\r', "\\r").replace('\u{1b}', "^")));
}

#[test]
fn a_page_has_currencies_that_the_span_before_alone_has() {
    let page = made_up::unmatched_before().to_html();
    let card = "<h2>DIEM</h2><p class=\"large n\">0.000</p>\
                <p class=\"exact\">exactly <span class=\"n\" data-field=\"spend\">0</span></p>\
                <p class=\"what\">spent, 0.031 before";
    assert!(page.contains(card), "{page}");
    assert!(page.contains("<th scope=\"row\">Total<td>DIEM<td>0<td>–<td>0.0312345<td>"), "{page}");
}

#[test]
fn what_is_drawn_is_in_ascii_where_nothing_else_can_be_shown() {
    for (name, report) in all().into_iter().filter(|(name, _)| *name != "hostile") {
        let text = report.to_table(TableOptions { ascii: true, ..options(60) });
        assert!(text.is_ascii(), "{name}: {text}");
    }
}

#[test]
fn colors_change_no_width() {
    for (name, report) in all() {
        let plain = report.to_table(options(100));
        let colored = report.to_table(TableOptions { colors: true, ..options(100) });
        assert_ne!(plain, colored);
        assert_eq!(console::strip_ansi_codes(&colored), plain, "{name}");
    }
}

#[test]
fn names_that_are_to_be_whole_are_whole_in_any_room() {
    let room = Room { columns: 20, whole_names: true };
    let text = made_up::models().to_table(TableOptions { room, ..options(20) });
    assert!(text.contains("\nqwen3-coder-480b-a35b-instruct   0.912\n"), "{text}");
}

/// The skus of a model begin alike, and next to nothing was refunded.
#[test]
fn rows_can_be_told_apart_at_80_columns() {
    let kinds = ["llm-input-mtoken", "llm-cache-input-mtoken", "llm-output-mtoken"];
    let rows = kinds.iter().enumerate().map(|(n, kind)| {
        let refund = if n == 0 { "0.0000001" } else { "0" };
        row(
            "sku",
            "USD",
            &[&format!("deepseek-v4-flash-0731-{kind}")],
            &format!("90{n} 412345 0 0 98765 1.2{n}45 {refund}"),
        )
    });
    let text = report("sku", rows.collect()).to_table(options(80));
    for kind in kinds {
        assert!(text.contains(&format!("\ndeepseek-v4-flash-0731-{kind} ")), "{text}");
    }
    assert!(text.contains("net") && text.contains("credits") && text.contains("no room for"), "{text}");
}

/// A text of entries can be of any size, and a report of any other program.
#[test]
fn nothing_from_elsewhere_steers_a_terminal_or_fills_it() {
    let mut report = made_up::hostile();
    let long = "long \u{1b}]0;title\u{7}".repeat(100_000);
    report.rows[0].labels[0].1 = Some(long.clone());
    report.meta.time_zone = long.clone();
    report.meta.window.since = Some(long.clone());
    report.meta.provisional_from = Some(long.clone());
    report.meta.is_final = false;
    report.meta.filter.model = Some(long.clone());
    report.meta.source.files = vec![long.clone(); 9];
    for text in [report.to_table(options(80)), report.to_markdown()] {
        assert!(text.len() < 8_000, "{}", text.len());
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(!text.contains('\u{202e}'));
    }
    // Where names are read by programs they are whole, as far as they can be shown.
    assert!(report.to_csv().contains(&long.replace(['\u{1b}', '\u{7}'], "\u{fffd}")));
}

/// Looks at each column in each room: it is named as left out, something stands in its place, or all its figures are there.
fn assert_whole(section: &Section<'_>, naming: &Naming<'_>, width: usize) {
    let (fitted, _) = fitted(section, naming, options(width));
    let lines: Vec<Vec<&str>> = fitted.text.lines().map(|line| line.split_whitespace().collect()).collect();
    for (position, column) in section.columns.iter().enumerate() {
        let is_left_out = fitted.left_out.iter().any(|head| head == column.head());
        assert!(!(is_left_out && *column == Column::Spend), "{}", fitted.text);
        if is_left_out || !MONEY.contains(column) {
            continue;
        }
        let cells = cells(section, naming, false, position);
        assert_eq!(lines.len(), cells.len());
        for (line, figure) in lines.iter().zip(&cells) {
            assert!(
                figure.is_empty() || line.contains(&figure.as_str()),
                "{width}: no {figure} in\n{}",
                fitted.text
            );
        }
    }
}

/// Reads what is shown for each amount, and holds it against the amount.
fn assert_near(section: &Section<'_>, naming: &Naming<'_>) {
    for row in section.rows {
        let (sums, previous) = (&row.sums, row.previous.as_ref().map(|sums| sums.spend.clone()));
        let amounts = [
            Some(sums.spend.clone()),
            Some(sums.credits.clone()),
            Some(sums.net()),
            row.usd.clone(),
            previous,
        ];
        for (column, amount) in MONEY.into_iter().zip(amounts) {
            let shown = section.cell(row, column, naming).text();
            let Some(amount) = amount else { continue };
            let places = shown.split_once('.').map_or(0, |(_, places)| places.len());
            let apart = |shown: &str| {
                let mut apart = made_up::total(&shown.replace(',', ""));
                apart.subtract(&amount);
                if apart.is_positive() { apart } else { -apart }
            };
            match (shown.strip_prefix('<'), shown.strip_prefix('>')) {
                // More than nothing, and less than what is said.
                (Some(bound), _) => {
                    assert!(amount.is_positive() && amount < made_up::total(bound), "{amount} {shown}")
                }
                (_, Some(bound)) => assert!(
                    (-amount.clone()).is_positive() && amount > made_up::total(bound),
                    "{amount} {shown}"
                ),
                // The last place of an exponent form is far above all other places.
                _ if shown.contains('e') => assert!(apart(&shown) < made_up::total("1")),
                _ => {
                    let unit = Decimal::from_parts(1, -i32::try_from(places).unwrap()).unwrap();
                    assert!(
                        apart(&shown).times(Decimal::from(2u32)) <= Total::from(unit),
                        "{amount} {shown}"
                    );
                }
            }
        }
    }
}

#[test]
fn figures_of_every_report_are_whole_and_near_in_every_room() {
    for (_, report) in all() {
        let naming = Naming::new(&report);
        for section in report.sections(false) {
            (20..=200).for_each(|columns| assert_whole(&section, &naming, columns));
            assert_near(&section, &naming);
        }
    }
}

/// Where names can be shortened enough, no table is wider than the room.
#[test]
fn a_table_fits_where_it_can() {
    for (name, report) in all().into_iter().filter(|(name, _)| *name != "extremes") {
        for columns in 32..200 {
            let text = report.to_table(options(columns));
            let widest = text.lines().map(console::measure_text_width).max().unwrap();
            assert!(widest <= columns.max(42), "{name} {columns}: {text}");
        }
    }
}

proptest! {
    #[test]
    fn figures_are_whole_and_near(
        amounts in prop::collection::vec((any::<u32>(), -30i32..6, any::<u16>(), -9i32..2), 1..6), columns in 20usize..=200,
    ) {
        let text = |digits: i128, power: i32| Decimal::from_parts(digits, power).unwrap().to_string();
        let rows = amounts.iter().enumerate().map(|(place, (spend, power, credits, other_power))| {
            let (spend, credits) = (text((*spend).into(), *power), text((*credits).into(), *other_power));
            let mut row = row("sku", "USD", &[&format!("sku-{place}")], &format!("1 7 0 0 7 {spend} {credits}"));
            row.usd = Some(row.sums.spend.times(Decimal::from_parts(1, -1).unwrap()));
            row.previous = Some(Box::new(made_up::sums(&format!("1 0 0 0 0 {credits} 0"))));
            row
        });
        let mut report = report("sku", rows.collect());
        report.meta.previous = Some(made_up::span("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"));
        let naming = Naming::new(&report);
        for section in report.sections(false) {
            assert_whole(&section, &naming, columns);
            assert_near(&section, &naming);
        }
    }
}
