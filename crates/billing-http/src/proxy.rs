//! A proxy between this client and the service.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use reqwest::Url;

use crate::base_url::BaseUrl;
use crate::error::{Error, ErrorKind};

/// A proxy, and the hosts that are reached without it. A service on this machine is always reached without it.
///
/// ```
/// use billing_http::Proxy;
/// # fn main() -> Result<(), billing_http::Error> {
/// let proxy = Proxy::new("http://user:secret@proxy.example:3128")?.except("example.org, 10.0.0.0/8");
/// assert_eq!(proxy.to_string(), "http://proxy.example:3128");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Proxy {
    url: Url,
    except: String,
}

impl Proxy {
    /// A proxy from its URL. The schemes are `http://` and `https://` (asked with CONNECT), `socks5://`, and
    /// `socks5h://`, where the proxy looks up the service's name. Without a scheme it is `http`. The URL may have a
    /// user and a password, which are never shown.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidUrl`] when the URL cannot be read or has another scheme.
    pub fn new(url: &str) -> Result<Self, Error> {
        // The text may have a password, even when it is not a valid URL. So only what is behind the last `@` is shown.
        let shown = url.rsplit_once('@').map_or(url, |(_, host)| host);
        let invalid = |why: &str| {
            Error::of(ErrorKind::InvalidUrl).with_message(format!("`{shown}` is not a proxy: {why}"))
        };
        let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let url = Url::parse(with_scheme.trim()).map_err(|error| invalid(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") {
            return Err(invalid("its scheme is http, https, socks5 or socks5h"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(invalid("it has no host"));
        }
        // hyper reads the URL once more, and is stricter. It would connect without the proxy when it cannot read the URL.
        if url.as_str().parse::<hyper::Uri>().is_err() {
            return Err(invalid("it has a character that no URL has"));
        }
        Ok(Self { url, except: String::new() })
    }

    /// Reaches these hosts without the proxy. The list is like `NO_PROXY`, with commas or blanks between its entries:
    /// domains with their subdomains, with or without a leading dot; addresses and networks (`10.0.0.0/8`); each of
    /// these with a port (`example.org:8443`); `*` for all hosts.
    #[must_use]
    pub fn except(mut self, hosts: impl Into<String>) -> Self {
        self.except = hosts.into();
        self
    }

    /// True when requests to this base URL go through the proxy.
    pub(crate) fn is_for(&self, base: &BaseUrl) -> bool {
        let mut entries = self.except.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
        let (host, port) = base.host_and_port();
        !base.is_loopback() && !entries.any(|entry| is_meant(entry, host, port))
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// True when the URL has a user name or a password for the proxy.
    pub(crate) fn has_credentials(&self) -> bool {
        !self.url.username().is_empty() || self.url.password().is_some()
    }
}

/// True when an entry of `NO_PROXY` matches this host and port.
fn is_meant(entry: &str, host: &str, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    let (name, only_port) = match entry.rsplit_once(':') {
        // An IPv6 address without brackets has colons, but no port.
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (entry, None),
    };
    if only_port.is_some_and(|only| only.parse() != Ok(port)) {
        return false;
    }
    let name = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = host.parse::<IpAddr>() {
        return name.parse() == Ok(address) || name.parse::<IpNet>().is_ok_and(|net| net.contains(&address));
    }
    let name = name.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
    let host = host.trim_end_matches('.');
    let is_below = || host.strip_suffix(&name).is_some_and(|below| below.ends_with('.'));
    !name.is_empty() && (host == name || is_below())
}

/// Shows the proxy without user and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())?;
        self.url.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self}, except {:?})", self.except)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_and_shown_without_its_password() {
        for (text, shown) in [
            ("http://proxy.example:3128", "http://proxy.example:3128"),
            ("proxy.example:3128", "http://proxy.example:3128"),
            ("user:secret@proxy.example:3128", "http://proxy.example:3128"),
            ("https://user:secret@proxy.example", "https://proxy.example"),
            ("socks5h://u:secret@[::1]:1080/", "socks5h://[::1]:1080"),
            ("socks5://10.0.0.1", "socks5://10.0.0.1"),
        ] {
            let proxy = Proxy::new(text).unwrap();
            assert_eq!(proxy.to_string(), shown);
            assert!(!format!("{proxy:?}").contains("secret"));
            assert_eq!(proxy.has_credentials(), text.contains('@'));
        }
        for (text, said) in [
            ("", "`` is not a proxy: empty host"),
            ("ftp://user:secret@x", "`x` is not a proxy: its scheme is http, https, socks5 or socks5h"),
            ("socks4://x", "`socks4://x` is not a proxy: its scheme is"),
            ("http://user:secret@x:port", "`x:port` is not a proxy: invalid port number"),
            ("http://", "`http://` is not a proxy: empty host"),
            ("socks5://", "`socks5://` is not a proxy: it has no host"),
        ] {
            let error = Proxy::new(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidUrl);
            let error = format!("{error:?} {error}");
            assert!(error.contains(said) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn hosts_are_left_out_as_curl_leaves_them_out() {
        let check = |except: &str, base: &str, is_for: bool| {
            let proxy = Proxy::new("http://proxy").unwrap().except(except);
            assert_eq!(proxy.is_for(&BaseUrl::parse(base).unwrap()), is_for, "{except} {base}");
        };
        for loopback in ["http://127.0.0.1:8787", "https://localhost", "https://[::1]", "https://127.8.8.8"] {
            check("", loopback, false);
        }
        check("", "https://api.venice.ai/api/v1", true);
        for (except, is_for) in [
            ("*", false),
            ("venice.ai", false),
            (".venice.ai", false),
            ("API.Venice.AI", false),
            ("venice.ai.", false),
            ("other.example, venice.ai", false),
            ("other.example venice.ai", false),
            ("venice.ai:443", false),
            (" ,, venice.ai ,", false),
            ("venice.ai:8443", true),
            ("enice.ai", true),
            ("www.api.venice.ai", true),
            ("*.venice.ai", true),
            ("ai:", true),
            (".", true),
            ("127.0.0.1,10.0.0.0/8", true),
        ] {
            check(except, "https://api.venice.ai/api/v1", is_for);
        }
        for (except, is_for) in [
            ("10.0.0.0/8", false),
            ("10.1.2.3", false),
            ("10.1.2.3:8443", false),
            ("10.1.2.3:443", true),
            ("10.2.0.0/16", true),
            ("2.3", true),
        ] {
            check(except, "https://10.1.2.3:8443", is_for);
        }
        check("fd00::/8", "https://[fd00::1]", false);
        check("[fd00::1]:443", "https://[fd00::1]", false);
        check("fd00::1", "https://[fd00::1]", false);
        check("[fd00::1]:8443", "https://[fd00::1]", true);
    }
}
