//! A report in Markdown, for a pull request or a wiki.

use std::fmt::Write as _;

use crate::column::Column;
use crate::naming::{Label, Naming};
use crate::report::Report;
use crate::row::Row;
use crate::section::Section;

impl Report {
    /// The report in Markdown, as GitHub and GitLab have it: a table for each currency. Amounts are rounded as on a terminal.
    ///
    /// Names are text from entries. They stand in code, where nobody is mentioned and nothing is a link, an image or HTML.
    ///
    /// ```
    /// use billing_report::{By, Meta, Question, ReportBuilder};
    /// let builder = ReportBuilder::new(Question::new("day".parse::<By>()?));
    /// let report = builder.finish(Meta { is_final: true, ..Meta::default() });
    /// assert_eq!(
    ///     report.to_markdown(),
    ///     "### Spend by day, all time, UTC\n\n- 0 entries\n\nNothing was spent or credited here.\n"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_markdown(&self) -> String {
        let mut text = format!("### {}\n\n", escaped(&self.title()));
        list(&mut text, &self.heading());
        let sections = self.sections(false);
        let naming = Naming::new(self);
        for section in &sections {
            add(&mut text, section, &naming);
        }
        if sections.is_empty() {
            text.push_str("\nNothing was spent or credited here.\n");
        }
        let notes = self.notes(sections.iter().any(|section| section.is_rounded));
        if !notes.is_empty() {
            text.push('\n');
        }
        list(&mut text, &notes);
        text
    }
}

fn list(text: &mut String, lines: &[String]) {
    lines.iter().for_each(|line| _ = writeln!(text, "- {}", escaped(line)));
}

fn add(text: &mut String, section: &Section<'_>, naming: &Naming<'_>) {
    if let Some(currency) = &section.currency {
        _ = write!(text, "\n#### {}\n", escaped(currency));
    }
    // What stands for others where there is no room, and what is drawn.
    let is_shown = |column: &Column| !matches!(column, Column::Tokens | Column::Bar | Column::ShortTrend);
    let columns: Vec<Column> = section.columns.iter().copied().filter(is_shown).collect();
    let heads: Vec<String> = columns.iter().map(|column| column.head().to_owned()).collect();
    let ruler: Vec<String> =
        columns.iter().map(|column| if column.is_figure() { "---:" } else { ":---" }.to_owned()).collect();
    text.push('\n');
    line(text, &heads);
    line(text, &ruler);
    for row in section.rows {
        let cell = |column: &Column| match section.cell(row, *column, naming) {
            Label::Words(words) if matches!(column, Column::Label(_)) => escaped(&words),
            // Spaces at its ends would be lost, and those within become one.
            Label::Words(line) if *column == Column::Trend => line.replace(' ', "\u{a0}"),
            Label::Words(figure) => figure.replace('<', "&lt;").replace('>', "&gt;"),
            Label::Name(name) => code(&name),
        };
        line(text, &columns.iter().map(cell).collect::<Vec<_>>());
    }
    if let Some(total) = section.total {
        line(text, &columns.iter().map(|column| bold(section, total, *column)).collect::<Vec<_>>());
    }
    section.remarks.iter().for_each(|remark| _ = write!(text, "\n{}\n", escaped(remark)));
}

fn bold(section: &Section<'_>, total: &Row, column: Column) -> String {
    match section.total_cell(total, column) {
        none if none.is_empty() => none,
        cell => format!("**{}**", escaped(&cell)),
    }
}

fn line(text: &mut String, cells: &[String]) {
    _ = writeln!(text, "| {} |", cells.join(" | "));
}

/// Words in which no character means anything to Markdown. They may have names in them, as a path or a filter has.
fn escaped(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Mentions, issues and addresses are found in the text that comes out, where an escape is gone. What divides them from
            // what follows is not seen.
            '@' => out.push_str("@\u{200b}"),
            '#' => out.push_str("\\#\u{200b}"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' | '$' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.replace("://", ":\u{200b}//").replace("www.", "www\u{200b}.")
}

/// A name as code in a cell of a table.
fn code(name: &str) -> String {
    if !name.contains(['|', '`']) {
        return format!("`{name}`");
    }
    // A table is cut at bars before code is looked for. A bar with a backslash is none, but a backslash before that would be its
    // partner, so a space divides them.
    let name = name.replace("\\|", "\\ |").replace('|', "\\|");
    let longest = name.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // One space at each end is not shown; without them a mark at the end would be a part of the fence.
    let space = if longest > 0 { " " } else { "" };
    format!("{fence}{space}{name}{space}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_code_whatever_it_has() {
        for (name, expect) in [
            ("zai-org-glm-5-1", "`zai-org-glm-5-1`"),
            ("a|b", r"`a\|b`"),
            (r"a\|b", r"`a\ \|b`"),
            (r"a\", r"`a\`"),
            ("`a", "`` `a ``"),
            ("a``b", "``` a``b ```"),
            ("[x](http://e.example) @root <b>", "`[x](http://e.example) @root <b>`"),
        ] {
            assert_eq!(code(name), expect);
        }
    }

    #[test]
    fn words_mean_nothing_to_markdown() {
        assert_eq!(
            escaped("a_b *c* [d](https://e.example) <i> & | ` @all #1"),
            "a\\_b \\*c\\* \\[d\\](https:\u{200b}//e.example) &lt;i&gt; &amp; \\| \\` @\u{200b}all \\#\u{200b}1"
        );
        assert_eq!(escaped("www.e.example"), "www\u{200b}.e.example");
    }
}
