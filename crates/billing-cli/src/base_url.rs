//! A base URL as people type it, and where the API may be when it is not there.

use std::convert::Infallible;
use std::net::IpAddr;

/// Where the API is below a host, with Venice and with `billing serve`.
const PATH: &str = "/api/v1";

/// A base URL as it was typed: without a scheme it is http to this machine, and https otherwise.
pub(crate) fn base_url(typed: &str) -> Result<String, Infallible> {
    let typed = typed.trim();
    if typed.is_empty() || typed.contains("://") {
        return Ok(typed.to_owned());
    }
    let authority = typed.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or_default(),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    // What follows the host is a port, or it is no host: `https:/billing.example` is meant otherwise.
    let is_port = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return Ok(typed.to_owned());
    }
    let is_here = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    Ok(format!("{}://{typed}", if is_here { "http" } else { "https" }))
}

/// Where the API may be, when a base URL does not say its whole path.
pub(crate) fn with_path(base_url: &str) -> Option<String> {
    let (scheme, rest) = base_url.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_short = matches!(path.trim_end_matches('/'), "" | "/api" | "/v1");
    is_short.then(|| format!("{scheme}://{authority}{PATH}"))
}

/// True for the host of Venice, whatever the path.
pub(crate) fn is_venice(base_url: &str) -> bool {
    let host = base_url.split_once("://").and_then(|(_, rest)| rest.split(['/', ':', '?', '#']).next());
    host.is_some_and(|host| host.trim_end_matches('.').eq_ignore_ascii_case("api.venice.ai"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn venice_is_known_by_its_host() {
        for url in [
            "https://api.venice.ai/api/v1",
            "https://API.venice.ai:443/",
            "https://api.venice.ai.",
            "http://api.venice.ai",
        ] {
            assert!(is_venice(url), "{url}");
        }
        for url in
            ["https://api.venice.ai.example/api/v1", "https://billing.example/api.venice.ai", "api.venice.ai"]
        {
            assert!(!is_venice(url), "{url}");
        }
    }

    #[test]
    fn a_base_url_is_understood_without_its_scheme() {
        for (typed, url, with_path) in [
            ("https://api.venice.ai/api/v1", "https://api.venice.ai/api/v1", None),
            ("api.venice.ai", "https://api.venice.ai", Some("https://api.venice.ai/api/v1")),
            ("api.venice.ai/api/", "https://api.venice.ai/api/", Some("https://api.venice.ai/api/v1")),
            (" LOCALHOST:8787/api/v1", "http://LOCALHOST:8787/api/v1", None),
            ("127.0.0.1:8787", "http://127.0.0.1:8787", Some("http://127.0.0.1:8787/api/v1")),
            ("[::1]:8787/v1", "http://[::1]:8787/v1", Some("http://[::1]:8787/api/v1")),
            ("localhost.example", "https://localhost.example", Some("https://localhost.example/api/v1")),
            ("billing.example/venice/v1", "https://billing.example/venice/v1", None),
            ("https:/billing.example", "https:/billing.example", None),
            ("user:secret@billing.example", "user:secret@billing.example", None),
            ("", "", None),
        ] {
            assert_eq!(base_url(typed).unwrap(), url);
            assert_eq!(super::with_path(url).as_deref(), with_path, "{url}");
        }
    }
}
