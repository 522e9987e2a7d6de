//! Where the API is: https, or http to this machine.

use std::borrow::Cow;
use std::net::IpAddr;

use reqwest::Url;

use crate::error::{Error, ErrorKind};

/// A base URL as people type it, with its scheme: where it has none it is http to this machine, and https otherwise. Nothing else
/// is changed but spaces around it, and nothing is checked: [`ClientBuilder::build`](crate::ClientBuilder::build) does that, and
/// takes both forms alike.
///
/// ```
/// use billing_http::with_scheme;
/// assert_eq!(with_scheme("localhost:8787/api/v1"), "http://localhost:8787/api/v1");
/// assert_eq!(with_scheme("api.venice.ai/api/v1"), "https://api.venice.ai/api/v1");
/// assert_eq!(with_scheme("https://api.venice.ai/api/v1"), "https://api.venice.ai/api/v1");
/// ```
pub fn with_scheme(base_url: &str) -> String {
    let typed = base_url.trim();
    if typed.is_empty() || typed.contains("://") {
        return typed.to_owned();
    }
    let authority = typed.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or_default(),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    // What follows the host is a port, or it is no host: `https:/billing.example` is meant otherwise.
    let is_port = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return typed.to_owned();
    }
    format!("{}://{typed}", if is_here(host) { "http" } else { "https" })
}

/// A base URL to which a key may be sent.
#[derive(Clone, Debug)]
pub(crate) struct BaseUrl(Url);

impl BaseUrl {
    pub(crate) fn parse(typed: &str) -> Result<Self, Error> {
        let text = &with_scheme(typed);
        let shown = without_password(text);
        let invalid =
            |why: &str| Error::of(ErrorKind::InvalidUrl).with_message(format!("base URL `{shown}` {why}"));
        let mut url = Url::parse(text).map_err(|error| invalid("is not a URL").because(error))?;
        // Without a scheme, a user name is taken for one.
        let is_user = url.cannot_be_a_base() && text.contains('@');
        // Nothing of it is shown: it may hold a password.
        if is_user || !url.username().is_empty() || url.password().is_some() {
            let message = "the base URL holds a user name or password; give the key as a key";
            return Err(Error::of(ErrorKind::InvalidUrl).with_message(message));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("has a query or fragment; it ends with the path, like `/api/v1`"));
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => {
                let message = format!("base URL `{shown}` would send the key in the clear; use https");
                return Err(Error::of(ErrorKind::InsecureUrl).with_message(message));
            }
            _ => return Err(invalid("is neither https nor http")),
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Self(url))
    }

    /// The URL of a path below the base.
    pub(crate) fn with(&self, path: &str, query: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path()));
        url.set_query(Some(query).filter(|query| !query.is_empty()));
        url
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// The host without the brackets of an IPv6 address, and the port.
    pub(crate) fn host_and_port(&self) -> (&str, u16) {
        // Of both schemes the port is known.
        (bare_host(&self.0), self.0.port_or_known_default().unwrap_or_default())
    }

    /// Host and port, as a proxy is asked for them.
    pub(crate) fn authority(&self) -> String {
        let (host, port) = (self.0.host_str().unwrap_or_default(), self.host_and_port().1);
        format!("{host}:{port}")
    }

    /// True when a link of the service, absolute or relative, stays with the service.
    pub(crate) fn same_origin(&self, link: &str) -> bool {
        self.0.join(link).is_ok_and(|target| target.origin() == self.0.origin())
    }
}

/// A base URL as it is shown: what stands before the last `@` may be a user name and a password.
fn without_password(url: &str) -> Cow<'_, str> {
    let is_scheme = |scheme: &str| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let start = url.find("://").filter(|at| is_scheme(&url[..*at])).map_or(0, |at| at + 3);
    match url[start..].rsplit_once('@') {
        Some((_, rest)) => Cow::Owned(format!("{}***@{rest}", &url[..start])),
        None => Cow::Borrowed(url),
    }
}

