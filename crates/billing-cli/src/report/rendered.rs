//! A report in one of its forms.

use billing_report::{Report, TableOptions};

use crate::args::Form;
use crate::exit::Failure;
use crate::stdout::plain_json;

/// The report in a form.
pub(super) fn rendered(report: &Report, form: Form, options: TableOptions) -> Result<String, Failure> {
    match form {
        Form::Table => Ok(report.to_table(options)),
        Form::Json => json(report),
        Form::Csv => Ok(report.to_csv()),
        Form::Markdown => Ok(report.to_markdown()),
        Form::Html => Ok(report.to_html()),
    }
}

/// The envelope, on lines that a person can read and a program can compare. What would control a terminal is escaped.
pub(super) fn json(report: &Report) -> Result<String, Failure> {
    let json = report.to_json().map_err(Failure::failed)?;
    Ok(plain_json(&json) + "\n")
}
