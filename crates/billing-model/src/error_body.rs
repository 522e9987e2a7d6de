//! The API's errors, as a server writes them; a client reads them in `server_message`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::fault::QueryError;

/// The JSON body of an error: `{"error":"text"}`, with `details` and `issues` when a query was refused.
///
/// ```
/// use billing_model::{ErrorBody, UsageQuery};
/// let refused = UsageQuery::parse("limit=0").unwrap_err();
/// assert_eq!(
///     serde_json::to_string(&ErrorBody::from(&refused))?,
///     r#"{"error":"Invalid request parameters","details":{"_errors":[],"limit":{"_errors":["`0` is out of range: this endpoint takes 1 to 500"]}},"issues":[{"code":"too_small","path":["limit"],"message":"`0` is out of range: this endpoint takes 1 to 500"}]}"#,
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorBody {
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    issues: Vec<Issue>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Details {
    #[serde(rename = "_errors")]
    errors: Vec<String>,
    #[serde(flatten)]
    fields: BTreeMap<&'static str, FieldErrors>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct FieldErrors {
    #[serde(rename = "_errors")]
    errors: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Issue {
    code: &'static str,
    path: Vec<&'static str>,
    message: String,
}

impl ErrorBody {
    /// An error with nothing but its text.
    pub fn new(error: impl Into<String>) -> Self {
        Self { error: error.into(), details: None, issues: Vec::new() }
    }
}

impl From<&QueryError> for ErrorBody {
    fn from(refused: &QueryError) -> Self {
        let mut details = Details::default();
        let mut issues = Vec::new();
        for fault in refused.faults() {
            let errors = match fault.field {
                None => &mut details.errors,
                Some(field) => &mut details.fields.entry(field).or_default().errors,
            };
            errors.push(fault.message.clone());
            issues.push(Issue {
                code: fault.code.as_str(),
                path: fault.field.into_iter().collect(),
                message: fault.message.clone(),
            });
        }
        Self { error: "Invalid request parameters".to_owned(), details: Some(details), issues }
    }
}
