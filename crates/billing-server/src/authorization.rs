//! Who asks: `Authorization: Bearer <key>`, RFC 6750 2.1.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

/// The key that the request presents. `None` without the header, with several, and with another scheme.
pub(crate) fn bearer_key(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    let key = key.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn check(values: &[&[u8]], expect: Option<&str>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        assert_eq!(bearer_key(&headers), expect, "{values:?}");
    }

    #[test]
    fn only_one_bearer_key_counts() {
        check(&[b"Bearer abc"], Some("abc"));
        check(&[b"bearer abc"], Some("abc"));
        check(&[b"BEARER   abc"], Some("abc"));
        check(&[b"Bearer a b"], Some("a b"));
        check(&[], None);
        check(&[b""], None);
        check(&[b"Bearer"], None);
        check(&[b"Bearer "], None);
        check(&[b"Bearer\tabc"], None);
        check(&[b"Bearerabc"], None);
        check(&[b"Basic abc"], None);
        check(&[b"abc"], None);
        check(&[b"Bearer \xff"], None);
        check(&[b"Bearer abc", b"Bearer abc"], None);
    }
}
