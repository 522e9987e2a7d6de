//! Says why a request got no answer. Pure: reads the chain of causes, and makes a class, a kind and a message of it.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::iter;
use std::time::Duration;

use billing_model::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error as TlsError};

use crate::error::{CertificateFault, Error, ErrorKind, one_line};
use crate::proxy::Proxy;
use crate::reply::Failure;
use crate::retry::Class;

/// What is known about the request beside its error.
pub(crate) struct Circumstances<'a> {
    /// True when the service has answered this client before. Then it exists, and the failure may pass.
    pub(crate) answered: bool,
    /// The proxy through which the request goes.
    pub(crate) proxy: Option<&'a Proxy>,
    /// Host and port of the service, such as `billing.example:443`.
    pub(crate) service: String,
    /// The time limit for connecting.
    pub(crate) connect_timeout: Duration,
    /// The time limit of the whole try.
    pub(crate) limit: Duration,
}

/// The failure for a request that got no answer.
pub(crate) fn unanswered(cause: reqwest::Error, met: &Circumstances<'_>) -> Failure {
    // Without a connection, direct or through a proxy, nothing of a request is sent.
    let is_unsent = cause.is_connect();
    Failure { is_unsent, ..why_unanswered(cause, met) }
}

fn why_unanswered(cause: reqwest::Error, met: &Circumstances<'_>) -> Failure {
    let named = proxy_fault(&cause, met).or_else(|| tls_fault(&cause, met)).or_else(|| no_http(&cause, met));
    if let Some(failure) = named {
        return failure;
    }
    if cause.is_connect() {
        let class = if met.answered { Class::Transient } else { Class::NoFirstContact };
        let within = met.connect_timeout;
        let error = match (cause.is_timeout(), met.proxy) {
            (false, _) => Error::of(ErrorKind::Unreachable),
            (true, None) => {
                Error::of(ErrorKind::Unreachable).timed_out(format!("no connection within {within:?}"))
            }
            (true, Some(proxy)) => Error::of(ErrorKind::Proxy)
                .timed_out(format!("no connection through the proxy {proxy} within {within:?}")),
        };
        // The message of a timeout says all, so it needs no cause.
        let error = if cause.is_timeout() { error } else { error.because(Innermost::of(cause)) };
        return Failure::new(class, error);
    }
    let class = if met.answered { Class::Transient } else { Class::NoFirstAnswer };
    let error = Error::of(ErrorKind::NoAnswer);
    if cause.is_timeout() {
        // The cause would only repeat the message.
        return Failure::new(class, error.timed_out(format!("no answer within {:.0?}", met.limit)));
    }
    Failure::new(class, error.because(Innermost::of(cause)))
}

/// An error of reqwest that is shown as its first cause only: `Connection refused`, without the words that each library
/// between adds.
#[derive(Debug)]
pub(crate) struct Innermost(reqwest::Error);

impl Innermost {
    pub(crate) fn of(cause: reqwest::Error) -> Self {
        // Our own error has the URL, without the query: a cursor in it is not for other eyes.
        Self(cause.without_url())
    }
}

impl fmt::Display for Innermost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match chain(&self.0).last() {
            Some(first) => write!(f, "{first}"),
            None => write!(f, "{}", self.0),
        }
    }
}

impl StdError for Innermost {}

type Cause = dyn StdError + 'static;

/// The error and what caused it, down to the first cause.
fn chain(error: &Cause) -> impl Iterator<Item = &Cause> {
    iter::successors(Some(error), |error| below(*error))
}

fn below(error: &Cause) -> Option<&Cause> {
    match error.downcast_ref::<io::Error>() {
        // `source()` of an I/O error skips the error that it wraps, so that one is taken by `get_ref`.
        Some(error) => error.get_ref().map(|inner| inner as &Cause),
        None => error.source(),
    }
}

fn find<E: StdError + 'static>(error: &Cause) -> Option<&E> {
    chain(error).find_map(|error| error.downcast_ref::<E>())
}

