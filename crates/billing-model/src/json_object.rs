//! JSON objects, member by member, with numbers as exact text.

use crate::json_text::{write_optional_string, write_string};
use crate::total::Total;

/// An object that is being written. It is whole after [`JsonObject::close`].
pub(crate) struct JsonObject<'a> {
    out: &'a mut Vec<u8>,
    separator: u8,
}

impl<'a> JsonObject<'a> {
    pub(crate) fn open(out: &'a mut Vec<u8>) -> Self {
        Self { out, separator: b'{' }
    }

    /// Starts a member. The caller appends its value.
    pub(crate) fn value(&mut self, key: &str) -> &mut Vec<u8> {
        self.out.push(self.separator);
        self.separator = b',';
        write_string(self.out, key);
        self.out.push(b':');
        self.out
    }

    pub(crate) fn text(&mut self, key: &str, text: &str) {
        write_string(self.value(key), text);
    }

    pub(crate) fn optional_text(&mut self, key: &str, text: Option<&str>) {
        write_optional_string(self.value(key), text);
    }

    pub(crate) fn total(&mut self, key: &str, total: &Total) {
        total.write(self.value(key));
    }

    pub(crate) fn optional_total(&mut self, key: &str, total: Option<&Total>) {
        match total {
            None => self.value(key).extend_from_slice(b"null"),
            Some(total) => self.total(key, total),
        }
    }

    /// An array; `write` appends one of its values.
    pub(crate) fn array<T>(&mut self, key: &str, items: &[T], write: impl Fn(&T, &mut Vec<u8>)) {
        let out = self.value(key);
        out.push(b'[');
        for (position, item) in items.iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            write(item, out);
        }
        out.push(b']');
    }

    pub(crate) fn close(self) {
        if self.separator == b'{' {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_separated_and_keys_escaped() {
        let mut out = Vec::new();
        JsonObject::open(&mut out).close();
        let mut object = JsonObject::open(&mut out);
        object.text("a\"b", "c\n");
        object.optional_text("n", None);
        object.optional_total("t", Some(&"-0.50".parse().unwrap()));
        object.optional_total("u", None);
        object.array("v", &["x", "y"], |item, out| write_string(out, item));
        object.array("w", &[], |(): &(), _| ());
        object.close();
        let expect = r#"{}{"a\"b":"c\n","n":null,"t":-0.5,"u":null,"v":["x","y"],"w":[]}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }
}
