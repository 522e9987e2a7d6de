//! One line for a prompt or a status bar, made by a template.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;

use billing_model::{Currency, Day, Timestamp, Total, one_line};

use crate::diem::Diem;
use crate::dimension::Dimension;
use crate::elapsed::{elapsed_words, hours_and_minutes, seconds_between};
use crate::last_sync::LastSync;
use crate::pace::spend_per_hour;
use crate::rates::Rates;
use crate::report::Report;
use crate::row::Row;
use crate::short_amount::short_amount;
use crate::sums::Tokens;

/// The most characters of a name from a ledger.
const MOST_OF_A_NAME: usize = 40;

/// The text of a value that is not known.
const NOTHING: &str = "-";

/// The age of an account whose first sync has not ended.
const NEVER: &str = "never";

/// Where the accounts stand today.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The present.
    pub now: Timestamp,
    /// The first instant of today.
    pub start: Timestamp,
    /// Today by model, the highest spend of a currency first.
    pub report: Report,
    /// The DIEM of the present UTC day.
    pub diem: Diem,
    /// When synced accounts were last brought in line.
    pub synced: LastSync,
}

/// A line with places that values are put into: `{spend} today, {entries} entries`.
///
/// ```
/// use billing_report::Template;
/// assert!("{spend} today, {spend.USD} of it {{in}} USD".parse::<Template>().is_ok());
/// let error = "{spent}".parse::<Template>().unwrap_err().to_string();
/// assert!(error.starts_with("`{spent}` is no placeholder; give {spend}, "), "{error}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Value),
    /// A value that each currency has, in one of them, without its name.
    In(Value, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Spend,
    Burn,
    DiemUsed,
    DiemLeft,
    DiemAllocation,
    Reset,
    Entries,
    Tokens,
    TopModel,
    Age,
}

impl Value {
    const ALL: [(&'static str, Self); 10] = [
        ("spend", Self::Spend),
        ("burn", Self::Burn),
        ("diem_used", Self::DiemUsed),
        ("diem_left", Self::DiemLeft),
        ("diem_allocation", Self::DiemAllocation),
        ("reset", Self::Reset),
        ("entries", Self::Entries),
        ("tokens", Self::Tokens),
        ("top_model", Self::TopModel),
        ("age", Self::Age),
    ];

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// True for what may be asked for in one currency.
    fn has_currencies(self) -> bool {
        matches!(self, Self::Spend | Self::Burn | Self::TopModel)
    }
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// There is no such placeholder.
    #[error("`{{{0}}}` is no placeholder; give {names}", names = names())]
    Unknown(String),
    /// A brace that belongs to no pair.
    #[error("a `{0}` stands alone; write `{0}{0}` for the character")]
    Brace(char),
}

fn names() -> String {
    let mut names = String::new();
    for (place, (name, value)) in Value::ALL.into_iter().enumerate() {
        let before = if place == 0 { "" } else { ", " };
        // A failure to write into a text does not happen.
        let _ = write!(names, "{before}{{{name}}}");
        if value.has_currencies() {
            let _ = write!(names, ", {{{name}.USD}}");
        }
    }
    names
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = rest[at..].chars().next().unwrap_or_default();
            let behind = &rest[at + 1..];
            if let Some(after) = behind.strip_prefix(brace) {
                plain.push(brace);
                rest = after;
                continue;
            }
            let (name, after) = match brace {
                '{' => behind.split_once('}').ok_or(TemplateError::Brace('{'))?,
                other => return Err(TemplateError::Brace(other)),
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::named(name)?);
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }
}

impl Part {
    fn named(name: &str) -> Result<Self, TemplateError> {
        let unknown = || TemplateError::Unknown(one_line(name, MOST_OF_A_NAME));
        match name.split_once('.') {
            None => Value::of(name).map(Self::Value).ok_or_else(unknown),
            Some((name, currency)) => {
                let value = Value::of(name).filter(|value| value.has_currencies() && !currency.is_empty());
                // Currencies are in capitals, and a person need not type them so.
                value.map(|value| Self::In(value, currency.to_uppercase())).ok_or_else(unknown)
            }
        }
    }
}

impl Template {
    /// The line. Texts from the ledger are on one line and steer no terminal; what the template says itself stays as it is.
    pub fn line(&self, standing: &Standing) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Value(value) => standing.value(*value),
            Part::In(value, currency) => standing.of_currency(*value, currency),
        });
        parts.collect()
    }
}