/// The failure for an error of the proxy. The types of these errors are private to the libraries, so they are
/// recognised by their texts. The tests with proxies fail if a text changes.
fn proxy_fault(cause: &reqwest::Error, met: &Circumstances<'_>) -> Option<Failure> {
    let proxy = met.proxy?;
    let words = chain(cause).map(ToString::to_string).find_map(|text| {
        let tunnel = text.strip_prefix("tunnel error: ").map(str::to_owned);
        tunnel.or_else(|| text.strip_prefix("SOCKS error: ").map(str::to_owned))
    })?;
    let service = &met.service;
    // A proxy that has never let a request through will not do so at the next try. One that has let some through may have
    // lost the service for a while.
    let refusal = if met.answered { Class::Transient } else { Class::Fatal };
    let (class, message) = match words.as_str() {
        "proxy authorization required" | "credentials not accepted" if proxy.has_credentials() => {
            (Class::Fatal, format!("the proxy {proxy} does not take this user name and password"))
        }
        "proxy authorization required" => {
            (Class::Fatal, format!("the proxy {proxy} wants a user name and password (407)"))
        }
        "credentials not accepted" | "server does not support user/pass authentication" => {
            (Class::Fatal, format!("the proxy {proxy} wants a user name and password"))
        }
        "failed to create underlying connection" => match find::<TlsError>(cause) {
            Some(fault) => {
                let (_, words) = words_for(fault);
                (refusal, format!("no TLS with the proxy {proxy}: {words}"))
            }
            None => {
                let class = if met.answered { Class::Transient } else { Class::NoFirstContact };
                let why = find::<io::Error>(cause).map(|error| format!(": {error}")).unwrap_or_default();
                (class, format!("cannot connect to the proxy {proxy}{why}"))
            }
        },
        "unsuccessful" => (refusal, format!("the proxy {proxy} does not connect to {service}")),
        "unexpected end of file" | "io error establishing tunnel" | "io error during SOCKS handshake" => {
            let class = if met.answered { Class::Transient } else { Class::NoFirstContact };
            (class, format!("the proxy {proxy} hangs up instead of connecting to {service}"))
        }
        other => (refusal, format!("the proxy {proxy} does not connect to {service}: {}", one_line(other))),
    };
    Some(Failure::new(class, Error::of(ErrorKind::Proxy).with_message(message)))
}

/// The failure for an error of TLS.
fn tls_fault(cause: &reqwest::Error, met: &Circumstances<'_>) -> Option<Failure> {
    let fault = find::<TlsError>(cause)?;
    // Another try does not change a certificate. Other faults may be damage on the network, if the service has answered
    // before.
    let is_final = !met.answered || matches!(fault, TlsError::InvalidCertificate(_));
    let class = if is_final { Class::Fatal } else { Class::Transient };
    let (certificate_fault, words) = words_for(fault);
    let kind = match fault {
        TlsError::InvalidMessage(_) => ErrorKind::Protocol,
        _ => ErrorKind::Tls,
    };
    let error = Error::of(kind).with_message(words);
    let error = match certificate_fault {
        Some(fault) => error.with_certificate_fault(fault),
        None => error,
    };
    Some(Failure::new(class, error))
}

