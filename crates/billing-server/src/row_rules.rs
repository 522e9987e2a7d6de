//! Further rules for the rows of a batch, whose sender can be asked to correct them. Files of entries that were
//! recorded elsewhere are taken as they are.

use std::time::Duration;

use billing_format::InputError;
use billing_model::{Currency, Decimal, InferenceDetails, Timestamp, UsageEntry, decimal_text, one_line};

/// Bytes of the texts of one entry together, at most: ten times those of any that is known, and a page of a thousand
/// such entries is one that clients can read.
pub(crate) const MAX_TEXT_BYTES: usize = 4096;

/// Bytes of the JSON of an entry's other fields, at most: as many as all of its texts.
pub(crate) const MAX_OTHER_FIELDS_BYTES: usize = 4096;

/// Characters of a currency, at most: twice those of the longest that is known.
pub(crate) const MAX_CURRENCY_LEN: usize = 32;

/// Characters of a sku, at most: several times those of the longest that is known.
pub(crate) const MAX_SKU_LEN: usize = 256;

/// Characters of a wrong text that its sender is shown.
const SHOWN: usize = 64;

/// Why a row is refused.
pub(crate) struct Refused {
    /// False for a fault of the body as a whole, such as a header without a column, or text after the array.
    pub(crate) is_row: bool,
    pub(crate) field: Option<&'static str>,
    pub(crate) message: String,
}

impl From<InputError> for Refused {
    fn from(error: InputError) -> Self {
        Self { is_row: error.row().is_some(), field: error.field(), message: error.reason() }
    }
}

impl Refused {
    fn field(field: &'static str, message: String) -> Self {
        Self { is_row: true, field: Some(field), message }
    }
}

/// The rules for the rows of one batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowRules {
    /// The server's time.
    pub(crate) now: Timestamp,
    /// How far behind it a row may be.
    pub(crate) max_age: Option<Duration>,
    /// How far ahead of it a row may be.
    pub(crate) max_future: Option<Duration>,
}

impl RowRules {
    /// Whether an entry can be recorded.
    pub(crate) fn check(&self, entry: &UsageEntry) -> Result<(), Refused> {
        self.check_time(entry.timestamp)?;
        check_sku(&entry.sku)?;
        check_currency(&entry.currency)?;
        if let Some(details) = &entry.inference_details {
            check_tokens("inferenceDetails.promptTokens", details.prompt_tokens)?;
            check_tokens("inferenceDetails.completionTokens", details.completion_tokens)?;
        }
        check_size(entry)
    }

    fn check_time(&self, at: Timestamp) -> Result<(), Refused> {
        let refuse = |why| Err(Refused::field("timestamp", format!("{at} {why}")));
        let Some(at_ns) = at.unix_ns() else {
            return refuse("does not fit: a ledger holds the years 1678 to 2262".to_owned());
        };
        let now = self.now;
        // A clock beyond the years of a ledger counts as later than every row.
        let ahead_ns = i128::from(at_ns) - i128::from(now.unix_ns().unwrap_or(i64::MAX));
        let is_beyond = |most: &Duration, ns: i128| u128::try_from(ns).is_ok_and(|ns| ns > most.as_nanos());
        if let Some(most) = self.max_future.filter(|most| is_beyond(most, ahead_ns)) {
            return refuse(format!("is more than {} ahead of the server's time, {now}", span_text(most)));
        }
        if let Some(most) = self.max_age.filter(|most| is_beyond(most, -ahead_ns)) {
            return refuse(format!("is more than {} behind the server's time, {now}", span_text(most)));
        }
        Ok(())
    }
}

fn check_sku(sku: &str) -> Result<(), Refused> {
    let refuse = |message: String| Err(Refused::field("sku", message));
    if sku.is_empty() {
        return refuse("is empty".to_owned());
    }
    let is_plain = sku.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !is_plain && sku.chars().any(char::is_control) {
        return refuse("has control characters".to_owned());
    }
    // A text has at least as many bytes as characters, so few need to be counted.
    let chars = if sku.len() > MAX_SKU_LEN { sku.chars().count() } else { 0 };
    if chars > MAX_SKU_LEN {
        return refuse(format!("has {chars} characters, at most {MAX_SKU_LEN} are taken"));
    }
    Ok(())
}

