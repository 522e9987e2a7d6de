//! Where a report goes, and in which form: a file that is whole or not there, a terminal, or whatever reads stdout.

use std::fs;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anstream::{AutoStream, ColorChoice};
use anyhow::anyhow;
use billing_report::{Report, TableOptions};
use billing_sink::{AtomicFile, Target};
use console::Term;

use super::jq::Expression;
use super::pager;
use super::rendered::{json, rendered};
use crate::args::{self, Form};
use crate::exit::Failure;
use crate::ledger_place::LedgerPlace;
use crate::{overwriting, plan, stdout, terminal, text};

/// The place and the form of a report.
pub(crate) struct Output {
    form: Form,
    /// `None` is stdout.
    path: Option<PathBuf>,
    expression: Option<Expression>,
    look: args::Look,
}

impl Output {
    /// Checks what was typed of it.
    pub(crate) fn new(args: &args::Output) -> Result<Self, Failure> {
        let expression = args.jq.as_deref().map(Expression::new).transpose()?;
        let form = match (&expression, args.format) {
            (Some(_), None | Some(Form::Json)) => Form::Json,
            (Some(_), Some(_)) => {
                return Err(Failure::usage(anyhow!(
                    "--jq makes something of the JSON, and --format asks for another form"
                ))
                .hint("leave --format out"));
            }
            (None, Some(form)) => form,
            (None, None) => form_of(args.output.as_deref())?,
        };
        let path = plan::file(args.output.as_deref());
        if let Some(path) = path.as_deref() {
            refuse_other_than_file(path)?;
            overwriting::refuse_kept(path)?;
        } else if form == Form::Html && args.output.is_none() && io::stdout().is_terminal() {
            return Err(Failure::usage(anyhow!(
                "stdout is a terminal, and a whole page would be printed to it"
            ))
            .hint("-o report.html writes it to a file")
            .hint("-o - prints it here"));
        }
        Ok(Self { form, path, expression, look: args.look })
    }

    /// One to stdout, in this form.
    pub(super) fn of_form(form: Form, look: args::Look) -> Result<Self, Failure> {
        Self::new(&args::Output { format: Some(form), look, ..args::Output::default() })
    }

    /// True for a form that draws charts.
    pub(crate) fn has_charts(&self) -> bool {
        self.form == Form::Html
    }

    /// True for a form that has the data of charts, or draws them.
    pub(crate) fn keeps_charts(&self) -> bool {
        matches!(self.form, Form::Html | Form::Json)
    }

    /// Refuses a place that is a file of which the report is made.
    pub(super) fn refuse_files(&self, files: &[PathBuf]) -> Result<(), Failure> {
        overwriting::refuse(self.path.as_deref(), files.iter().map(PathBuf::as_path))
    }

    /// Refuses a place that is the ledger of which the report is made.
    pub(super) fn refuse_ledger(&self, ledger: &LedgerPlace) -> Result<(), Failure> {
        overwriting::refuse_ledger(self.path.as_deref(), ledger)
    }

    /// Puts a report there.
    pub(crate) fn show(&self, report: &Report) -> Result<(), Failure> {
        match &self.expression {
            Some(expression) => self.show_results(expression, &json(report)?)?,
            None => {
                let text = rendered(report, self.form, self.table_options())?;
                match &self.path {
                    Some(path) => write(path, |file| file(&text))?,
                    None => self.print(&text)?,
                }
            }
        }
        if let Some(path) = &self.path {
            terminal::note(&format!("{}: {}", path.display(), text::entries(report.meta.entries)));
        }
        // These two show the figures alone.
        if self.expression.is_some() || self.form == Form::Csv {
            report.meta.notes.iter().for_each(|note| terminal::note_on_one_line(note));
        }
        Ok(())
    }

    /// Puts the results of an expression there, each as it comes: there may be no end of them.
    fn show_results(&self, expression: &Expression, json: &str) -> Result<(), Failure> {
        match &self.path {
            Some(path) => write(path, |file| expression.run(json, file)),
            None => expression.run(json, |line| self.print(line)),
        }
    }

    fn print(&self, text: &str) -> Result<(), Failure> {
        if !io::stdout().is_terminal() {
            return stdout::write(text);
        }
        match (&self.expression, self.form) {
            // What steers is only colour, from here: the table shows no text from elsewhere as it came.
            (None, Form::Table) => match !self.look.no_pager && is_long(text) && pager::show(text)? {
                true => Ok(()),
                false => stdout::write(text),
            },
            (None, Form::Json) => stdout::write(text),
            // A tab moves on, and does no harm.
            _ => stdout::print(&text.replace('\t', " ")),
        }
    }

    fn table_options(&self) -> TableOptions {
        let is_file = self.path.is_some();
        let colors = !is_file && AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        TableOptions { room: stdout::room(), colors, ascii: self.look.ascii || terminal::has_ascii_alone() }
    }
}

/// True for a text of more lines than the terminal has, less one for the prompt.
fn is_long(text: &str) -> bool {
    let lines = Term::stdout().size_checked().map(|(lines, _)| usize::from(lines)).filter(|lines| *lines > 0);
    lines.is_some_and(|lines| text.lines().count() >= lines)
}

/// The form that the name of a file asks for; a table by default.
fn form_of(path: Option<&Path>) -> Result<Form, Failure> {
    let extension = path.and_then(Path::extension).and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        None | Some("txt") => Ok(Form::Table),
        Some("json") => Ok(Form::Json),
        Some("csv") => Ok(Form::Csv),
        Some("md" | "markdown") => Ok(Form::Markdown),
        Some("html" | "htm") => Ok(Form::Html),
        Some(other) => Err(Failure::usage(anyhow!("a report cannot be written as .{other}"))
            .hint("name it .txt, .json, .csv, .md or .html, or say what it is with --format")),
    }
}

/// Refuses what is there and is no file, such as a device. What is put there could not be whole or not there.
fn refuse_other_than_file(path: &Path) -> Result<(), Failure> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => {
            Err(Failure::usage(anyhow!("`{}` is not a regular file, so it is left alone", path.display()))
                .hint("-o - writes to stdout, which the shell takes anywhere with >"))
        }
        _ => Ok(()),
    }
}

/// Writes a file, which appears once all of it was handed over.
fn write(
    path: &Path,
    work: impl FnOnce(&mut (dyn FnMut(&str) -> Result<(), Failure> + Send)) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let unwritten = |cause: io::Error| {
        Failure::failed(anyhow::Error::new(cause).context(format!("`{}` cannot be written", path.display())))
    };
    let mut file = BufWriter::new(AtomicFile::create(path)?);
    work(&mut |text| file.write_all(text.as_bytes()).map_err(unwritten))?;
    let file = file.into_inner().map_err(|error| unwritten(error.into_error()))?;
    Ok(file.commit()?)
}
