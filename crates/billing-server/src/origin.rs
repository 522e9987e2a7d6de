//! An origin of pages, as a browser writes it.

use std::fmt;
use std::str::FromStr;

use axum::http::HeaderValue;
use url::Url;

const ANY: HeaderValue = HeaderValue::from_static("*");

/// An origin whose pages may read answers in a browser: scheme, host and port, `https://app.example`. `*` is every
/// origin.
///
/// ```
/// use billing_server::Origin;
///
/// let origin: Origin = "https://app.example".parse()?;
/// assert_eq!(origin.to_string(), "https://app.example");
/// assert!("*".parse::<Origin>()?.is_any());
/// assert!("https://app.example/page".parse::<Origin>().is_err());
/// # Ok::<(), billing_server::OriginError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// A text that no browser sends as an origin.
///
/// # What to do
/// The message says what to type. Browsers compare origins letter by letter, so an origin that is almost right would
/// let no page in, and nobody would be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It is written as no browser writes it.
    #[error("no browser sends it so; type {0}")]
    Written(String),
    /// It is no origin at all.
    #[error("it is no origin; type scheme and host, as https://app.example or http://localhost:3000")]
    NotAnOrigin,
    /// A star for a part of an origin.
    #[error("a star stands for no part of an origin; type each one whole, or * alone for all")]
    PartialStar,
    /// `null`, which pages without an origin send: files, and sandboxed pages of anybody.
    #[error(
        "any page can make its browser send it; serve the page over http and type that, as http://localhost:3000"
    )]
    Null,
    /// A scheme over which no page comes.
    #[error(
        "no page comes over {0}; type the address that the page has in the browser, as https://app.example"
    )]
    Scheme(String),
}

impl Origin {
    /// True for `*`.
    pub fn is_any(&self) -> bool {
        self.0 == ANY
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        match text {
            "*" => return Ok(Self(ANY)),
            "null" => return Err(OriginError::Null),
            _ if text.contains('*') => return Err(OriginError::PartialStar),
            _ => {}
        }
        match sent_for(text) {
            Ok(sent) if sent == text => {
                HeaderValue::from_str(text).map(Self).map_err(|_| OriginError::NotAnOrigin)
            }
            Ok(sent) => Err(OriginError::Written(sent)),
            // `app.example` and `localhost:3000` lack only a scheme.
            Err(OriginError::NotAnOrigin) if !text.contains("://") => {
                sent_for(&format!("https://{text}")).and_then(|sent| Err(OriginError::Written(sent)))
            }
            Err(error) => Err(error),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

/// What a browser sends for a page of this address.
fn sent_for(address: &str) -> Result<String, OriginError> {
    let url = Url::parse(address).map_err(|_| OriginError::NotAnOrigin)?;
    match url.scheme() {
        "http" | "https" => Ok(url.origin().ascii_serialization()),
        scheme if url.is_special() => Err(OriginError::Scheme(scheme.to_owned())),
        // Pages of browser extensions and of programs made of pages: `chrome-extension://…`, `tauri://localhost`.
        scheme => {
            let host = url.host_str().filter(|host| !host.is_empty()).ok_or(OriginError::NotAnOrigin)?;
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            Ok(format!("{scheme}://{host}{port}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_send_is_taken_as_it_is() {
        for text in [
            "https://app.example",
            "http://localhost:3000",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "https://xn--mnchen-3ya.example",
            "chrome-extension://abcdefghijklmnop",
            "tauri://localhost",
        ] {
            let origin: Origin = text.parse().unwrap();
            assert_eq!((origin.to_string().as_str(), origin.is_any()), (text, false));
        }
        assert!("*".parse::<Origin>().unwrap().is_any());
    }

    #[test]
    fn what_no_browser_sends_is_refused_with_what_it_does_send() {
        for (text, instead) in [
            ("https://app.example/", "https://app.example"),
            ("https://App.Example:443/page?x#y", "https://app.example"),
            ("https://me:secret@app.example", "https://app.example"),
            ("http://app.example:80", "http://app.example"),
            (" https://app.example", "https://app.example"),
            ("https://münchen.example", "https://xn--mnchen-3ya.example"),
            ("app.example", "https://app.example"),
            ("localhost:3000", "https://localhost:3000"),
            ("chrome-extension://abc/", "chrome-extension://abc"),
        ] {
            assert_eq!(text.parse::<Origin>(), Err(OriginError::Written(instead.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        use OriginError::{NotAnOrigin, Null, PartialStar, Scheme};
        for (text, expect) in [
            ("", NotAnOrigin),
            ("https://", NotAnOrigin),
            ("https://a b", NotAnOrigin),
            ("null", Null),
            ("https://*.example", PartialStar),
            ("**", PartialStar),
            ("ws://app.example", Scheme("ws".to_owned())),
            ("file:///home/page.html", Scheme("file".to_owned())),
        ] {
            assert_eq!(text.parse::<Origin>(), Err(expect), "{text}");
        }
    }
}
