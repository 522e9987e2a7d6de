//! Answers to bytes that never become a request. Some are the HTTP library's, which have no body; others are ours,
//! where the library gives no answer.

/// Why something is not a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotHttp,
    BrokenOff,
    TooLate,
    /// There is no connection for it.
    Crowded,
}

impl Refusal {
    /// The whole answer. The connection ends with it.
    pub(crate) fn answer(self) -> Vec<u8> {
        let (status_line, text) = match self {
            Self::NotHttp => ("HTTP/1.1 400 Bad Request", NOT_HTTP),
            Self::BrokenOff => ("HTTP/1.1 400 Bad Request", "Bad request: its head is not complete"),
            Self::TooLate => ("HTTP/1.1 408 Request Timeout", "The request's head did not come in time"),
            Self::Crowded => ("HTTP/1.1 503 Service Unavailable", "Too many connections at the moment"),
        };
        let retry = (self == Self::Crowded).then_some("retry-after: 1");
        whole(status_line, ["connection: close"].into_iter().chain(retry), text)
    }
}

const NOT_HTTP: &str = "Bad request: this is not HTTP/1.1";

/// The answer with a body that says what its status means, when it is an error without a body.
pub(crate) fn with_body(answer: &[u8]) -> Option<Vec<u8>> {
    let head = std::str::from_utf8(answer).ok()?.strip_suffix("\r\n\r\n")?;
    let (status_line, headers) = head.split_once("\r\n")?;
    let (_, status) = status_line.strip_prefix("HTTP/1.")?.split_once(' ')?;
    let is_error = status.starts_with('4') || status.starts_with('5');
    let without_body = |line: &&str| !line.to_ascii_lowercase().starts_with("content-length: 0");
    if !is_error || headers.contains("\r\n\r\n") || headers.split("\r\n").all(|line| without_body(&line)) {
        return None;
    }
    let text = match status.get(..3)? {
        "400" => NOT_HTTP,
        "414" => "The request's target is too long",
        // The library gives this status also for a length that is larger than any number.
        "431" => "The request's header is too large, or announces too large a body",
        _ => "The request could not be read",
    };
    Some(whole(status_line, headers.split("\r\n").filter(without_body), text))
}

fn whole<'a>(status_line: &str, headers: impl IntoIterator<Item = &'a str>, text: &str) -> Vec<u8> {
    let body = format!(r#"{{"error":"{text}"}}"#);
    let mut whole = format!("{status_line}\r\n");
    for line in headers {
        whole.push_str(line);
        whole.push_str("\r\n");
    }
    let length = body.len();
    whole.push_str(&format!(
        "content-type: application/json\r\ncache-control: no-store\r\ncontent-length: {length}\r\n\r\n{body}"
    ));
    whole.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_without_a_body_gets_one() {
        let with = |answer: &str| with_body(answer.as_bytes()).map(|whole| String::from_utf8(whole).unwrap());
        let whole = with("HTTP/1.1 414 URI Too Long\r\ncontent-length: 0\r\ndate: x\r\n\r\n");
        let body = r#"{"error":"The request's target is too long"}"#;
        assert_eq!(
            whole.unwrap(),
            format!(
                "HTTP/1.1 414 URI Too Long\r\ndate: x\r\ncontent-type: application/json\r\n\
                 cache-control: no-store\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        );
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "",
        ] {
            assert_eq!(with(other), None, "{other}");
        }
    }
}