impl Standing {
    /// The line without a template: `$1.23 today · 4.20 of 10 DIEM left · 5:12`. What was spent in DIEM stands in its own part.
    pub fn line(&self) -> String {
        let spend = self.by_currency(|row| Some(row.sums.spend.clone()), |row| row.currency != "DIEM");
        let mut parts = vec![format!("{} today", spend.unwrap_or_else(|| "$0".to_owned()))];
        match (&self.diem.left, &self.diem.allocation) {
            (Some(left), Some(allocation)) => {
                parts.push(format!("{} of {allocation} DIEM left", short_amount(left)));
                parts.push(self.reset());
            }
            _ if self.diem.used.is_positive() => {
                parts.push(format!("{} DIEM used", short_amount(&self.diem.used)));
            }
            _ => {}
        }
        parts.join(" · ")
    }

    fn value(&self, value: Value) -> String {
        let amount = |total: Option<&Total>| total.map_or_else(|| NOTHING.to_owned(), short_amount);
        let totals = &self.report.totals;
        match value {
            Value::Spend => self
                .by_currency(|row| Some(row.sums.spend.clone()), |_| true)
                .unwrap_or_else(|| "0".to_owned()),
            // Within the first hour no rate is known, which is not the same as none.
            Value::Burn if !self.has_rate() => NOTHING.to_owned(),
            Value::Burn => self.by_currency(|row| self.burn(row), |_| true).unwrap_or_else(|| "0".to_owned()),
            Value::DiemUsed => short_amount(&self.diem.used),
            Value::DiemLeft => amount(self.diem.left.as_ref()),
            Value::DiemAllocation => {
                self.diem.allocation.as_ref().map_or_else(|| NOTHING.to_owned(), ToString::to_string)
            }
            Value::Reset => self.reset(),
            Value::Entries => totals.iter().map(|total| total.sums.entries).sum::<u64>().to_string(),
            Value::Tokens => {
                let mut tokens = Total::default();
                totals.iter().for_each(|total| tokens.merge(&Tokens::all(&total.sums.tokens)));
                tokens.rounded(0).to_string()
            }
            Value::TopModel => model(self.top_model()),
            Value::Age => match self.synced {
                LastSync::None => NOTHING.to_owned(),
                LastSync::At(synced) => elapsed_words(seconds_between(synced, self.now)),
                LastSync::NotEnded => NEVER.to_owned(),
            },
        }
    }

    fn of_currency(&self, value: Value, currency: &str) -> String {
        let total = self.report.totals.iter().find(|total| total.currency == currency);
        if value == Value::TopModel {
            return model(self.top_model_in(currency));
        }
        if value == Value::Burn && !self.has_rate() {
            return NOTHING.to_owned();
        }
        let amount = total.and_then(|total| match value {
            Value::Burn => self.burn(total),
            _ => Some(total.sums.spend.clone()),
        });
        short_amount(&amount.unwrap_or_default())
    }

    /// The model on which most was spent, in whatever currencies, by what they are taken for in USD. One that was charged only in
    /// currencies without a rate comes after all others.
    fn top_model(&self) -> Option<&str> {
        let rates = Rates::default();
        let mut spend: BTreeMap<&str, Total> = BTreeMap::new();
        for row in &self.report.rows {
            let rate = rates.of(&Currency::from(row.currency.as_str()));
            if let Some((model, rate)) = row.label(Dimension::Model).flatten().zip(rate) {
                spend.entry(model).or_default().merge(&row.sums.spend.times(rate));
            }
        }
        let rated = spend.into_iter().filter(|(_, spend)| spend.is_positive());
        let highest = rated.max_by(|(one, spend), (other, more)| spend.cmp(more).then(other.cmp(one)));
        highest.map(|(model, _)| model).or_else(|| {
            let mut currencies = self.report.totals.iter().map(|total| total.currency.as_str());
            currencies.find_map(|currency| self.top_model_in(currency))
        })
    }

    /// The model on which most was spent in one currency.
    fn top_model_in(&self, currency: &str) -> Option<&str> {
        let mut rows = self.report.rows.iter().filter(|row| row.currency == currency);
        rows.find(|row| row.sums.spend.is_positive())?.label(Dimension::Model).flatten()
    }

