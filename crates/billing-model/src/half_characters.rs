//! Halves of characters in JSON: `\ud83d` without the escape of the other half behind it, as JavaScript prints a text that
//! was cut inside an emoji. JSON allows it (RFC 8259, 8.2), and no text of Unicode holds it.

/// The same JSON with U+FFFD in the place of each half, which is what JavaScript's `toWellFormed` makes of it; `None` where
/// there is none. It is as long as it was, so every place in it is where it was. `found` is told the place of the first half
/// in each string that has one.
pub(crate) fn mended(text: &str, mut found: impl FnMut(usize)) -> Option<String> {
    let bytes = text.as_bytes();
    let mut mended = String::new();
    // The text before this place is in `mended`.
    let mut copied = 0;
    let mut is_first = true;
    let mut at = 0;
    while let Some(skipped) =
        bytes.get(at..).and_then(|rest| rest.iter().position(|byte| matches!(byte, b'\\' | b'"')))
    {
        at += skipped;
        if bytes[at] == b'"' {
            is_first = true;
            at += 1;
            continue;
        }
        at += match code_unit(&bytes[at..]) {
            // Another escape. Both bytes are skipped, because the second may be a quote or a backslash.
            None => 2,
            Some(HIGH_START..LOW_START) if is_low(&bytes[at + ESCAPE.len()..]) => 2 * ESCAPE.len(),
            Some(HIGH_START..=LOW_END) => {
                if std::mem::take(&mut is_first) {
                    found(at);
                }
                mended.push_str(&text[copied..at]);
                mended.push_str(ESCAPE);
                copied = at + ESCAPE.len();
                ESCAPE.len()
            }
            Some(_) => ESCAPE.len(),
        };
    }
    (copied > 0).then(|| mended + &text[copied..])
}

/// The JSON text with U+FFFD in the place of each half of a character; `None` where there is none.
///
/// ```
/// use billing_model::whole_characters;
/// assert_eq!(whole_characters(r#""cut \ud83d""#).as_deref(), Some(r#""cut \ufffd""#));
/// assert_eq!(whole_characters(r#""\ud83d\ude00""#), None);
/// ```
pub fn whole_characters(text: &str) -> Option<String> {
    mended(text, |_| ())
}

const ESCAPE: &str = "\\ufffd";

const HIGH_START: u16 = 0xd800;
const LOW_START: u16 = 0xdc00;
const LOW_END: u16 = 0xdfff;

/// The number that an escape begins with `\u` for, when these bytes begin with one.
fn code_unit(bytes: &[u8]) -> Option<u16> {
    let digits = std::str::from_utf8(bytes.strip_prefix(b"\\u")?.get(..4)?).ok()?;
    // `from_str_radix` takes a sign, and JSON has none here.
    if digits.starts_with('+') { None } else { u16::from_str_radix(digits, 16).ok() }
}

fn is_low(bytes: &[u8]) -> bool {
    matches!(code_unit(bytes), Some(LOW_START..=LOW_END))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The mended text, and how many strings had a half.
    fn mend(text: &str) -> (Option<String>, usize) {
        let mut strings = 0;
        (mended(text, |_| strings += 1), strings)
    }

    #[test]
    fn a_half_becomes_the_replacement_character_and_nothing_else_does() {
        for (text, expect, strings) in [
            (r#""cut \ud83d""#, r#""cut \ufffd""#, 1),
            (r#""\uD83D cut""#, r#""\ufffd cut""#, 1),
            (r#""\ude00""#, r#""\ufffd""#, 1),
            (r#""\uDFFF\ud800""#, r#""\ufffd\ufffd""#, 1),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#, 1),
            (r#""\ud83d\ude00\ude00""#, r#""\ud83d\ude00\ufffd""#, 1),
            (r#""\ud83d\u0041""#, r#""\ufffd\u0041""#, 1),
            (r#""\ud83d\n\ude00""#, r#""\ufffd\n\ufffd""#, 1),
            (r#""\ud83dx\ude00""#, r#""\ufffdx\ufffd""#, 1),
            (r#""\\\ud83d""#, r#""\\\ufffd""#, 1),
            (r#""\"\ud83d""#, r#""\"\ufffd""#, 1),
            (r#"{"\ud83d":"\udbff","b":"\udc00\"\ud800"}"#, r#"{"\ufffd":"\ufffd","b":"\ufffd\"\ufffd"}"#, 3),
            (r#""é\ud83dé""#, r#""é\ufffdé""#, 1),
            (r#""\ud83d\ud83""#, r#""\ufffd\ud83""#, 1),
        ] {
            assert_eq!(mend(text), (Some(expect.to_owned()), strings), "{text}");
            assert_eq!(mend(expect), (None, 0), "{expect}");
        }
        for whole in [
            "",
            "\\",
            r#""\"#,
            r#""\u"#,
            r#""\ud83"#,
            r#""\\ud83d""#,
            r#""\\\\ud83d""#,
            r#""\ud83d\ude00""#,
            r#""\uD83D\uDE00""#,
            r#""\uD83d\udE00""#,
            r#""\ue000\ud7ff\uffff""#,
            r#""\u+83d""#,
            r#""\ud8é""#,
            r#""\ufffd""#,
            "\"\u{fffd} 😀\"",
        ] {
            assert_eq!(mend(whole), (None, 0), "{whole}");
        }
    }

    proptest! {
        #[test]
        fn any_string_of_code_units_is_read_as_unicode_has_it(
            units in prop::collection::vec(prop_oneof![Just(0x22), Just(0x5c), 0xd7fe_u16..0xe002, any::<u16>()], 0..12),
            upper: bool,
        ) {
            let escaped: String = units
                .iter()
                .map(|unit| if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") })
                .collect();
            let text = format!("\"{escaped}\"");
            let read = mended(&text, |_| ()).unwrap_or_else(|| text.clone());
            prop_assert_eq!(read.len(), text.len());
            prop_assert_eq!(serde_json::from_str::<String>(&read).unwrap(), String::from_utf16_lossy(&units));
            // It is only touched where it could not be read.
            prop_assert_eq!(read == text, serde_json::from_str::<String>(&text).is_ok());
        }
    }
}
