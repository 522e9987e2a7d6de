//! `billing man`: a page for each command, made from its help.

use std::fs;
use std::io;

use anyhow::anyhow;
use clap::builder::Resettable;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::args::{self, Args};
use crate::exit::Failure;
use crate::terminal;

/// The section of user commands.
const SECTION: &str = "1";

pub(crate) fn run(args: &args::Man) -> Result<(), Failure> {
    let dir = args.dir.display();
    let failed = |error: io::Error, what: String| Failure::failed(anyhow!(error).context(what));
    fs::create_dir_all(&args.dir).map_err(|error| failed(error, format!("`{dir}` cannot be made")))?;
    let pages = pages().map_err(|error| failed(error, "a page cannot be made".to_owned()))?;
    for (name, page) in &pages {
        fs::write(args.dir.join(name), page)
            .map_err(|error| failed(error, format!("`{name}` cannot be written to `{dir}`")))?;
    }
    terminal::note(&format!("{} man pages in {dir}", pages.len()));
    Ok(())
}

/// The name and content of each page.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    // `help` has no page, because it only repeats the others.
    let mut command = Args::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add(&command, None, &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, above: Option<&str>, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    pages.push((format!("{name}.{SECTION}"), page(command, above)?));
    command.get_subcommands().try_for_each(|below| add(below, Some(name), pages))
}

fn page(command: &Command, above: Option<&str>) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    // The text below a help becomes sections of its own, and the version is in the last line of each page.
    let plain = command.clone().after_help(Resettable::Reset).version(Resettable::Reset);
    Man::new(plain)
        // A date would make the pages differ from day to day. clap_mangen leaves out an empty one, and then the next
        // argument would take its place; so it is a quoted empty text.
        .date("\"\"")
        .source(concat!("billing ", env!("CARGO_PKG_VERSION")))
        .manual("billing")
        .render(&mut page)?;
    let mut roff = Roff::new();
    if let Some(text) = command.get_after_help() {
        add_notes(&mut roff, &text.to_string());
    }
    if let Some(above) = above {
        roff.control("SH", ["SEE ALSO"]).text([roman(format!("{above}({SECTION})"))]);
    }
    roff.to_writer(&mut page)?;
    Ok(page)
}

/// Adds the text below a help, paragraph by paragraph.
fn add_notes(roff: &mut Roff, text: &str) {
    let mut is_noting = false;
    for paragraph in text.split("\n\n") {
        let (title, lines) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
        let heading = match title {
            "Examples:" => "EXAMPLES",
            "Exit codes:" => "EXIT STATUS",
            _ => {
                match is_noting {
                    true => roff.control("PP", []),
                    false => roff.control("SH", ["NOTES"]),
                };
                is_noting = true;
                roff.text([roman(paragraph)]);
                continue;
            }
        };
        is_noting = false;
        // The lines stay as they are, without their common indent.
        roff.control("SH", [heading]).control("nf", []);
        for line in lines.lines() {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        roff.control("fi", []);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_below_a_help_gets_sections() {
        let mut roff = Roff::new();
        add_notes(&mut roff, "One,\ntwo.\n\nThree.\n\nExamples:\n  billing a --b\n      Does it.");
        assert_eq!(
            roff.to_roff(),
            ".SH NOTES\nOne,\ntwo.\n.PP\nThree.\n.SH EXAMPLES\n.nf\nbilling a \\-\\-b\n    Does it.\n.fi\n"
        );
    }

    /// If a page had two headings of one name, a paragraph in the wrong section would not be noticed.
    #[test]
    fn no_page_has_a_section_twice() {
        for (name, page) in pages().unwrap() {
            let page = String::from_utf8(page).unwrap();
            let mut headings: Vec<_> = page.lines().filter(|line| line.starts_with(".SH")).collect();
            let count = headings.len();
            headings.sort_unstable();
            headings.dedup();
            assert_eq!(headings.len(), count, "{name}: {headings:?}");
        }
    }
}
