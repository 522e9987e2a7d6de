//! `GET /billing/balance`: what is left to spend.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::currency::Currency;
use crate::decimal::Decimal;
use crate::decode_error::DecodeError;
use crate::json_object::JsonObject;
use crate::object::{object, read_object};
use crate::other_amount::{OtherAmount, once};
use crate::total::Total;

/// The answer of `GET /billing/balance`.
///
/// ```
/// use billing_model::{Balance, Currency};
/// let body = r#"{"canConsume":true,"consumptionCurrency":"DIEM","balances":{"diem":12.5,"usd":3e-1},
///   "diemEpochAllocation":100}"#;
/// let balance = Balance::from_json(body)?;
/// assert_eq!(balance.consumption_currency, Some(Currency::Diem));
/// assert_eq!(balance.balances.usd.unwrap().to_string(), "0.3");
/// # Ok::<(), billing_model::DecodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// Whether a request would be served.
    pub can_consume: bool,
    /// What the next request is charged in; `None` when none would be served.
    #[serde(default, deserialize_with = "optional_currency")]
    pub consumption_currency: Option<Currency>,
    /// What is left of each currency.
    #[serde(deserialize_with = "object")]
    pub balances: Balances,
    /// The DIEM that the account gets each UTC day.
    pub diem_epoch_allocation: Total,
}

/// What is left of each currency. USD and the credits are `None` when nothing is left or something is owed: a balance
/// does not tell debts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balances {
    /// DIEM of this UTC day, zero and less too; `None` for an account that gets none.
    pub diem: Option<Total>,
    /// USD.
    pub usd: Option<Total>,
    /// Bundled credits, in USD; also `None` where the service does not say.
    pub bundled_credits: Option<Total>,
    /// Earned credits, in USD; also `None` where the service does not say.
    pub earned_credits: Option<Total>,
    /// Whatever else the service lists, such as currencies that came later, in its order.
    pub others: Vec<OtherAmount>,
}

/// What a balance is made of: sums of a ledger, signed as in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BalanceParts {
    /// The DIEM that the account gets each UTC day; `None` when it gets none.
    pub diem_allocation: Option<Decimal>,
    /// The sum of the DIEM entries of the current UTC day: an allowance does not roll over. Negative for charges.
    pub diem_today: Total,
    /// The sum of all USD entries.
    pub usd: Total,
    /// The sum of all entries in bundled credits.
    pub bundled_credits: Total,
    /// The sum of all entries in earned credits.
    pub earned_credits: Total,
}

impl Balance {
    /// What a request needs: this much USD in all, with a DIEM counted as one.
    const LEAST_IN_ALL: &str = "0.1";

    /// The balance that a ledger gives.
    ///
    /// A request would be served while all currencies together have 0.10 USD left. What is owed in one of them is not
    /// subtracted. The request is charged in the first of these that has something left: DIEM, earned credits, bundled
    /// credits, USD. That is the order in which upstream spends.
    ///
    /// ```
    /// use billing_model::{Balance, BalanceParts, Currency};
    /// let parts = BalanceParts {
    ///     diem_allocation: Some("10".parse()?),
    ///     diem_today: "-10".parse()?,
    ///     usd: "5.25".parse()?,
    ///     ..BalanceParts::default()
    /// };
    /// let balance = Balance::of(&parts);
    /// assert_eq!((balance.can_consume, balance.consumption_currency), (true, Some(Currency::Usd)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(parts: &BalanceParts) -> Self {
        let diem = parts.diem_allocation.map(|allocation| {
            let mut left = Total::from(allocation);
            left.merge(&parts.diem_today);
            left
        });
        let has_some = |left: &Total| left.is_positive();
        let usd = Some(parts.usd.clone()).filter(has_some);
        let bundled_credits = Some(parts.bundled_credits.clone()).filter(has_some);
        let earned_credits = Some(parts.earned_credits.clone()).filter(has_some);
        let left_in_order_of_spending = [
            (Currency::Diem, diem.as_ref().filter(|left| has_some(left))),
            (Currency::EarnedCredits, earned_credits.as_ref()),
            (Currency::BundledCredits, bundled_credits.as_ref()),
            (Currency::Usd, usd.as_ref()),
        ];
        let mut in_all = Total::default();
        left_in_order_of_spending.iter().filter_map(|(_, left)| *left).for_each(|left| in_all.merge(left));
        let can_consume = Self::LEAST_IN_ALL.parse().is_ok_and(|least: Total| in_all >= least);
        let pays = left_in_order_of_spending.into_iter().find(|(_, left)| left.is_some());
        Self {
            can_consume,
            consumption_currency: pays.map(|(currency, _)| currency).filter(|_| can_consume),
            balances: Balances { diem, usd, bundled_credits, earned_credits, others: Vec::new() },
            diem_epoch_allocation: parts.diem_allocation.map(Total::from).unwrap_or_default(),
        }
    }

    /// Reads the JSON that `GET /billing/balance` answers. Unknown fields are ignored, but for those among what is left.
    ///
    /// # Errors
    /// [`DecodeError`] when the text is not such an answer, or holds a number that cannot be kept exactly.
    pub fn from_json(text: &str) -> Result<Self, DecodeError> {
        read_object(text).map_err(|cause| DecodeError::json(cause, text).of("a balance"))
    }

    /// Appends the balance as JSON, without a line break. Numbers are in plain form, all their digits and no more.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut object = JsonObject::open(out);
        object.value("canConsume").extend_from_slice(if self.can_consume { b"true" } else { b"false" });
        object.optional_text("consumptionCurrency", self.consumption_currency.as_ref().map(Currency::as_str));
        self.balances.write_json(object.value("balances"));
        object.total("diemEpochAllocation", &self.diem_epoch_allocation);
        object.close();
    }
}

