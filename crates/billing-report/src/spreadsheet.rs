//! A report in CSV, as spreadsheets read it.

use billing_model::{Total, is_invisible};

use crate::dimension::Dimension;
use crate::heading::label_columns;
use crate::report::Report;
use crate::row::Row;
use crate::sums::Sums;

impl Report {
    /// The report in CSV (RFC 4180, lines end in a line feed as those of exports): a head, and a line for each row. There is no
    /// line for totals, so that a pivot table counts nothing twice. `rest` says how many rows a line is the sum of, where it is.
    ///
    /// Numbers have all their digits. A text from entries that a spreadsheet would take for a formula has a `'` before it, and U+FFFD
    /// stands for characters that would steer a terminal or turn the direction of reading.
    ///
    /// ```
    /// use billing_report::{By, Meta, Question, ReportBuilder};
    /// let builder = ReportBuilder::new(Question::new("day".parse::<By>()?));
    /// let csv = builder.finish(Meta::default()).to_csv();
    /// assert!(csv.starts_with("day,currency,rest,entries,spend,credits,net,input_tokens,"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_csv(&self) -> String {
        let layout = Layout::new(self);
        let mut csv = Csv::default();
        layout.write_head(&mut csv);
        self.rows.iter().for_each(|row| layout.write_row(&mut csv, self, row));
        csv.text
    }
}

/// Which columns there are. They follow from the question and not from the entries, so that files can be joined.
struct Layout {
    labels: Vec<Dimension>,
    has_key_names: bool,
    has_requests: bool,
    has_usd: bool,
    is_compared: bool,
}

impl Layout {
    fn new(report: &Report) -> Self {
        let mut labels = label_columns(&report.meta.by);
        labels.retain(|dimension| *dimension != Dimension::Currency);
        let mut rows = report.rows.iter().chain(&report.totals);
        Self {
            has_key_names: labels.contains(&Dimension::Key) && !report.meta.key_names.is_empty(),
            labels,
            has_requests: rows.any(|row| row.sums.requests.is_some()),
            has_usd: report.meta.usd.is_some(),
            is_compared: report.meta.previous.is_some(),
        }
    }

    fn write_head(&self, csv: &mut Csv) {
        for dimension in &self.labels {
            csv.plain(dimension.as_str());
            if self.has_key_names && *dimension == Dimension::Key {
                csv.plain("key_name");
            }
        }
        csv.plain("currency");
        csv.plain("rest");
        self.write_heads_of_sums(csv, "");
        csv.plain("share");
        if self.has_usd {
            csv.plain("usd");
        }
        if self.is_compared {
            self.write_heads_of_sums(csv, "previous_");
        }
        csv.end_line();
    }

    fn write_heads_of_sums(&self, csv: &mut Csv, before: &str) {
        const AMOUNTS: [&str; 8] = [
            "spend",
            "credits",
            "net",
            "input_tokens",
            "cached_input_tokens",
            "cache_write_tokens",
            "output_tokens",
            "price_per_million_tokens",
        ];
        let counts = if self.has_requests { &["entries", "requests"][..] } else { &["entries"] };
        counts.iter().chain(&AMOUNTS).for_each(|head| csv.plain(&format!("{before}{head}")));
    }

    fn write_row(&self, csv: &mut Csv, report: &Report, row: &Row) {
        for dimension in &self.labels {
            let label = row.label(*dimension).flatten();
            csv.text(label.unwrap_or_default());
            if self.has_key_names && *dimension == Dimension::Key {
                let name = label.and_then(|label| report.meta.key_names.get(label));
                csv.text(name.map_or("", String::as_str));
            }
        }
        csv.text(&row.currency);
        csv.plain(&row.rest.map(|rest| rest.to_string()).unwrap_or_default());
        self.write_sums(csv, Some(&row.sums));
        csv.amount(row.share.as_ref());
        if self.has_usd {
            csv.amount(row.usd.as_ref());
        }
        if self.is_compared {
            self.write_sums(csv, row.previous.as_deref());
        }
        csv.end_line();
    }

    fn write_sums(&self, csv: &mut Csv, sums: Option<&Sums>) {
        csv.plain(&sums.map(|sums| sums.entries.to_string()).unwrap_or_default());
        if self.has_requests {
            let requests = sums.and_then(|sums| sums.requests);
            csv.plain(&requests.map(|requests| requests.to_string()).unwrap_or_default());
        }
        csv.amount(sums.map(|sums| &sums.spend));
        csv.amount(sums.map(|sums| &sums.credits));
        csv.amount(sums.map(Sums::net).as_ref());
        csv.amount(sums.map(|sums| &sums.tokens.input));
        csv.amount(sums.map(|sums| &sums.tokens.cached_input));
        csv.amount(sums.map(|sums| &sums.tokens.cache_write));
        csv.amount(sums.map(|sums| &sums.tokens.output));
        csv.amount(sums.and_then(Sums::price_per_million_tokens).as_ref());
    }
}

