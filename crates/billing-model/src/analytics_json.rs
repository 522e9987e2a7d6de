//! Usage analytics to JSON and from JSON.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::analytics::{Analytics, DaySeries, DaySpend, KeySpend, ModelSpend, SpendPart};
use crate::day::Day;
use crate::decode_error::DecodeError;
use crate::json_object::JsonObject;
use crate::json_text::write_string;
use crate::object::read_object;
use crate::other_amount::{OtherAmount, once};
use crate::total::Total;

/// The key of a daily row that is not a name.
const DATE: &str = DaySeries::DATE;

/// The currencies of a day.
const USD: &str = "USD";
const DIEM: &str = "DIEM";

impl Analytics {
    /// Reads the JSON that `GET /billing/usage-analytics` answers. Unknown fields are ignored, but for those of a day.
    ///
    /// # Errors
    /// [`DecodeError`] when the text is not such an answer, or holds a number that cannot be kept exactly.
    pub fn from_json(text: &str) -> Result<Self, DecodeError> {
        read_object(text).map_err(|cause| DecodeError::json(cause, text).of("an answer of usage analytics"))
    }

    /// Appends the answer as JSON, without a line break. Numbers are in plain form, all their digits and no more.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let name = |name: &String, out: &mut Vec<u8>| write_string(out, name);
        let mut object = JsonObject::open(out);
        object.text("lookback", &self.lookback);
        object.array("byDate", &self.by_date, DaySpend::write_json);
        object.array("byModel", &self.by_model, ModelSpend::write_json);
        object.array("byModelDaily", &self.by_model_daily, DaySeries::write_json);
        object.array("topModels", &self.top_models, name);
        object.array("byKey", &self.by_key, KeySpend::write_json);
        object.array("byKeyDaily", &self.by_key_daily, DaySeries::write_json);
        object.array("topKeyNames", &self.top_key_names, name);
        object.close();
    }
}

impl DaySpend {
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut object = JsonObject::open(out);
        object.text(DATE, &self.date.to_string());
        object.total(USD, &self.usd);
        object.total(DIEM, &self.diem);
        for other in &self.others {
            if let Some(amount) = &other.amount {
                object.total(&other.name, amount);
            }
        }
        object.close();
    }
}

impl ModelSpend {
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut object = JsonObject::open(out);
        object.text("modelName", &self.model_name);
        object.text("unitType", &self.unit_type);
        object.optional_text("modelType", self.model_type.as_deref());
        object.total("totalUsd", &self.total_usd);
        object.total("totalDiem", &self.total_diem);
        object.total("totalUnits", &self.total_units);
        if !self.breakdown.is_empty() {
            object.array("breakdown", &self.breakdown, SpendPart::write_json);
        }
        object.close();
    }
}

impl SpendPart {
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut object = JsonObject::open(out);
        object.text("type", &self.kind);
        object.total("usd", &self.usd);
        object.total("diem", &self.diem);
        object.total("units", &self.units);
        object.close();
    }
}

impl KeySpend {
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut object = JsonObject::open(out);
        object.optional_text("apiKeyId", self.api_key_id.as_deref());
        object.text("description", &self.description);
        object.total("totalUsd", &self.total_usd);
        object.total("totalDiem", &self.total_diem);
        object.total("totalUnits", &self.total_units);
        object.close();
    }
}

impl DaySeries {
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut object = JsonObject::open(out);
        object.value(DATE).extend_from_slice(self.date_unix_ms.to_string().as_bytes());
        for (name, spend) in &self.spend {
            object.total(name, spend);
        }
        object.close();
    }
}

impl<'de> Deserialize<'de> for DaySeries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DaySeriesVisitor)
    }
}

struct DaySeriesVisitor;

impl<'de> Visitor<'de> for DaySeriesVisitor {
    type Value = DaySeries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of a date and the spend by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DaySeries, A::Error> {
        let mut date_unix_ms = None;
        let mut spend: Vec<(String, Total)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if key != DATE {
                let total: Option<Total> = map.next_value()?;
                spend.push((key, total.unwrap_or_default()));
            } else if date_unix_ms.replace(map.next_value()?).is_some() {
                return Err(de::Error::duplicate_field(DATE));
            }
        }
        let date_unix_ms = date_unix_ms.ok_or_else(|| de::Error::missing_field(DATE))?;
        Ok(DaySeries { date_unix_ms, spend })
    }
}

impl<'de> Deserialize<'de> for DaySpend {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DaySpendVisitor)
    }
}

struct DaySpendVisitor;

