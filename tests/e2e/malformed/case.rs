//! A request of the generator, and what is right to answer.

/// A request, and what is known of its answer.
pub(crate) struct Case {
    /// What is wrong with it.
    pub(crate) kind: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// The statuses that are right.
    pub(crate) statuses: &'static [u16],
    pub(crate) by: By,
    pub(crate) then: Then,
    /// What the answer says beside its status.
    pub(crate) says: Says,
    /// Whose rows may be in the answer.
    pub(crate) may_see: Rows,
    pub(crate) is_head: bool,
    /// `100 Continue` may come before the answer.
    pub(crate) is_interim: bool,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A route, or the layers before the routes: the answer has an id.
    Application,
    /// The reader of requests: there was no request that could have an id.
    Connection,
}

/// How the conversation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// With the next request.
    Next,
    /// It is over, or not: the client says no more.
    End,
    /// The client says first that nothing more comes, since the server cannot know.
    HalfClose,
    /// The rest of the request is read as another request, and refused.
    Leftovers,
}

/// What an answer has for its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    Error,
    /// Which parameter is wrong.
    Details,
    /// Which row is wrong.
    Issues,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    Nobodys,
    Ours,
}

impl Case {
    /// A request that a route refuses; the next one may follow.
    pub(crate) fn refused(bytes: Vec<u8>, statuses: &'static [u16]) -> Self {
        Self {
            kind: "",
            bytes,
            statuses,
            by: By::Application,
            then: Then::Next,
            says: Says::Error,
            may_see: Rows::Nobodys,
            is_head: false,
            is_interim: false,
        }
    }

    /// Something that is no request, and ends its connection.
    pub(crate) fn no_request(bytes: Vec<u8>, statuses: &'static [u16]) -> Self {
        Self { by: By::Connection, then: Then::End, ..Self::refused(bytes, statuses) }
    }

    /// A request that is answered with rows.
    pub(crate) fn served(bytes: Vec<u8>) -> Self {
        Self { may_see: Rows::Ours, ..Self::refused(bytes, &[200]) }
    }

    pub(crate) fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }

    pub(crate) fn saying(self, says: Says) -> Self {
        Self { says, ..self }
    }
}

/// A request as it is written down, head first.
#[derive(Clone)]
pub(crate) struct Draft {
    line: Vec<u8>,
    headers: Vec<u8>,
    body: Vec<u8>,
}

impl Draft {
    pub(crate) fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        Self::without_host(method, target).with("host", "billing.test")
    }

    pub(crate) fn without_host(method: &str, target: impl AsRef<[u8]>) -> Self {
        Self::of_line([method.as_bytes(), b" ", target.as_ref(), b" HTTP/1.1"].concat())
    }

    /// With a first line as it is.
    pub(crate) fn of_line(line: impl Into<Vec<u8>>) -> Self {
        Self { line: line.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn with(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.with_line([name.as_bytes(), b": ", value.as_ref()].concat())
    }

    /// With a line of its head as it is.
    pub(crate) fn with_line(mut self, line: impl AsRef<[u8]>) -> Self {
        self.headers.extend_from_slice(line.as_ref());
        self.headers.extend_from_slice(b"\r\n");
        self
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.with("authorization", format!("Bearer {key}"))
    }

    /// With a body and its length.
    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let length = body.len().to_string();
        self.with("content-length", length).raw_body(body)
    }

    /// With a body in pieces.
    pub(crate) fn chunks(self, chunks: &[&[u8]]) -> Self {
        let mut body = Vec::new();
        for chunk in chunks {
            body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            body.extend_from_slice(chunk);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"0\r\n\r\n");
        self.with("transfer-encoding", "chunked").raw_body(body)
    }

    /// With a body that nothing announces.
    pub(crate) fn raw_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        [&*self.line, b"\r\n", &*self.headers, b"\r\n", &*self.body].concat()
    }
}