impl Balances {
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut object = JsonObject::open(out);
        object.optional_total("diem", self.diem.as_ref());
        object.optional_total("usd", self.usd.as_ref());
        object.optional_total("bundledCredits", self.bundled_credits.as_ref());
        object.optional_total("earnedCredits", self.earned_credits.as_ref());
        for other in &self.others {
            if let Some(amount) = &other.amount {
                object.total(&other.name, amount);
            }
        }
        object.close();
    }
}

impl<'de> Deserialize<'de> for Balances {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BalancesVisitor)
    }
}

/// Derived code would take what it does not know for text that it may change, digits of numbers too.
struct BalancesVisitor;

impl<'de> Visitor<'de> for BalancesVisitor {
    type Value = Balances;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of what is left by currency")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Balances, A::Error> {
        let (mut diem, mut usd, mut bundled_credits, mut earned_credits) = (None, None, None, None);
        let mut others = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "diem" => once(&mut diem, "diem", map.next_value()?)?,
                "usd" => once(&mut usd, "usd", map.next_value()?)?,
                "bundledCredits" => once(&mut bundled_credits, "bundledCredits", map.next_value()?)?,
                "earnedCredits" => once(&mut earned_credits, "earnedCredits", map.next_value()?)?,
                _ => OtherAmount::keep(&mut others, name, &map.next_value::<Box<RawValue>>()?),
            }
        }
        Ok(Balances {
            diem: diem.flatten(),
            usd: usd.flatten(),
            bundled_credits: bundled_credits.flatten(),
            earned_credits: earned_credits.flatten(),
            others,
        })
    }
}