fn check_currency(currency: &Currency) -> Result<(), Refused> {
    let Currency::Other(name) = currency else { return Ok(()) };
    let is_name = name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if is_name && name.len() <= MAX_CURRENCY_LEN {
        return Ok(());
    }
    let message = format!(
        "`{}` is not a currency: 1 to {MAX_CURRENCY_LEN} of A-Z, 0-9 and `_`, a letter first",
        one_line(name, SHOWN)
    );
    Err(Refused::field("currency", message))
}

fn check_tokens(field: &'static str, tokens: Option<Decimal>) -> Result<(), Refused> {
    match tokens {
        Some(tokens) if tokens.is_negative() || !tokens.is_whole() => {
            let message =
                format!("`{}` is not a count of tokens: a whole number from 0", decimal_text(tokens));
            Err(Refused::field(field, message))
        }
        _ => Ok(()),
    }
}

fn check_size(entry: &UsageEntry) -> Result<(), Refused> {
    let request_id = |details: &InferenceDetails| details.request_id.as_ref().map_or(0, String::len);
    let ids = entry.inference_details.as_ref().map_or(0, request_id)
        + entry.api_key_id.as_ref().map_or(0, String::len);
    let bytes = ids + entry.sku.len() + entry.notes.len() + entry.currency.as_str().len();
    if bytes > MAX_TEXT_BYTES {
        let message = format!("its texts have {bytes} bytes, at most {MAX_TEXT_BYTES} are taken");
        return Err(Refused { is_row: true, field: None, message });
    }
    let bytes = entry.other_fields.as_ref().map_or(0, |other| other.as_str().len());
    if bytes > MAX_OTHER_FIELDS_BYTES {
        let message = format!(
            "its fields that are not documented have {bytes} bytes of JSON, at most {MAX_OTHER_FIELDS_BYTES} are taken"
        );
        return Err(Refused { is_row: true, field: None, message });
    }
    Ok(())
}

