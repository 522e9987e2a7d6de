//! Where the API may be when it is not where a base URL says, and whose it is.

/// Where the API is below a host, with Venice and with `billing serve`.
const PATH: &str = "/api/v1";

/// Where the API may be, when a base URL does not say its whole path.
pub(crate) fn with_path(base_url: &str) -> Option<String> {
    let (scheme, rest) = base_url.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_short = matches!(path.trim_end_matches('/'), "" | "/api" | "/v1");
    is_short.then(|| format!("{scheme}://{authority}{PATH}"))
}

/// True for a host of Venice, whatever the path. The URL is one that a client has read: typed, a host has many spellings.
pub(crate) fn is_venice(base_url: &str) -> bool {
    let host = base_url.split_once("://").and_then(|(_, rest)| rest.split(['/', ':', '?', '#']).next());
    host.is_some_and(|host| {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        host == "venice.ai" || host.ends_with(".venice.ai")
    })
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
            "https://venice.ai/api/v1",
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
    fn a_base_url_without_its_path_gets_it() {
        for (url, expect) in [
            ("https://api.venice.ai/api/v1", None),
            ("https://api.venice.ai", Some("https://api.venice.ai/api/v1")),
            ("https://api.venice.ai/api/", Some("https://api.venice.ai/api/v1")),
            ("http://LOCALHOST:8787/api/v1", None),
            ("http://127.0.0.1:8787", Some("http://127.0.0.1:8787/api/v1")),
            ("http://[::1]:8787/v1", Some("http://[::1]:8787/api/v1")),
            ("https://billing.example/venice/v1", None),
            ("https:/billing.example", None),
            ("", None),
        ] {
            assert_eq!(with_path(url).as_deref(), expect, "{url}");
        }
    }
}
