//! A request as it is written down.

/// A request, to be sent as it is: nothing is added to what is said here but the length of a body.
#[derive(Clone, Debug)]
pub struct Request {
    head: String,
    body: Option<Vec<u8>>,
}

impl Request {
    /// A GET. The target is sent as it is: a path, and a query where there is one.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// An OPTIONS, which has no body either.
    pub fn options(target: &str) -> Self {
        Self::new("OPTIONS", target)
    }

    /// A POST, with the length of its body.
    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..Self::new("POST", target) }
    }

    fn new(method: &str, target: &str) -> Self {
        Self { head: format!("{method} {target} HTTP/1.1\r\nhost: x\r\n"), body: None }
    }

    /// With a header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        for part in [name, ": ", value, "\r\n"] {
            self.head.push_str(part);
        }
        self
    }

    /// Presents a key.
    #[must_use]
    pub fn bearing(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    /// The method and the target: the first two words of its head.
    pub fn method_and_target(&self) -> (&str, &str) {
        let mut words = self.head.split(' ');
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }

    /// As it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let length = self.body.as_ref().map(|body| format!("content-length: {}\r\n", body.len()));
        let head = [&self.head, length.as_deref().unwrap_or_default(), "\r\n"].concat();
        [head.as_bytes(), self.body.as_deref().unwrap_or_default()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_sent_as_it_is_written() {
        let get = Request::get("/a?b=c").header("Accept", "*/*").bearing("k");
        let sent = "GET /a?b=c HTTP/1.1\r\nhost: x\r\nAccept: */*\r\nauthorization: Bearer k\r\n\r\n";
        assert_eq!(String::from_utf8(get.bytes()).unwrap(), sent);
        assert_eq!(get.method_and_target(), ("GET", "/a?b=c"));
        let sent = "POST /a HTTP/1.1\r\nhost: x\r\nx: y\r\ncontent-length: 2\r\n\r\n[]";
        assert_eq!(String::from_utf8(Request::post("/a", "[]").header("x", "y").bytes()).unwrap(), sent);
        assert_eq!(Request::options("/a").bytes(), b"OPTIONS /a HTTP/1.1\r\nhost: x\r\n\r\n");
    }
}