/// A span as it is typed: `7d`, `12h`, `90s`.
fn span_text(span: Duration) -> String {
    match span.as_secs() {
        s if s > 0 && s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s > 0 && s % 3600 == 0 => format!("{}h", s / 3600),
        s => format!("{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_model::OtherFields;
    use billing_testkit::entry_at;
    use proptest::prelude::*;

    const NOW: &str = "2026-07-08T09:15:30.123Z";
    const HOUR: Duration = Duration::from_secs(3600);

    fn rules() -> RowRules {
        RowRules { now: NOW.parse().unwrap(), max_age: None, max_future: None }
    }

    fn entry() -> UsageEntry {
        entry_at("2026-06-14T19:52:45.087Z".parse().unwrap(), "-0.1")
    }

    /// The field and the words of a refusal.
    fn told(entry: UsageEntry, rules: RowRules) -> Option<(Option<&'static str>, String)> {
        rules.check(&entry).err().map(|refused| {
            assert!(refused.is_row);
            (refused.field, refused.message)
        })
    }

    #[test]
    fn a_currency_is_a_name_in_capitals() {
        let longest = "A".repeat(32);
        for good in ["USD", "DIEM", "VCU", "BUNDLED_CREDITS", "A", "EUR", "X_9", &longest] {
            assert_eq!(told(UsageEntry { currency: good.into(), ..entry() }, rules()), None, "{good}");
        }
        let too_long = "A".repeat(33);
        for bad in
            ["", "usd", "Usd", " USD", "USD ", "_USD", "9A", "usd; drop table", "US\u{0}", "ÜSD", &too_long]
        {
            let (field, message) = told(UsageEntry { currency: bad.into(), ..entry() }, rules()).unwrap();
            assert_eq!(field, Some("currency"));
            assert!(
                message.ends_with("is not a currency: 1 to 32 of A-Z, 0-9 and `_`, a letter first"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_sku_can_be_read() {
        let longest = "ü".repeat(256);
        for good in ["a", "zai-org-glm-5-1-llm-output-mtoken", "a sku, \"quoted\"", "価格", &longest] {
            assert_eq!(told(UsageEntry { sku: good.to_owned(), ..entry() }, rules()), None, "{good}");
        }
        for (bad, says) in [
            ("", "is empty"),
            ("a\nb", "has control characters"),
            ("\u{0}", "has control characters"),
            ("a\u{7f}", "has control characters"),
            ("a\u{85}", "has control characters"),
            (&*"x".repeat(257), "has 257 characters, at most 256 are taken"),
            (&*"ü".repeat(300), "has 300 characters, at most 256 are taken"),
        ] {
            let expect = Some((Some("sku"), says.to_owned()));
            assert_eq!(told(UsageEntry { sku: bad.to_owned(), ..entry() }, rules()), expect);
        }
    }

    #[test]
    fn other_fields_are_bounded() {
        let with = |members: &str| {
            let other_fields = OtherFields::from_json(&format!("{{{members}}}")).unwrap();
            told(UsageEntry { other_fields, ..entry() }, rules())
        };
        let most = |bytes: usize| format!("\"x\":\"{}\"", "y".repeat(bytes - r#"{"x":""}"#.len()));
        assert_eq!(with(&most(4096)), None);
        // White space is not kept, and so not counted.
        assert_eq!(with(&most(4096).replace(':', " : ")), None);
        let message = "its fields that are not documented have 4097 bytes of JSON, at most 4096 are taken";
        assert_eq!(with(&most(4097)), Some((None, message.to_owned())));
        let nested = format!("\"inferenceDetails\":{{{}}}", most(4097));
        assert!(with(&nested).is_some());
    }

    #[test]
    fn tokens_are_counted() {
        for (tokens, is_good) in [
            ("0", true),
            ("50", true),
            ("50.0", true),
            ("-0", true),
            ("-1", false),
            ("0.5", false),
            ("-0.0", true),
        ] {
            let tokens = Some(billing_model::parse_decimal(tokens).unwrap());
            // The execution time is measured.
            let time = Some(billing_model::parse_decimal("1.5").unwrap());
            for (field, details) in [
                (
                    "inferenceDetails.promptTokens",
                    InferenceDetails { prompt_tokens: tokens, ..Default::default() },
                ),
                (
                    "inferenceDetails.completionTokens",
                    InferenceDetails { completion_tokens: tokens, ..Default::default() },
                ),
            ] {
                let details = Some(InferenceDetails { execution_time_ms: time, ..details });
                let refused = told(UsageEntry { inference_details: details, ..entry() }, rules());
                assert_eq!(
                    refused.as_ref().and_then(|(field, _)| *field),
                    (!is_good).then_some(field),
                    "{refused:?}"
                );
            }
        }
    }

    #[test]
    fn a_row_is_refused_for_its_time_when_that_is_asked_for() {
        let at = |text: &str| UsageEntry { timestamp: text.parse().unwrap(), ..entry() };
        let bounded = RowRules { max_age: Some(24 * HOUR), max_future: Some(HOUR), ..rules() };
        for (time, says) in [
            ("2026-07-08T10:15:30.123Z", None),
            ("2026-07-08T10:15:30.123000001Z", Some("is more than 1h ahead of")),
            ("2262-01-01T00:00:00Z", Some("is more than 1h ahead of")),
            (NOW, None),
            ("2026-07-07T09:15:30.123Z", None),
            ("2026-07-07T09:15:30.122999999Z", Some("is more than 1d behind")),
            ("1678-01-01T00:00:00Z", Some("is more than 1d behind")),
        ] {
            let timestamp = at(time).timestamp;
            let expect =
                says.map(|says| (Some("timestamp"), format!("{timestamp} {says} the server's time, {NOW}")));
            assert_eq!(told(at(time), bounded), expect);
            assert_eq!(told(at(time), rules()), None, "none is refused unless that is asked for");
        }
        let (field, message) = told(at("1500-01-01T00:00:00Z"), rules()).unwrap();
        assert_eq!(field, Some("timestamp"));
        assert!(message.contains("a ledger holds the years 1678 to 2262"), "{message}");
    }

    #[test]
    fn a_span_is_said_as_it_is_typed() {
        for (seconds, text) in
            [(0, "0s"), (90, "90s"), (3600, "1h"), (7200, "2h"), (86_400, "1d"), (604_800, "7d")]
        {
            assert_eq!(span_text(Duration::from_secs(seconds)), text);
        }
    }

    proptest! {
        #[test]
        fn what_a_refusal_shows_is_one_short_line(text in any::<String>()) {
            for entry in [UsageEntry { sku: text.clone(), ..entry() }, UsageEntry { currency: (&*text).into(), ..entry() }] {
                if let Some((_, message)) = told(entry, rules()) {
                    prop_assert!(message.chars().count() < 200 && !message.chars().any(char::is_control), "{}", message);
                }
            }
        }
    }
}
