//! The API's errors: written by a server, read by a client.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

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

/// What a service says of an error, from any of the shapes in use.
///
/// ```
/// use billing_model::ServerMessage;
/// for body in [r#"{"error":"Authentication failed"}"#, r#"{"error":{"message":"Authentication failed","code":1}}"#] {
///     assert_eq!(ServerMessage::from_json(body).unwrap().to_string(), "Authentication failed");
/// }
/// assert!(ServerMessage::from_json("<html>").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerMessage {
    text: String,
}

#[derive(Deserialize)]
struct AnyErrorBody<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(default, borrow)]
    issues: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ErrorObject {
    message: String,
}

#[derive(Deserialize)]
struct AnyIssue {
    #[serde(default)]
    path: Vec<String>,
    message: String,
}

impl ServerMessage {
    /// Reads the body of an error answer; `None` when it holds no message.
    pub fn from_json(text: &str) -> Option<Self> {
        let body: AnyErrorBody<'_> = serde_json::from_str(text).ok()?;
        let error = body.error?.get();
        let mut text = serde_json::from_str::<String>(error)
            .or_else(|_| serde_json::from_str::<ErrorObject>(error).map(|object| object.message))
            .ok()?;
        // Issues in a shape of the future only lose their own words.
        let issues = body.issues.and_then(|raw| serde_json::from_str::<Vec<AnyIssue>>(raw.get()).ok());
        for (position, issue) in issues.into_iter().flatten().enumerate() {
            text.push_str(if position == 0 { ": " } else { "; " });
            for step in &issue.path {
                text.push_str(step);
                text.push(' ');
            }
            text.push_str(&issue.message);
        }
        Some(Self { text })
    }
}

impl std::fmt::Display for ServerMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage_query::UsageQuery;

    #[test]
    fn a_client_reads_what_a_server_writes() {
        let refused = UsageQuery::parse("limit=0&page=x").unwrap_err();
        let body = serde_json::to_string(&ErrorBody::from(&refused)).unwrap();
        assert_eq!(
            ServerMessage::from_json(&body).unwrap().to_string(),
            "Invalid request parameters: page `x` is not a whole number; limit `0` is out of range: this endpoint \
             takes 1 to 500"
        );
    }

    #[test]
    fn other_shapes_are_told_from_none() {
        let read = |text| ServerMessage::from_json(text).map(|message| message.to_string());
        assert_eq!(read(r#"{"error":"x","issues":5}"#).as_deref(), Some("x"));
        assert_eq!(read(r#"{"error":{"message":"y","type":null}}"#).as_deref(), Some("y"));
        for none in ["", "null", "[]", r#"{"error":null}"#, r#"{"error":5}"#, r#"{"message":"z"}"#] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