fn optional_currency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Currency>, D::Error> {
    Ok(Option::<Cow<'de, str>>::deserialize(deserializer)?.map(|name| Currency::from(&*name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal_text::parse_decimal;

    fn written(balance: &Balance) -> String {
        let mut out = Vec::new();
        balance.write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// `parts` are the allocation, then what is in the ledger of DIEM, earned credits, bundled credits and USD.
    fn check(parts: [&str; 5], expect: &str) {
        let total = |text: &str| text.parse::<Total>().unwrap();
        let [allocation, diem_today, earned, bundled, usd] = parts;
        let balance = Balance::of(&BalanceParts {
            diem_allocation: (!allocation.is_empty()).then(|| parse_decimal(allocation).unwrap()),
            diem_today: total(diem_today),
            usd: total(usd),
            bundled_credits: total(bundled),
            earned_credits: total(earned),
        });
        assert_eq!(written(&balance), expect, "{parts:?}");
        assert_eq!(Balance::from_json(expect).unwrap(), balance);
    }

    #[test]
    fn the_first_currency_with_something_left_is_spent() {
        check(
            ["10", "-9.9999999999999999999999999999", "1", "1", "1"],
            r#"{"canConsume":true,"consumptionCurrency":"DIEM","balances":{"diem":0.0000000000000000000000000001,"usd":1,"bundledCredits":1,"earnedCredits":1},"diemEpochAllocation":10}"#,
        );
        check(
            ["10", "-10", "0.5", "1", "1"],
            r#"{"canConsume":true,"consumptionCurrency":"EARNED_CREDITS","balances":{"diem":0,"usd":1,"bundledCredits":1,"earnedCredits":0.5},"diemEpochAllocation":10}"#,
        );
        check(
            ["0", "-0.25", "0", "1", "1"],
            r#"{"canConsume":true,"consumptionCurrency":"BUNDLED_CREDITS","balances":{"diem":-0.25,"usd":1,"bundledCredits":1,"earnedCredits":null},"diemEpochAllocation":0}"#,
        );
        check(
            ["", "5", "-1", "0", "0.1"],
            r#"{"canConsume":true,"consumptionCurrency":"USD","balances":{"diem":null,"usd":0.1,"bundledCredits":null,"earnedCredits":null},"diemEpochAllocation":0}"#,
        );
        check(
            ["", "0", "0", "0", "-0.01"],
            r#"{"canConsume":false,"consumptionCurrency":null,"balances":{"diem":null,"usd":null,"bundledCredits":null,"earnedCredits":null},"diemEpochAllocation":0}"#,
        );
    }

    #[test]
    fn ten_cents_in_all_are_enough() {
        check(
            ["", "0", "0", "0", "0.0999999999999999999999999999"],
            r#"{"canConsume":false,"consumptionCurrency":null,"balances":{"diem":null,"usd":0.0999999999999999999999999999,"bundledCredits":null,"earnedCredits":null},"diemEpochAllocation":0}"#,
        );
        // A little of everything. A debt in one currency takes nothing from the others.
        check(
            ["0.025", "0", "0.025", "0.025", "0.025"],
            r#"{"canConsume":true,"consumptionCurrency":"DIEM","balances":{"diem":0.025,"usd":0.025,"bundledCredits":0.025,"earnedCredits":0.025},"diemEpochAllocation":0.025}"#,
        );
        check(
            ["1", "-5", "-5", "0.1", "-5"],
            r#"{"canConsume":true,"consumptionCurrency":"BUNDLED_CREDITS","balances":{"diem":-4,"usd":null,"bundledCredits":0.1,"earnedCredits":null},"diemEpochAllocation":1}"#,
        );
    }

    #[test]
    fn what_an_older_service_does_not_say_is_nothing() {
        let text = r#"{"canConsume":false,"consumptionCurrency":"VCU","balances":{"diem":null,"usd":null},"diemEpochAllocation":0}"#;
        let balance = Balance::from_json(text).unwrap();
        assert_eq!(balance.consumption_currency, Some(Currency::Vcu));
        assert_eq!(balance.balances, Balances::default());
        let with_credits =
            text.replace(r#""usd":null"#, r#""usd":null,"bundledCredits":null,"earnedCredits":null"#);
        assert_eq!(written(&balance), with_credits);
    }

    /// Their digits too, which binary floating point would not keep.
    #[test]
    fn currencies_of_a_later_service_are_kept() {
        let text = r#"{"canConsume":true,"consumptionCurrency":"VCU","balances":{"diem":null,"vcu":0.10000000000000000000000001,"usd":1,"promoCredits":"2.50","gold":null,"more":{"a":1},"huge":1e999999,"zero":0},"diemEpochAllocation":0}"#;
        let balance = Balance::from_json(text).unwrap();
        let others: Vec<_> = balance
            .balances
            .others
            .iter()
            .map(|other| {
                let amount = other.amount.as_ref().map(ToString::to_string);
                (other.name.as_str(), amount.unwrap_or_default(), other.is_something())
            })
            .collect();
        let kept = |name, amount: &str, is_something| (name, amount.to_owned(), is_something);
        assert_eq!(
            others,
            [
                kept("vcu", "0.10000000000000000000000001", true),
                kept("promoCredits", "2.5", true),
                kept("more", "", true),
                kept("huge", "", true),
                kept("zero", "0", false),
            ]
        );
        let read_again = Balance::from_json(&written(&balance)).unwrap().balances.others;
        assert_eq!(read_again.len(), 3, "what is no number is not written: {read_again:?}");
        let twice = text.replace("\"usd\":1", "\"usd\":1,\"usd\":2");
        assert!(Balance::from_json(&twice).is_err());
    }

    #[test]
    fn a_later_service_is_read_and_a_wrong_one_refused() {
        let text = r#"{"later":{},"canConsume":true,"consumptionCurrency":"N\u0045W","balances":{"diem":"1.50","gold":{}},"diemEpochAllocation":1E2}"#;
        let balance = Balance::from_json(text).unwrap();
        assert_eq!(balance.consumption_currency, Some(Currency::from("NEW")));
        assert_eq!(balance.diem_epoch_allocation.to_string(), "100");
        for wrong in ["{}", "[]", "<html>", &text.replace("1E2", "null"), &text.replace("1.50", "1,50")] {
            let error = Balance::from_json(wrong).unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), error.is_cut_off()),
                ("the body is not a balance", false)
            );
        }
        assert!(Balance::from_json(&text[..60]).unwrap_err().is_cut_off());
    }
}
