//! The network settings: the proxy, and the certificates to trust. Without flags they come from the environment
//! variables that curl and openssl read.

use std::ffi::OsString;
use std::path::Path;

use anyhow::anyhow;
use billing_http::{Certificates, ClientBuilder, Proxy};

use crate::args::Service;
use crate::exit::Failure;

/// The proxy, and the certificates to trust instead of the system's.
pub(crate) struct Network {
    proxy: Option<Proxy>,
    certificates: Option<Certificates>,
}

impl Network {
    /// The settings from the flags, and from the environment through `variable`.
    pub(crate) fn new(
        service: &Service,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Failure> {
        // http goes only to this machine, without proxy and certificates. So they are not read, and cannot be wrong.
        let is_https = service
            .base_url
            .trim_start()
            .get(..6)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
        let variable = |name: &str| variable(name).filter(|value| is_https && !value.is_empty());
        let proxy = match &service.proxy {
            Some(url) => Some(proxy("--proxy", url)?),
            None if service.no_proxy => None,
            None => proxy_of(variable)?,
        };
        let certificates = match (&service.cacert, variable("SSL_CERT_FILE")) {
            (Some(path), _) => Some(certificates("--cacert", path)?),
            (None, Some(path)) => Some(certificates("SSL_CERT_FILE", Path::new(&path))?),
            (None, None) => None,
        };
        Ok(Self { proxy, certificates })
    }

    /// The client with these settings.
    pub(crate) fn of(&self, mut client: ClientBuilder) -> ClientBuilder {
        if let Some(proxy) = &self.proxy {
            client = client.proxy(proxy.clone());
        }
        if let Some(certificates) = &self.certificates {
            client = client.certificates(certificates.clone());
        }
        client
    }
}

/// The proxy for https from the environment, in curl's order: a name in lower case before the same one in upper case,
/// and the one for https before the one for all.
fn proxy_of(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Proxy>, Failure> {
    let text = |name: &str| Some(variable(name)?.to_string_lossy().into_owned());
    let names = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let Some((name, url)) = names.into_iter().find_map(|name| Some((name, text(name)?))) else {
        return Ok(None);
    };
    let except = text("no_proxy").or_else(|| text("NO_PROXY")).unwrap_or_default();
    Ok(Some(proxy(name, &url)?.except(except)))
}

fn proxy(name: &'static str, url: &str) -> Result<Proxy, Failure> {
    Proxy::new(url).map_err(|error| {
        Failure::usage(anyhow::Error::new(error).context(name))
            .hint("a proxy looks like http://HOST:PORT or socks5h://USER:PASSWORD@HOST:PORT")
    })
}

fn certificates(name: &str, path: &Path) -> Result<Certificates, Failure> {
    let wrong = |error: anyhow::Error| Failure::usage(error.context(format!("{name} `{}`", path.display())));
    let pem = std::fs::read(path).map_err(|error| wrong(anyhow!(error)))?;
    Certificates::from_pem(&pem).map_err(|error| {
        wrong(anyhow!(error)).hint("the file has certificates as PEM: -----BEGIN CERTIFICATE-----")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn service(base_url: &str) -> Service {
        Service {
            base_url: base_url.to_owned(),
            api_key_file: None,
            proxy: None,
            no_proxy: false,
            cacert: None,
        }
    }

    /// The settings in debug form, which leaves passwords out, or the error.
    fn way(service: &Service, variables: &[(&str, &str)]) -> String {
        let variable = |name: &str| {
            let mut found = variables.iter().filter(|(known, _)| *known == name);
            found.next().map(|(_, value)| OsString::from(value))
        };
        match Network::new(service, variable) {
            Ok(Network { proxy: None, .. }) => "direct".to_owned(),
            Ok(Network { proxy: Some(proxy), .. }) => format!("{proxy:?}"),
            Err(failure) => format!("{failure:?}"),
        }
    }

    #[test]
    fn the_environment_is_read_as_curl_reads_it() {
        for (variables, expect) in [
            (&[][..], "direct"),
            (&[("HTTPS_PROXY", "a:1")], "Proxy(http://a:1, except \"\")"),
            (&[("https_proxy", "a:1"), ("HTTPS_PROXY", "b:1")], "Proxy(http://a:1, except \"\")"),
            (&[("https_proxy", ""), ("HTTPS_PROXY", "b:1")], "Proxy(http://b:1, except \"\")"),
            (&[("ALL_PROXY", "socks5h://c"), ("NO_PROXY", "x,y")], "Proxy(socks5h://c, except \"x,y\")"),
            (&[("all_proxy", "c:1"), ("ALL_PROXY", "d:1")], "Proxy(http://c:1, except \"\")"),
            (&[("ALL_PROXY", "c:1"), ("HTTPS_PROXY", "b:1")], "Proxy(http://b:1, except \"\")"),
            (
                &[("HTTPS_PROXY", "b:1"), ("no_proxy", "x"), ("NO_PROXY", "y")],
                "Proxy(http://b:1, except \"x\")",
            ),
            (&[("HTTP_PROXY", "a:1"), ("http_proxy", "a:1"), ("NO_PROXY", "x")], "direct"),
        ] {
            assert_eq!(way(&service("https://api.example"), variables), expect, "{variables:?}");
            assert_eq!(way(&service("http://127.0.0.1:1"), variables), "direct", "{variables:?}");
        }
        let wrong = way(&service("https://api.example"), &[("ALL_PROXY", "ftp://user:secret@x")]);
        assert!(wrong.contains("ALL_PROXY") && !wrong.contains("secret"), "{wrong}");
    }

    #[test]
    fn a_flag_goes_before_the_environment() {
        let variables = [("HTTPS_PROXY", "a:1"), ("NO_PROXY", "*"), ("SSL_CERT_FILE", "/dev/null")];
        let flags = |proxy: Option<&str>, no_proxy: bool, cacert: Option<&str>| Service {
            proxy: proxy.map(str::to_owned),
            no_proxy,
            cacert: cacert.map(PathBuf::from),
            ..service("https://api.example")
        };
        // The variable names a file without certificates.
        assert!(way(&flags(None, false, None), &variables).contains("SSL_CERT_FILE `/dev/null`"));
        assert!(way(&flags(None, false, Some("missing")), &variables).contains("--cacert `missing`"));
        assert_eq!(way(&flags(Some("b:1"), false, None), &variables[..2]), "Proxy(http://b:1, except \"\")");
        assert_eq!(way(&flags(None, true, None), &variables[..2]), "direct");
    }
}
