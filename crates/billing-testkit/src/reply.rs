//! What a scripted upstream sends, to the byte.

/// A reply: its head and body as they go over the wire, and where the connection breaks.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Bytes of the body that are sent before the connection is closed; `None` sends all and keeps it open.
    cut_at: Option<usize>,
    delimited: bool,
}

impl Reply {
    /// A JSON reply.
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status, "application/json", body)
    }

    /// A reply of any type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { status, headers, body: body.into(), cut_at: None, delimited: true }
    }

    /// An error as the API sends it.
    pub fn error(status: u16, text: &str) -> Self {
        Self::json(status, format!(r#"{{"error":"{text}"}}"#))
    }

    /// With a header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Cut after so many bytes of the body, though the head promises all of them.
    #[must_use]
    pub fn cut_at(mut self, bytes: usize) -> Self {
        self.cut_at = Some(bytes);
        self
    }

    /// Without `Content-Length`: the body ends where the connection does.
    #[must_use]
    pub fn undelimited(mut self) -> Self {
        self.delimited = false;
        self.cut_at = self.cut_at.or(Some(usize::MAX));
        self
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// With another body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The bytes to send, and whether the connection goes on after them.
    pub(crate) fn wire(&self) -> (Vec<u8>, bool) {
        let mut out = format!("HTTP/1.1 {} Scripted\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if self.delimited {
            out.extend_from_slice(format!("content-length: {}\r\n", self.body.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        let sent = self.cut_at.unwrap_or(usize::MAX).min(self.body.len());
        out.extend_from_slice(&self.body[..sent]);
        (out, self.cut_at.is_none())
    }
}
