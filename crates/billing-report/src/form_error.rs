//! Why a text is no report.

/// The version of the JSON envelope.
pub const SCHEMA: &str = "billing-report/1";

/// Why a text is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// It is no JSON, or lacks something.
    #[error("this is not a report in JSON")]
    Json(#[source] serde_json::Error),
    /// It is of another form.
    #[error("this is of the form `{0}`, and `{SCHEMA}` is what can be read")]
    Schema(String),
    /// It has the form, and contradicts itself: somebody has changed it.
    #[error("this is not a report as it was saved: {0}")]
    Contradiction(String),
}
