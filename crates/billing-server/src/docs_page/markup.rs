//! Text to HTML: escapes, the few marks that descriptions use, and tables.

/// The text with escapes for all characters that mean something in HTML.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A description: paragraphs, with `code`, **strong** and *emphasis*. No other mark of Markdown is known.
pub(super) fn prose(text: &str) -> String {
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.is_empty());
    paragraphs.map(|paragraph| format!("<p>{}</p>\n", marked(&escape(paragraph)))).collect()
}

/// The same for a text that is escaped already.
fn marked(text: &str) -> String {
    let strong = |text: &str| between(text, "**", "strong", &|text| between(text, "*", "em", &str::to_owned));
    between(text, "`", "code", &strong)
}

/// The text with every second stretch between marks in an element, and the others written by `outside`. A mark without
/// its second stays as it is.
fn between(text: &str, mark: &str, element: &str, outside: &dyn Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, (inside, after))) =
        rest.split_once(mark).and_then(|(before, after)| Some((before, after.split_once(mark)?)))
    {
        out += &format!("{}<{element}>{inside}</{element}>", outside(before));
        rest = after;
    }
    out + &outside(rest)
}

/// A table; nothing when it would have no rows. Its cells are HTML.
pub(super) fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    classed_table("fields", heads, rows)
}

/// A table that the style knows by a class.
pub(super) fn classed_table(
    class: &str,
    heads: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let cells = |row: Vec<String>| row.iter().map(|cell| format!("<td>{cell}</td>")).collect::<String>();
    let rows: String = rows.into_iter().map(|row| format!("<tr>{}</tr>\n", cells(row))).collect();
    if rows.is_empty() {
        return rows;
    }
    let heads: String = heads.iter().map(|head| format!("<th scope=\"col\">{head}</th>")).collect();
    format!("<table class=\"{class}\">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n")
}

/// Something to unfold.
pub(super) fn folded(summary: &str, inside: &str) -> String {
    format!("<details>\n<summary>{summary}</summary>\n{inside}</details>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_becomes_paragraphs() {
        for (text, expect) in [
            ("", ""),
            ("a\n\nb", "<p>a</p>\n<p>b</p>\n"),
            ("`*a*` **b** *c*", "<p><code>*a*</code> <strong>b</strong> <em>c</em></p>\n"),
            ("a ` b * c", "<p>a ` b * c</p>\n"),
            ("`<` & `>`", "<p><code>&lt;</code> &amp; <code>&gt;</code></p>\n"),
        ] {
            assert_eq!(prose(text), expect);
        }
    }

    #[test]
    fn a_table_without_rows_is_not_there() {
        assert_eq!(table(&["a"], []), "");
    }
}
