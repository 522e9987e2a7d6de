//! Preferences of a request beyond the documented answer: `Prefer`, RFC 7240.

use axum::http::{HeaderMap, HeaderName};
use billing_csv::Columns;

/// The header in which a request states preferences.
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The header in which an answer says which of them it follows.
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The one preference that is followed: a CSV page with the column `apiKeyId`.
pub(crate) const INCLUDE_API_KEY_ID: &str = "include=apiKeyId";

/// The columns that the request prefers in CSV. When a preference is stated twice, the first counts.
pub(crate) fn columns(headers: &HeaderMap) -> Columns {
    let include = headers
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|preference| preference.split(';').next()?.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("include"));
    match include {
        Some((_, value)) if value.trim().trim_matches('"') == "apiKeyId" => Columns::WithApiKeyId,
        _ => Columns::Documented,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn check(values: &[&'static str], expect: Columns) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(PREFER, HeaderValue::from_static(value));
        }
        assert_eq!(columns(&headers), expect, "{values:?}");
    }

    #[test]
    fn the_first_statement_of_a_preference_counts() {
        use Columns::{Documented, WithApiKeyId};
        check(&[], Documented);
        check(&["include=apiKeyId"], WithApiKeyId);
        check(&["Include = \"apiKeyId\""], WithApiKeyId);
        check(&["wait=10, include=apiKeyId; strict"], WithApiKeyId);
        check(&["respond-async", "include=apiKeyId"], WithApiKeyId);
        check(&["include=apikeyid"], Documented);
        check(&["include"], Documented);
        check(&["include=notes, include=apiKeyId"], Documented);
        check(&["exclude=apiKeyId"], Documented);
    }
}