/// An error of TLS in plain words, and what is wrong with the certificate if it is that.
fn words_for(fault: &TlsError) -> (Option<CertificateFault>, String) {
    let certificate = match fault {
        TlsError::InvalidCertificate(certificate) => certificate,
        TlsError::InvalidMessage(_) => return (None, "what answers there does not speak TLS".to_owned()),
        TlsError::AlertReceived(_) | TlsError::PeerIncompatible(_) | TlsError::NoApplicationProtocol => {
            return (None, format!("the TLS handshake failed: {fault}"));
        }
        other => return (None, format!("the TLS connection failed: {other}")),
    };
    let (fault, words) = match certificate {
        CertificateError::UnknownIssuer => (
            CertificateFault::UnknownIssuer,
            "the certificate is of an issuer that is not trusted".to_owned(),
        ),
        // An issuer of that name is trusted, but its key has not signed this certificate. This happens when an
        // authority is made anew under its old name.
        CertificateError::BadSignature => (
            CertificateFault::UnknownIssuer,
            "the certificate is not signed by the trusted issuer of that name".to_owned(),
        ),
        CertificateError::NotValidForName => {
            (CertificateFault::OtherName, "the certificate is for another name".to_owned())
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            (CertificateFault::OtherName, other_name(&expected.to_str(), presented))
        }
        CertificateError::Expired => (CertificateFault::Expired, "the certificate expired".to_owned()),
        CertificateError::ExpiredContext { not_after, .. } => {
            (CertificateFault::Expired, format!("the certificate expired{}", date(" on ", *not_after)))
        }
        CertificateError::NotValidYet => {
            (CertificateFault::NotYetValid, "the certificate is not valid yet".to_owned())
        }
        CertificateError::NotValidYetContext { not_before, .. } => (
            CertificateFault::NotYetValid,
            format!("the certificate is not valid yet{}", date(", only from ", *not_before)),
        ),
        // rustls-webpki has a variant of this name. rustls passes it on as `Other`, so it is recognised by its text.
        CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => (
            CertificateFault::Authority,
            "the certificate is an authority's (CA), not a service's".to_owned(),
        ),
        other => (CertificateFault::Other, format!("the certificate is refused: {other}")),
    };
    (Some(fault), words)
}

/// The most names of a certificate that are shown.
const NAMES_SHOWN: usize = 3;

fn other_name(expected: &str, presented: &[String]) -> String {
    // What is in the brackets of `DnsName("billing.example")` or `IpAddress(10.0.0.1)`.
    let bare = |name: &String| {
        let inner = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest);
        one_line(inner.trim_end_matches(')').trim_matches('"'))
    };
    let mut names: Vec<String> = presented.iter().take(NAMES_SHOWN).map(bare).collect();
    if presented.len() > NAMES_SHOWN {
        names.push("others".to_owned());
    }
    match names.is_empty() {
        true => format!("the certificate is for no name, and not for {expected}"),
        false => format!("the certificate is for {}, not for {expected}", names.join(", ")),
    }
}

/// The day of a time, behind the words `before`: the owner of a certificate needs no more. Empty when the time is out of
/// range.
fn date(before: &str, at: UnixTime) -> String {
    let unix_ns = i64::try_from(at.as_secs()).ok().and_then(|unix_s| unix_s.checked_mul(1_000_000_000));
    let text = unix_ns.map(|unix_ns| Timestamp::from_unix_ns(unix_ns).to_string());
    let day = text.as_deref().and_then(|text| text.split('T').next());
    day.map(|day| format!("{before}{day}")).unwrap_or_default()
}

/// The failure for an answer that is not HTTP, from a service that has never answered in HTTP. After an answer in HTTP
/// it is damage on the network, and another fault like others.
fn no_http(cause: &reqwest::Error, met: &Circumstances<'_>) -> Option<Failure> {
    let is_parse = find::<hyper::Error>(cause)?.is_parse();
    let is_first = is_parse && !met.answered;
    is_first.then(|| {
        let error = Error::of(ErrorKind::Protocol).with_message("what answers there does not speak HTTP");
        Failure::new(Class::Fatal, error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_certificate_are_shown_bare_and_few() {
        for (presented, said) in [
            (&["DnsName(\"billing.example\")"][..], "is for billing.example, not for b"),
            (&["IpAddress(10.0.0.1)", "DnsName(\"*.x\")"], "is for 10.0.0.1, *.x, not for b"),
            (&["a", "b", "c", "d"], "is for a, b, c, others, not for b"),
            (&[], "is for no name, and not for b"),
        ] {
            let presented: Vec<_> = presented.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(other_name("b", &presented), format!("the certificate {said}"));
        }
    }

    #[test]
    fn a_cause_within_an_io_error_is_found() {
        let deep = io::Error::other(io::Error::other(TlsError::DecryptError));
        assert_eq!(find::<TlsError>(&deep), Some(&TlsError::DecryptError));
        assert_eq!(find::<TlsError>(&io::Error::from_raw_os_error(111)), None);
        assert_eq!(date(" on ", UnixTime::since_unix_epoch(Duration::from_secs(86_400))), " on 1970-01-02");
        assert_eq!(date(" on ", UnixTime::since_unix_epoch(Duration::MAX)), "");
    }
}
