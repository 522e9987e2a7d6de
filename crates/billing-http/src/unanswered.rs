//! Why a request got no answer: pure, from the chain of its causes to what it means and to words.

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

/// What is known beside the error.
pub(crate) struct Circumstances<'a> {
    /// True when the service has answered this client before: then it is there, and what fails now may pass.
    pub(crate) answered: bool,
    /// The proxy that the request goes by.
    pub(crate) proxy: Option<&'a Proxy>,
    /// The service, `billing.example:443`.
    pub(crate) service: String,
    /// The time that there was to connect.
    pub(crate) connect_timeout: Duration,
    /// The time that there was for the whole try.
    pub(crate) limit: Duration,
}

/// What a request that got no answer means.
pub(crate) fn unanswered(cause: reqwest::Error, met: &Circumstances<'_>) -> Failure {
    // Without a connection, by whatever way, nothing of a request is sent.
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
        // A time limit is its own reason.
        let error = if cause.is_timeout() { error } else { error.because(Innermost::of(cause)) };
        return Failure::new(class, error);
    }
    let class = if met.answered { Class::Transient } else { Class::NoFirstAnswer };
    let error = Error::of(ErrorKind::NoAnswer);
    if cause.is_timeout() {
        // The cause would say the same once more.
        return Failure::new(class, error.timed_out(format!("no answer within {:.0?}", met.limit)));
    }
    Failure::new(class, error.because(Innermost::of(cause)))
}

/// The first cause, without what each library on the way adds: `Connection refused`, not five times that something failed.
#[derive(Debug)]
pub(crate) struct Innermost(reqwest::Error);

impl Innermost {
    pub(crate) fn of(cause: reqwest::Error) -> Self {
        // The URL is in the error already, and a cursor in it is nobody's business.
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
        // What an I/O error wraps it shows as itself, and gives only the cause of that as its source.
        Some(error) => error.get_ref().map(|inner| inner as &Cause),
        None => error.source(),
    }
}

fn find<E: StdError + 'static>(error: &Cause) -> Option<&E> {
    chain(error).find_map(|error| error.downcast_ref::<E>())
}

/// A failure on the way to the service. The libraries keep the types of these errors to themselves, so they are known by
/// their words; the tests of the proxies would fail if the words changed.
fn proxy_fault(cause: &reqwest::Error, met: &Circumstances<'_>) -> Option<Failure> {
    let proxy = met.proxy?;
    let words = chain(cause).map(ToString::to_string).find_map(|text| {
        let tunnel = text.strip_prefix("tunnel error: ").map(str::to_owned);
        tunnel.or_else(|| text.strip_prefix("SOCKS error: ").map(str::to_owned))
    })?;
    let service = &met.service;
    // A proxy that has never let anything through will not do so later. One that has may have lost the service for a while.
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

fn tls_fault(cause: &reqwest::Error, met: &Circumstances<'_>) -> Option<Failure> {
    let fault = find::<TlsError>(cause)?;
    // A certificate does not get better by asking again. Other faults, of a connection that has worked before, are damage on
    // the way.
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

/// What an error of TLS says in plain words.
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
        // An issuer of that name is trusted, and has not signed this: an authority that was made anew under its old name, say.
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
        // A crate below rustls has a variant of this name, and rustls passes it on as any other error.
        CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => (
            CertificateFault::Authority,
            "the certificate is an authority's (CA), not a service's".to_owned(),
        ),
        other => (CertificateFault::Other, format!("the certificate is refused: {other}")),
    };
    (Some(fault), words)
}

/// Names shown of a certificate that has many.
const NAMES_SHOWN: usize = 3;

fn other_name(expected: &str, presented: &[String]) -> String {
    // `DnsName("billing.example")`, `IpAddress(10.0.0.1)`: what is in the brackets.
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

/// The day of a time, which is all that the owner of a certificate needs; nothing for one that is beyond all dates.
fn date(before: &str, at: UnixTime) -> String {
    let unix_ns = i64::try_from(at.as_secs()).ok().and_then(|unix_s| unix_s.checked_mul(1_000_000_000));
    let text = unix_ns.map(|unix_ns| Timestamp::from_unix_ns(unix_ns).to_string());
    let day = text.as_deref().and_then(|text| text.split('T').next());
    day.map(|day| format!("{before}{day}")).unwrap_or_default()
}

/// An answer that is not HTTP, from a service that has not answered in HTTP before. From one that has, it is damage on the way.
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