    fn has_rate(&self) -> bool {
        spend_per_hour(&Total::default(), self.start, self.now).is_some()
    }

    fn burn(&self, total: &Row) -> Option<Total> {
        spend_per_hour(&total.sums.spend, self.start, self.now)
    }

    /// The amounts of the currencies that have one: `$1.23 + 4.20 DIEM`; `None` without any.
    fn by_currency(
        &self,
        amount: impl Fn(&Row) -> Option<Total>,
        is_shown: impl Fn(&Row) -> bool,
    ) -> Option<String> {
        let shown = self.report.totals.iter().filter(|total| is_shown(total)).filter_map(|total| {
            let amount = amount(total).filter(Total::is_positive)?;
            let short = short_amount(&amount);
            Some(match (total.currency.as_str(), short.strip_prefix('<')) {
                ("USD", Some(short)) => format!("<${short}"),
                ("USD", None) => format!("${short}"),
                (other, _) => format!("{short} {}", one_line(other, MOST_OF_A_NAME)),
            })
        });
        let shown: Vec<_> = shown.collect();
        (!shown.is_empty()).then(|| shown.join(" + "))
    }

    /// The time until the UTC day ends, in hours and minutes.
    fn reset(&self) -> String {
        let Some(day) = Day::of(self.now) else { return NOTHING.to_owned() };
        hours_and_minutes(seconds_between(self.now, Day(day.0 + 1).start()))
    }
}

fn model(model: Option<&str>) -> String {
    model.map_or_else(|| NOTHING.to_owned(), |model| one_line(model, MOST_OF_A_NAME))
}

#[cfg(test)]
mod tests {
    use billing_model::TimeWindow;

    use super::*;
    use crate::{By, DaySum, Meta, Question, ReportBuilder};

    fn standing(sums: &[(&str, &str, &str)], allocation: Option<&str>, of_day: &str) -> Standing {
        let (start, end) = ("2026-06-15T00:00:00Z".parse().unwrap(), "2026-06-16T00:00:00Z".parse().unwrap());
        let window = TimeWindow::new(Some(start), Some(end)).unwrap();
        let by = By::one(Dimension::Model);
        let mut builder = ReportBuilder::new(Question { window, ..Question::new(by) });
        for (sku, currency, amount) in sums {
            builder.add_sum(&DaySum {
                day: Day::of(start).unwrap(),
                sku,
                currency: &Currency::from(*currency),
                api_key_id: None,
                is_credit: !amount.starts_with('-'),
                entries: 2,
                amount: &amount.parse().unwrap(),
                units: &"0.0015".parse().unwrap(),
            });
        }
        let mut diem = Diem::default();
        diem.add(allocation.map(|text| text.parse().unwrap()), &of_day.parse().unwrap());
        Standing {
            now: "2026-06-15T18:48:30Z".parse().unwrap(),
            start,
            report: builder.finish(Meta::default()),
            diem,
            synced: LastSync::At("2026-06-15T16:48:00Z".parse().unwrap()),
        }
    }

    const SUMS: [(&str, &str, &str); 3] = [
        ("zai-org-glm-5-1-llm-output-mtoken", "USD", "-1.2345"),
        ("qwen3-235b-llm-input-mtoken", "DIEM", "-5.8"),
        ("top-up", "USD", "50"),
    ];

    #[test]
    fn the_line_says_spend_and_what_is_left() {
        for (sums, allocation, of_day, expect) in [
            (&SUMS[..], Some("10"), "-5.8", "$1.23 today · 4.20 of 10 DIEM left · 5:12"),
            (&SUMS, None, "-5.8", "$1.23 today · 5.80 DIEM used"),
            (&SUMS[..1], None, "0", "$1.23 today"),
            (&[], None, "0", "$0 today"),
            (&[], Some("10"), "0", "$0 today · 10.00 of 10 DIEM left · 5:12"),
            (
                &[("x", "VCU", "-0.0000001"), ("x", "USD", "-0.0000001")],
                None,
                "0",
                "<$0.000001 + <0.000001 VCU today",
            ),
        ] {
            assert_eq!(standing(sums, allocation, of_day).line(), expect, "{sums:?}");
        }
    }

