//! Which form of a page a request wants: `Accept`, RFC 9110 12.5.1.
//!
//! A range that cannot be read is ignored, and the rest of its header still counts: some clients send `*` for `*/*`
//! beside good ranges. All parameters but `q` are ignored, since both forms have one variant only, in UTF-8.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use mediatype::{MediaType, MediaTypeList, Name, ReadParams};

const Q: Name<'_> = Name::new_unchecked("q");

/// The forms in which a page can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Csv,
}

impl Form {
    /// The form that the request wants most; JSON when it wants both alike or does not say. `None` when it takes
    /// neither.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let mut said = headers.get_all(ACCEPT).iter().filter(|value| !value.as_bytes().is_empty()).peekable();
        if said.peek().is_none() {
            return Some(Self::Json);
        }
        let (mut json, mut csv) = (Wish::default(), Wish::default());
        for value in said.filter_map(|value| value.to_str().ok()) {
            for range in MediaTypeList::new(value).flatten() {
                json.hear(&range, "application", "json");
                csv.hear(&range, "text", "csv");
            }
        }
        match (json.weight, csv.weight) {
            (0, 0) => None,
            (json, csv) if csv > json => Some(Self::Csv),
            _ => Some(Self::Json),
        }
    }
}

/// How much one form is wanted.
#[derive(Default)]
struct Wish {
    /// How specific the deciding range is: 1 for `*/*`, 2 for `text/*`, 3 for `text/csv`. The most specific range wins,
    /// whatever its weight.
    specificity: u8,
    /// The weight in thousandths.
    weight: u16,
}

impl Wish {
    fn hear(&mut self, range: &MediaType<'_>, ty: &str, subty: &str) {
        let specificity = match (range.ty.as_str(), range.subty.as_str(), range.suffix) {
            ("*", "*", None) => 1,
            (t, "*", None) if t.eq_ignore_ascii_case(ty) => 2,
            (t, s, None) if t.eq_ignore_ascii_case(ty) && s.eq_ignore_ascii_case(subty) => 3,
            _ => return,
        };
        let weight = match range.get_param(Q) {
            None => Some(1000),
            Some(value) => read_weight(value.as_str()),
        };
        if let Some(weight) = weight {
            (self.specificity, self.weight) = (self.specificity, self.weight).max((specificity, weight));
        }
    }
}

/// Reads a weight into thousandths. `.2` and a fourth digit are not in the grammar, but clients send them.
fn read_weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = match whole {
        "" if !fraction.is_empty() => 0,
        "0" => 0,
        "1" => 1000,
        _ => return None,
    };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digit = |place| fraction.as_bytes().get(place).map_or(0, |byte| u16::from(byte - b'0'));
    let weight = whole + 100 * digit(0) + 10 * digit(1) + digit(2);
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    fn negotiate(values: &[&[u8]]) -> Option<Form> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT, HeaderValue::from_bytes(value).unwrap());
        }
        Form::negotiate(&headers)
    }

    #[test]
    fn the_form_wanted_most_is_served() {
        use Form::{Csv, Json};
        for (accept, expect) in [
            ("", Some(Json)),
            ("application/json", Some(Json)),
            ("text/csv", Some(Csv)),
            ("TEXT/CSV", Some(Csv)),
            ("*/*", Some(Json)),
            ("text/*", Some(Csv)),
            ("application/*", Some(Json)),
            ("text/csv, application/json", Some(Json)),
            ("text/csv, */*;q=0.9", Some(Csv)),
            ("text/csv;q=0.5, application/json;q=0.4", Some(Csv)),
            ("text/csv;q=0.5, application/json;q=0.501", Some(Json)),
            ("text/csv;Q=0.5, application/json", Some(Json)),
            ("application/json;q=0, */*", Some(Csv)),
            ("text/*;q=0.9, text/csv;q=0, application/json;q=0.1", Some(Json)),
            ("text/csv;charset=utf-8;header=present", Some(Csv)),
            ("text/csv; charset=\"a,b;q=0\";q=0.5, */*;q=0.4", Some(Csv)),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Some(Json)),
            ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", Some(Json)),
            (", ,text/csv,,", Some(Csv)),
            ("text/csv;q=1.000", Some(Csv)),
            ("text/html", None),
            ("application/json;q=0", None),
            ("*/*;q=0.000", None),
            ("*/*;q=0, text/plain", None),
            ("application/xml, application/vnd.api+json, text/csv-schema", None),
            ("csv", None),
            ("application/json;q=x", None),
            ("application/json;q=2", None),
            ("application/json;q=1.001", None),
            ("application/json;q=-1", None),
            ("application/json;q=", None),
            ("application/json;q=.", None),
            ("/;;;=\"", None),
        ] {
            assert_eq!(negotiate(&[accept.as_bytes()]), expect, "{accept}");
        }
    }

    #[test]
    fn several_headers_are_one_list() {
        assert_eq!(negotiate(&[]), Some(Form::Json));
        assert_eq!(negotiate(&[b"text/csv", b"application/json;q=0.5"]), Some(Form::Csv));
        assert_eq!(negotiate(&[b"text/html", b"*/*;q=0.1"]), Some(Form::Json));
        assert_eq!(negotiate(&[b"", b"text/csv"]), Some(Form::Csv));
        assert_eq!(negotiate(&[b"text/csv", b"\xff"]), Some(Form::Csv));
        assert_eq!(negotiate(&[b"\xff"]), None);
    }

    proptest! {
        #[test]
        fn no_header_is_too_strange(value in prop_oneof![
            "[ -~]{0,60}",
            "((text|application|\\*)/(csv|json|\\*)(;q=[0-9.]{0,6}|;x=\"[,;a\\\\]{0,4}\"?)?[, ]{0,2}){0,5}",
        ]) {
            negotiate(&[value.as_bytes()]);
        }
    }
}