/// Lines of fields. The crate `csv` would do the same; but writing into memory can fail there, and here it cannot.
#[derive(Default)]
struct Csv {
    text: String,
    is_inside: bool,
}

impl Csv {
    /// A field of ours, which needs no quotes.
    fn plain(&mut self, field: &str) {
        if self.is_inside {
            self.text.push(',');
        }
        self.is_inside = true;
        self.text.push_str(field);
    }

    fn amount(&mut self, amount: Option<&Total>) {
        self.plain(&amount.map(Total::to_string).unwrap_or_default());
    }

    /// A text from elsewhere. Spreadsheets calculate what begins like a formula, and would run commands of some.
    fn text(&mut self, text: &str) {
        self.plain("");
        let defused = if is_like_a_formula(text) { "'" } else { "" };
        let text: String = text.chars().map(|c| if is_steering(c) { '\u{fffd}' } else { c }).collect();
        if text.contains(['"', ',', '\n', '\r']) {
            self.text.extend(["\"", defused, &text.replace('"', "\"\""), "\""]);
        } else {
            self.text.extend([defused, &text]);
        }
    }

    fn end_line(&mut self) {
        self.text.push('\n');
        self.is_inside = false;
    }
}

/// True for a text that a spreadsheet may calculate, perhaps after it has taken away what shows nothing before it.
fn is_like_a_formula(text: &str) -> bool {
    let shown = text.trim_start_matches(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c));
    shown.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) || text.starts_with(['\t', '\r'])
}

/// True for what would steer a terminal or turn the direction of reading. White space that a cell may have stays.
fn is_steering(c: char) -> bool {
    let is_space = matches!(c, '\n' | '\r' | '\t');
    (c.is_control() && !is_space) || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up;
    use proptest::prelude::*;

    fn read(csv: &str) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn what_looks_like_a_formula_is_text() {
        for (text, expect) in [
            ("plain", "plain"),
            ("", ""),
            ("=1+2", "'=1+2"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("a=1", "a=1"),
            (" =1", "' =1"),
            ("\n=1", "\"'\n=1\""),
            ("\u{a0}=1", "'\u{a0}=1"),
            ("\u{feff}=1", "'\u{fffd}=1"),
            ("\u{1b}=1", "'\u{fffd}=1"),
            ("＝1", "'＝1"),
            ("＋1", "'＋1"),
            ("－1", "'－1"),
            ("＠A1", "'＠A1"),
            ("a\u{202e}b\u{1b}[2J", "a\u{fffd}b\u{fffd}[2J"),
            ("=\"a\",1", "\"'=\"\"a\"\",1\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            let mut csv = Csv::default();
            csv.text(text);
            assert_eq!(csv.text, expect);
        }
    }

    /// Pivot tables add lines up, so there is none that has been added up.
    #[test]
    fn a_line_is_a_row_and_its_numbers_are_exact() {
        for (name, report) in made_up::all() {
            let lines = read(&report.to_csv());
            assert_eq!(lines.len(), report.rows.len() + 1, "{name}");
            let place = |head: &str| lines[0].iter().position(|other| other == head).unwrap();
            for (line, row) in lines.iter().skip(1).zip(&report.rows) {
                assert_eq!(line.len(), lines[0].len());
                assert_eq!(line[place("spend")].parse(), Ok(row.sums.spend.clone()), "{name}");
                assert_eq!(line[place("net")].parse(), Ok(row.sums.net()), "{name}");
                assert_eq!(
                    line[place("output_tokens")].parse(),
                    Ok(row.sums.tokens.output.clone()),
                    "{name}"
                );
                assert_eq!(line[place("rest")], row.rest.map_or(String::new(), |rest| rest.to_string()));
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_back(text in "[=+@'\"a,;\r\n\t -]{0,8}") {
            let row = made_up::row("sku", &text, &["x"], "1 0 0 0 0 1 0");
            let mut report = made_up::report("sku", vec![row]);
            report.rows[0].labels[0].1 = Some(text.clone());
            let lines = read(&report.to_csv());
            for field in &lines[1][..2] {
                prop_assert_eq!(field.strip_prefix('\'').filter(|_| !text.starts_with('\'')).unwrap_or(field), &text);
                prop_assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r']));
            }
        }
    }
}