fn bare_host(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

fn is_loopback(url: &Url) -> bool {
    is_here(bare_host(url))
}

/// True for a host that is this machine, whoever is asked for its address.
fn is_here(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, ErrorKind>) {
        let found = BaseUrl::parse(text).map(|base| base.with("billing/usage", "").to_string());
        assert_eq!(found.map_err(|error| error.kind()), expect.map(str::to_owned), "{text}");
    }

    #[test]
    fn a_key_goes_only_over_https_or_to_this_machine() {
        use ErrorKind::{InsecureUrl, InvalidUrl};
        check("https://api.venice.ai/api/v1", Ok("https://api.venice.ai/api/v1/billing/usage"));
        check("https://api.venice.ai/api/v1/", Ok("https://api.venice.ai/api/v1/billing/usage"));
        check("http://127.0.0.1:8787/api/v1", Ok("http://127.0.0.1:8787/api/v1/billing/usage"));
        check("http://[::1]:1", Ok("http://[::1]:1/billing/usage"));
        check("http://localhost", Ok("http://localhost/billing/usage"));
        for text in [
            "http://api.venice.ai",
            "http://10.0.0.1",
            "http://localhost.example.com",
            "http://127.0.0.1.nip.io",
        ] {
            check(text, Err(InsecureUrl));
        }
        for text in [
            "",
            "https:/x:y",
            "user:secret@x",
            "ftp://x",
            "https://u:secret@x",
            "https://x/?a=1",
            "https://x/#a",
            "file:///x",
        ] {
            check(text, Err(InvalidUrl));
        }
    }

    #[test]
    fn no_password_is_shown() {
        for text in [
            "https://u:secret@x",
            "user:secret@x",
            "user:secret@x/api/v1",
            "user:se/secret@x",
            "https://user:se/secret@x",
            "https://user:secret@/",
            "https://user:secret@x:y/",
            "ftp://user:secret@x",
            "http://user:secret@10.0.0.1",
            "https://user:secret@x y",
            "https:/user:secret@x:y",
            "user:a@secret@x",
            " user:secret@x",
            "user:secret@http://x",
        ] {
            let error = BaseUrl::parse(text).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(!said.contains("secret"), "{said}");
        }
        let error = BaseUrl::parse("user:secret@x").unwrap_err().to_string();
        assert_eq!(error, "the base URL holds a user name or password; give the key as a key");
        let error = BaseUrl::parse("https://u:secret@x:y").unwrap_err().to_string();
        assert_eq!(error, "base URL `https://***@x:y` is not a URL");
        // An address in a path hides no more than itself.
        let error = BaseUrl::parse("http://10.0.0.1/@a/v1").unwrap_err().to_string();
        assert_eq!(error, "base URL `http://***@a/v1` would send the key in the clear; use https");
    }

    #[test]
    fn a_scheme_that_is_not_there_is_http_to_this_machine_and_https_otherwise() {
        for (typed, url) in [
            ("https://api.venice.ai/api/v1", "https://api.venice.ai/api/v1"),
            ("api.venice.ai", "https://api.venice.ai"),
            ("api.venice.ai/api/", "https://api.venice.ai/api/"),
            (" LOCALHOST:8787/api/v1", "http://LOCALHOST:8787/api/v1"),
            ("127.0.0.1:8787", "http://127.0.0.1:8787"),
            ("[::1]:8787/v1", "http://[::1]:8787/v1"),
            ("localhost.example", "https://localhost.example"),
            ("127.0.0.1.nip.io", "https://127.0.0.1.nip.io"),
            ("10.0.0.1:80", "https://10.0.0.1:80"),
            ("billing.example/venice/v1", "https://billing.example/venice/v1"),
            ("https:/billing.example", "https:/billing.example"),
            ("user:secret@billing.example", "user:secret@billing.example"),
            ("", ""),
        ] {
            assert_eq!(with_scheme(typed), url);
        }
        check("localhost:8911/api/v1", Ok("http://localhost:8911/api/v1/billing/usage"));
        check(" LOCALHOST", Ok("http://localhost/billing/usage"));
        check("[::1]:1/v1", Ok("http://[::1]:1/v1/billing/usage"));
        check("api.venice.ai/api/v1", Ok("https://api.venice.ai/api/v1/billing/usage"));
        check("10.0.0.1", Ok("https://10.0.0.1/billing/usage"));
    }

    #[test]
    fn another_origin_is_told_apart() {
        let base = BaseUrl::parse("https://api.venice.ai/api/v1").unwrap();
        assert!(base.same_origin("/api/v1/billing/usage-history"));
        assert!(base.same_origin("https://api.venice.ai:443/x"));
        for other in [
            "https://evil.example/api",
            "//evil.example/api",
            "http://api.venice.ai/",
            "https://api.venice.ai:8443/",
        ] {
            assert!(!base.same_origin(other), "{other}");
        }
    }
}
