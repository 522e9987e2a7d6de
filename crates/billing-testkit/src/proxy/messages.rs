//! What a client of PostgreSQL sends, message by message: see "Message Formats" in PostgreSQL's documentation.

/// The version that the first message of a conversation begins with. What has another number there is a request before it, for
/// encryption say, and the conversation has not begun.
const PROTOCOL: [u8; 4] = [0, 3, 0, 0];

/// The bytes of a client, cut into messages wherever they were cut on their way.
#[derive(Debug, Default)]
pub(super) struct Messages {
    bytes: Vec<u8>,
    has_begun: bool,
}

/// A whole message, as it was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message(Vec<u8>);

impl Messages {
    /// Takes what has come.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message that is there whole.
    pub(super) fn next(&mut self) -> Option<Message> {
        // A type of one byte, but for the first messages; then the length, itself counted and the type not.
        let start = usize::from(self.has_begun);
        let length = self.bytes.get(start..)?.first_chunk().map(|length| u32::from_be_bytes(*length))?;
        let end = start + usize::try_from(length).ok()?.max(4);
        if self.bytes.len() < end {
            return None;
        }
        let rest = self.bytes.split_off(end);
        let message = Message(std::mem::replace(&mut self.bytes, rest));
        self.has_begun = self.has_begun || message.0.get(4..8) == Some(&PROTOCOL);
        Some(message)
    }
}

impl Message {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// True for statements of which the last one is `COMMIT`.
    pub(super) fn is_commit(&self) -> bool {
        let [b'Q', _, _, _, _, statements @ .., 0] = self.0.as_slice() else { return false };
        statements.rsplit(|byte| *byte == b';').next().map(<[u8]>::trim_ascii) == Some(b"COMMIT")
    }

    /// True at the end of rows that were copied in.
    pub(super) fn is_end_of_copy(&self) -> bool {
        self.0 == [b'c', 0, 0, 0, 4]
    }
}

/// True when the last message in these bytes of the server is that it awaits the next statement.
pub(super) fn ends_ready(bytes: &[u8]) -> bool {
    matches!(bytes, [.., b'Z', 0, 0, 0, 5, b'I' | b'T' | b'E'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind], length.as_slice(), body].concat()
    }

    #[test]
    fn messages_are_the_same_wherever_the_bytes_are_cut() {
        let encryption = [0, 0, 0, 8, 4, 210, 22, 47].to_vec();
        let begin = [&[0, 0, 0, 15], PROTOCOL.as_slice(), b"user\0a\0"].concat();
        // Rows may have in them what looks like a statement.
        let row = message(b'd', &message(b'Q', b"COMMIT\0"));
        let sent = [
            encryption,
            begin,
            message(b'Q', b"BEGIN\0"),
            row,
            message(b'c', b""),
            message(b'Q', b"SELECT 'COMMIT'\0"),
            message(b'Q', b"COMMIT\0"),
            message(b'Q', b"SELECT; COMMIT\0"),
            message(b'X', b""),
        ];
        let bytes = sent.concat();
        for at in 0..=bytes.len() {
            let (mut messages, mut found) = (Messages::default(), Vec::new());
            for piece in [&bytes[..at], &bytes[at..]] {
                messages.add(piece);
                found.extend(std::iter::from_fn(|| messages.next()));
            }
            let whole: Vec<_> = found.iter().map(|message| message.0.clone()).collect();
            assert_eq!(whole, sent, "cut at {at}");
            let places = |is: fn(&Message) -> bool| -> Vec<usize> {
                (0..found.len()).filter(|place| is(&found[*place])).collect()
            };
            assert_eq!((places(Message::is_commit), places(Message::is_end_of_copy)), (vec![6, 7], vec![4]));
        }
    }

    #[test]
    fn the_server_is_ready_at_the_end_of_its_answer() {
        let done = [message(b'C', b"COMMIT\0"), message(b'Z', b"I")].concat();
        assert!(ends_ready(&done));
        assert!((0..done.len()).all(|end| !ends_ready(&done[..end])));
    }
}