impl<'de> Visitor<'de> for DaySpendVisitor {
    type Value = DaySpend;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of a date and the spend by currency")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DaySpend, A::Error> {
        let (mut date, mut usd, mut diem, mut others) = (None, None, None, Vec::new());
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                DATE => once(&mut date, DATE, map.next_value::<String>()?)?,
                USD => once(&mut usd, USD, map.next_value::<Option<Total>>()?.unwrap_or_default())?,
                DIEM => once(&mut diem, DIEM, map.next_value::<Option<Total>>()?.unwrap_or_default())?,
                _ => OtherAmount::keep(&mut others, name, &map.next_value::<Box<RawValue>>()?),
            }
        }
        let date = date.ok_or_else(|| de::Error::missing_field(DATE))?;
        Ok(DaySpend {
            date: date.parse::<Day>().map_err(de::Error::custom)?,
            usd: usd.ok_or_else(|| de::Error::missing_field(USD))?,
            diem: diem.ok_or_else(|| de::Error::missing_field(DIEM))?,
            others,
        })
    }
}

/// What null stands for: a list without anything, a name that there is none of, or nothing spent.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const BODY: &str = r#"{"lookback":"2d","byDate":[{"date":"2026-06-13","USD":0,"DIEM":0},{"date":"2026-06-14","USD":1.5,"DIEM":0.0000008}],"byModel":[{"modelName":"glm","unitType":"tokens","modelType":"LLM","totalUsd":1.5,"totalDiem":0.0000008,"totalUnits":3,"breakdown":[{"type":"Cache Read","usd":1.5,"diem":0.0000008,"units":3}]},{"modelName":"a\"b","unitType":"units","modelType":null,"totalUsd":0,"totalDiem":0,"totalUnits":1}],"byModelDaily":[{"date":1781308800000},{"date":1781395200000,"glm":1.5000008,"a\"b":0}],"topModels":["glm","a\"b"],"byKey":[{"apiKeyId":null,"description":"Web App","totalUsd":1.5,"totalDiem":0,"totalUnits":1},{"apiKeyId":"k1","description":"é","totalUsd":0,"totalDiem":0.0000008,"totalUnits":3}],"byKeyDaily":[],"topKeyNames":["Web App","é"]}"#;

    fn written(analytics: &Analytics) -> String {
        let mut out = Vec::new();
        analytics.write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_answer_is_written_as_it_was_read() {
        let analytics = Analytics::from_json(BODY).unwrap();
        assert_eq!(written(&analytics), BODY);
        assert_eq!(analytics.by_date[1].date.start_unix_ms(), analytics.by_model_daily[1].date_unix_ms);
    }

    #[test]
    fn other_forms_are_read_as_the_same() {
        let same = |from: &str, to: &str| {
            assert!(BODY.contains(from), "{from}");
            let read = Analytics::from_json(&BODY.replace(from, to)).unwrap();
            assert_eq!(written(&read), BODY, "{to}");
        };
        same("0.0000008", "8e-7");
        same("0.0000008", "\"8.0E-07\"");
        same("\"totalUnits\":1}", "\"totalUnits\":1,\"breakdown\":null}");
        same("\"totalUnits\":1}", "\"totalUnits\":1.0,\"breakdown\":[]}");
        same("{\"lookback\"", "{\"later\":{\"x\":[1e400]},\"lookback\"");
        same("\"USD\":0,", "\"USD\":0,\"EUR\":null,");
        same("\"modelType\":null,", "");
        same("2026-06-13", "2026\\u002d06-13");
    }

    /// `null` is what a service writes that has nothing to say, and some leave the member out.
    #[test]
    fn what_a_service_has_no_word_for_is_nothing() {
        let check = |from: &str, to: &str, expect: &str| {
            assert!(BODY.contains(from), "{from}");
            let read = Analytics::from_json(&BODY.replace(from, to)).unwrap();
            assert_eq!(written(&read), BODY.replace(from, expect), "{to}");
        };
        for (name, list) in [
            ("byModelDaily", r#"[{"date":1781308800000},{"date":1781395200000,"glm":1.5000008,"a\"b":0}]"#),
            ("topModels", r#"["glm","a\"b"]"#),
            ("byKeyDaily", "[]"),
        ] {
            let (whole, none) = (format!("\"{name}\":{list},"), format!("\"{name}\":[],"));
            check(&whole, "", &none);
            check(&whole, &format!("\"{name}\":null,"), &none);
        }
        check(r#","topKeyNames":["Web App","é"]"#, "", r#","topKeyNames":[]"#);
        check(r#""topKeyNames":["Web App","é"]"#, r#""topKeyNames":null"#, r#""topKeyNames":[]"#);
        check("\"description\":\"Web App\"", "\"description\":null", "\"description\":\"\"");
        for number in ["USD", "DIEM", "totalUsd", "totalDiem", "totalUnits", "usd", "diem", "units", "glm"] {
            let start = BODY.find(&format!("\"{number}\":")).unwrap();
            let end = start + BODY[start..].find([',', '}']).unwrap();
            let with = |value| format!("{}\"{number}\":{value}{}", &BODY[..start], &BODY[end..]);
            assert_eq!(written(&Analytics::from_json(&with("null")).unwrap()), with("0"));
        }
    }

    #[test]
    fn what_else_is_said_of_a_day_is_kept() {
        let more = r#""USD":0,"EUR":5.000000000000000000000001,"GBP":"0","note":"fair","CHF":null,"#;
        let analytics = Analytics::from_json(&BODY.replace("\"USD\":0,", more)).unwrap();
        let others = &analytics.by_date[0].others;
        let amounts: Vec<_> = others.iter().map(|other| (other.name.as_str(), &other.amount)).collect();
        let (five, zero) = ("5.000000000000000000000001".parse().unwrap(), Total::default());
        assert_eq!(amounts, [("EUR", &Some(five)), ("GBP", &Some(zero)), ("note", &None)]);
        let something: Vec<_> = others.iter().map(OtherAmount::is_something).collect();
        assert_eq!(something, [true, false, true]);
        assert!(analytics.by_date[1].others.is_empty());
        let mut numbers = analytics;
        numbers.by_date[0].others.pop();
        assert_eq!(Analytics::from_json(&written(&numbers)).unwrap(), numbers);
        assert!(Analytics::from_json(&BODY.replace("\"USD\":0,", "\"USD\":0,\"USD\":0,")).is_err());
    }

    #[test]
    fn what_is_no_answer_says_where() {
        for (from, to, cause) in [
            ("0.0000008", "1e-351", "`1e-351` does not fit"),
            ("\"USD\":0,", "", "missing field `USD`"),
            ("\"USD\":0,", "\"USD\":\"null\",", "`null` is not a decimal number"),
            ("\"USD\":0,", "\"USD\":[],", "`[]` is not a decimal number"),
            ("2026-06-13", "13 June", "`13 June` is not a date"),
            ("{\"date\":1781308800000}", "{\"glm\":1}", "missing field `date`"),
            ("{\"date\":1781308800000}", "{\"date\":1,\"date\":1}", "duplicate field `date`"),
            ("\"a\\\"b\":0}", "\"a\\\"b\":\"x\"}", "`x` is not a decimal number"),
            ("\"byKey\":", "\"keys\":", "missing field `byKey`"),
            ("\"byKeyDaily\":[]", "\"byKeyDaily\":{}", "invalid type: map, expected a sequence"),
        ] {
            assert!(BODY.contains(from), "{from}");
            let error = Analytics::from_json(&BODY.replace(from, to)).unwrap_err();
            assert_eq!(error.to_string(), "the body is not an answer of usage analytics");
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains(cause) && source.contains("line 1 column"), "{source}");
        }
        for cut in [1, BODY.find("1.5").unwrap() + 1, BODY.len() - 1] {
            assert!(Analytics::from_json(&BODY[..cut]).unwrap_err().is_cut_off(), "{cut}");
        }
    }

    fn total() -> impl Strategy<Value = Total> {
        prop_oneof![
            Just(Total::default()),
            "-?[0-9]{1,28}(\\.[0-9]{1,28})?".prop_map(|text| text.parse().unwrap()),
        ]
    }

    fn dates() -> impl Strategy<Value = Vec<DaySpend>> {
        let row = (Day::FIRST.0..=Day::LAST.0, total(), total());
        vec(row.prop_map(|(day, usd, diem)| DaySpend { date: Day(day), usd, diem, others: Vec::new() }), 0..4)
    }

    fn models() -> impl Strategy<Value = Vec<ModelSpend>> {
        let kind = ("\\PC{0,9}", total(), total(), total());
        let kind = kind.prop_map(|(kind, usd, diem, units)| SpendPart { kind, usd, diem, units });
        let row = (any::<String>(), any::<String>(), any::<Option<String>>(), [total(), total(), total()]);
        let row =
            (row, vec(kind, 0..4)).prop_map(|((model_name, unit_type, model_type, totals), breakdown)| {
                let [total_usd, total_diem, total_units] = totals;
                ModelSpend {
                    model_name,
                    unit_type,
                    model_type,
                    total_usd,
                    total_diem,
                    total_units,
                    breakdown,
                }
            });
        vec(row, 0..4)
    }

    fn keys() -> impl Strategy<Value = Vec<KeySpend>> {
        let row = (any::<Option<String>>(), any::<String>(), [total(), total(), total()]);
        let row = row.prop_map(|(api_key_id, description, [total_usd, total_diem, total_units])| KeySpend {
            api_key_id,
            description,
            total_usd,
            total_diem,
            total_units,
        });
        vec(row, 0..4)
    }

    fn daily() -> impl Strategy<Value = Vec<DaySeries>> {
        let name = any::<String>().prop_filter("a name that is none", |name| name != DATE);
        let row = (any::<i64>(), vec((name, total()), 0..4));
        vec(row.prop_map(|(date_unix_ms, spend)| DaySeries { date_unix_ms, spend }), 0..4)
    }

    proptest! {
        #[test]
        fn an_answer_survives_its_json(
            lookback: String, by_date in dates(), by_model in models(), by_model_daily in daily(),
            top_models: Vec<String>, by_key in keys(), by_key_daily in daily(),
        ) {
            let top_key_names = top_models.iter().rev().cloned().collect();
            let analytics = Analytics {
                lookback, by_date, by_model, by_model_daily, top_models, by_key, by_key_daily, top_key_names,
            };
            prop_assert_eq!(Analytics::from_json(&written(&analytics)).unwrap(), analytics);
        }
    }
}