    #[test]
    fn within_the_first_hour_no_rate_is_known() {
        let mut standing = standing(&SUMS, None, "0");
        for (start, expect) in [("2026-06-15T18:00:00Z", "-|-"), ("2026-06-15T17:00:00Z", "|")] {
            standing.start = start.parse().unwrap();
            standing.now = "2026-06-15T18:59:59.999Z".parse().unwrap();
            let line = "{burn}|{burn.USD}".parse::<Template>().unwrap().line(&standing);
            assert_eq!(line == "-|-", expect == "-|-", "{line}");
        }
    }

    #[test]
    fn each_placeholder_has_its_value() {
        let standing = standing(&SUMS, Some("10"), "-5.8");
        for (template, expect) in [
            ("{spend}", "5.80 DIEM + $1.23"),
            ("{spend.USD}|{spend.DIEM}|{spend.VCU}", "1.23|5.80|0"),
            ("{spend.usd}|{spend.Diem}|{burn.usd}", "1.23|5.80|0.066"),
            ("{burn}", "0.31 DIEM + $0.066"),
            ("{burn.USD}", "0.066"),
            ("{diem_used} of {diem_allocation}, {diem_left} left", "5.80 of 10, 4.20 left"),
            ("{reset}", "5:12"),
            ("{entries}", "6"),
            ("{tokens}", "3000"),
            (
                "{top_model}|{top_model.usd}|{top_model.DIEM}|{top_model.VCU}",
                "qwen3-235b|zai-org-glm-5-1|qwen3-235b|-",
            ),
            ("{age}", "2 h"),
            ("", ""),
            ("{{spend}} }}{{ \u{1b}[32mé{{{entries}}}", "{spend} }{ \u{1b}[32mé{6}"),
        ] {
            assert_eq!(template.parse::<Template>().unwrap().line(&standing), expect, "{template}");
        }
    }

    /// Currencies stand in the order of their names, which says nothing of what they are worth.
    #[test]
    fn the_top_model_is_the_dearest_at_the_stated_rates() {
        for (sums, expect) in [
            (&[("claude", "USD", "-100"), ("qwen", "DIEM", "-0.01")][..], "claude"),
            // A VCU is taken for a tenth of a USD.
            (&[("claude", "USD", "-2"), ("qwen", "VCU", "-19")], "claude"),
            (&[("claude", "USD", "-2"), ("qwen", "VCU", "-21")], "qwen"),
            (
                &[("claude", "USD", "-2"), ("qwen", "DIEM", "-3"), ("claude", "BUNDLED_CREDITS", "-2")],
                "claude",
            ),
            (&[("claude", "USD", "-0.01"), ("qwen", "GOLD", "-1000")], "claude"),
            (&[("claude", "GOLD", "-1"), ("qwen", "GOLD", "-2"), ("mistral", "USD", "5")], "qwen"),
            (&[("mistral", "USD", "5")], "-"),
            (&[], "-"),
        ] {
            let standing = standing(sums, None, "0");
            assert_eq!("{top_model}".parse::<Template>().unwrap().line(&standing), expect, "{sums:?}");
        }
    }

    #[test]
    fn what_is_no_template_says_why() {
        for (template, expect) in [
            ("{", "a `{` stands alone; write `{{` for the character"),
            ("a } b", "a `}` stands alone; write `}}` for the character"),
            ("{spend", "a `{` stands alone; write `{{` for the character"),
            (
                "{}",
                "`{}` is no placeholder; give {spend}, {spend.USD}, {burn}, {burn.USD}, {diem_used}, {diem_left}, \
                 {diem_allocation}, {reset}, {entries}, {tokens}, {top_model}, {top_model.USD}, {age}",
            ),
        ] {
            assert_eq!(template.parse::<Template>().unwrap_err().to_string(), expect);
        }
        for template in ["{spend.}", "{entries.USD}", "{Spend}", "{ spend }", "{a\u{1b}b}"] {
            let error = template.parse::<Template>().unwrap_err().to_string();
            assert!(error.contains("is no placeholder") && !error.contains('\u{1b}'), "{error}");
        }
    }

    #[test]
    fn a_model_from_elsewhere_steers_nothing() {
        let standing = standing(&[("a\u{1b}[2J\nb\u{202e}", "C\u{7}", "-1")], None, "0");
        let line = "{top_model} {spend}".parse::<Template>().unwrap().line(&standing);
        assert_eq!(line, "a [2J b 1.00 C ");
    }
}
