//! Proof that usage analytics add up: random charges, summed again by another implementation in the plainest way.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use bigdecimal::BigDecimal;
use billing_model::{Analytics, AnalyticsQuery, Currency, Day, DaySeries, Sku, Total, UsageKind};
use proptest::prelude::*;

use crate::analytics_builder::AnalyticsBuilder;

const NOW: &str = "2026-06-14T10:00:00Z";
const DAYS: u32 = 5;

const SKUS: [&str; 16] = [
    "a-llm-input-mtoken",
    "a-llm-output-mtoken",
    "a-api-llm-cache-input-mtoken",
    "a-image-unit",
    "a",
    "text-embedding-b-llm-input-mtoken",
    "c-image-unit",
    "c-edit-fixed-1img",
    "d-fixed",
    "e-text-to-video-resolution-720p",
    "f-llm-input-mtoken",
    "g-llm-input-mtoken",
    "search-augmentation",
    "date",
    "Other",
    "sku-of-2030",
];

const KEYS: [&str; 12] = ["", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "date", "Other"];

#[derive(Clone, Debug)]
struct Charge {
    day: Day,
    sku: &'static str,
    currency: Currency,
    key: Option<&'static str>,
    spend: Total,
    units: Total,
}

fn any_charge() -> impl Strategy<Value = Charge> {
    let today = Day::of(NOW.parse().unwrap()).unwrap().0;
    let currency = prop::sample::select(vec![
        "USD",
        "USD",
        "DIEM",
        "DIEM",
        "BUNDLED_CREDITS",
        "EARNED_CREDITS",
        "VCU",
        "GOLD",
    ]);
    let number = || "0|[0-9]{1,9}(\\.[0-9]{1,28})?".prop_map(|text| text.parse::<Total>().unwrap());
    let day = (today - i64::from(DAYS) - 1)..(today + 2);
    let named = (prop::sample::select(&SKUS[..]), currency, prop::sample::select(&KEYS[..]));
    (day, named, number(), number()).prop_map(|(day, (sku, currency, key), spend, units)| Charge {
        day: Day(day),
        sku,
        currency: currency.into(),
        key: (!key.is_empty()).then_some(key),
        spend,
        units,
    })
}

fn answer<'a>(query: &AnalyticsQuery, charges: impl Iterator<Item = &'a Charge>) -> Analytics {
    let mut builder = AnalyticsBuilder::new(query, NOW.parse().unwrap());
    for Charge { day, sku, currency, key, spend, units } in charges {
        builder.add(*day, sku, currency, *key, spend.clone(), units.clone());
    }
    builder.finish(|id| id.starts_with('k').then(|| format!("key {}", id.len())))
}

fn big(total: &Total) -> BigDecimal {
    BigDecimal::from_str(&total.to_string()).unwrap()
}

/// USD, DIEM and units.
type Columns = [BigDecimal; 3];

fn columns<'a>(charges: impl Iterator<Item = &'a Charge>) -> Columns {
    let mut sums = Columns::default();
    for charge in charges {
        let column = usize::from(charge.currency == Currency::Diem);
        sums[column] += big(&charge.spend);
        sums[2] += big(&charge.units);
    }
    sums
}

fn added<'a>(rows: impl Iterator<Item = [&'a Total; 3]>) -> Columns {
    let mut sums = Columns::default();
    for row in rows {
        for (sum, total) in sums.iter_mut().zip(row) {
            *sum += big(total);
        }
    }
    sums
}

fn is_descending<'a>(spend: impl Iterator<Item = (&'a Total, &'a Total)>) -> bool {
    spend.map(|(usd, diem)| big(usd) + big(diem)).is_sorted_by(|more, less| more >= less)
}

/// Rows of the right days and names, whose numbers add up to what a day's charges do where a rest is shown, and to
/// what the greatest of `by_name` do where none is.
fn check_daily(
    rows: &[DaySeries],
    names: &[String],
    charges: &[&Charge],
    name_of: fn(&Charge) -> String,
    top_n: Option<u32>,
) {
    assert!(rows.iter().all(|row| row.spend.iter().map(|(name, _)| name).eq(names)));
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    assert!(!names.iter().any(|name| name == "date"));
    let mut by_name = BTreeMap::<String, BTreeMap<i64, BigDecimal>>::new();
    for charge in charges {
        let days = by_name.entry(name_of(charge)).or_default();
        *days.entry(charge.day.start_unix_ms()).or_default() += big(&charge.spend);
    }
    let mut ranked: Vec<_> = by_name.into_values().collect();
    ranked.sort_by_key(|days| -days.values().sum::<BigDecimal>());

    let top = top_n.map_or(8, |top_n| top_n as usize);
    let has_rest = top_n.is_some() && ranked.len() > top;
    assert_eq!(names.len(), ranked.len().min(top) + usize::from(has_rest));
    assert_eq!(names.last().is_some_and(|name| name == "Other"), has_rest);
    let of_column = |place: usize| rows.iter().map(|row| big(&row.spend[place].1)).sum::<BigDecimal>();
    for (place, days) in ranked.iter().take(top).enumerate() {
        assert_eq!(of_column(place), days.values().sum::<BigDecimal>(), "{}", names[place]);
    }
    for row in rows.iter().filter(|_| top_n.is_some() || ranked.len() <= top) {
        let shown: BigDecimal = row.spend.iter().map(|(_, spend)| big(spend)).sum();
        let charged: BigDecimal = ranked.iter().filter_map(|days| days.get(&row.date_unix_ms)).sum();
        assert_eq!(shown, charged);
    }
}

proptest! {
    #[test]
    fn every_view_adds_up_to_the_charges(
        charges in prop::collection::vec(any_charge(), 0..60), top_n in prop::option::of(1u32..13),
    ) {
        let query = AnalyticsQuery::builder().lookback(DAYS).top_n(top_n).build().unwrap();
        let days = query.days(NOW.parse().unwrap());
        let analytics = answer(&query, charges.iter());
        prop_assert_eq!(&answer(&query, charges.iter().rev()), &analytics, "the order of charges is of no matter");

        let counts = |charge: &&Charge| {
            ["USD", "BUNDLED_CREDITS", "DIEM"].contains(&charge.currency.as_str())
                && days.first <= charge.day && charge.day <= days.last
        };
        let counted: Vec<&Charge> = charges.iter().filter(counts).collect();
        let of = |counts: &dyn Fn(&Charge) -> bool| columns(counted.iter().copied().filter(|charge| counts(charge)));
        let all = of(&|_| true);

        prop_assert!(analytics.by_date.iter().map(|row| row.date).eq(days.iter()));
        for row in &analytics.by_date {
            let [usd, diem, _] = of(&|charge| charge.day == row.date);
            prop_assert_eq!([big(&row.usd), big(&row.diem)], [usd, diem]);
        }
        for row in &analytics.by_model {
            let ours = [&row.total_usd, &row.total_diem, &row.total_units];
            let in_row = |charge: &Charge| {
                let sku = Sku::parse(charge.sku);
                sku.model().unwrap_or(charge.sku) == row.model_name
                    && sku.unit_type().label() == row.unit_type
                    && sku.model_type().label() == row.model_type.as_deref()
            };
            prop_assert_eq!(ours.map(big), of(&in_row));
            let kinds: BTreeSet<_> = counted
                .iter()
                .filter(|charge| in_row(charge))
                .filter_map(|charge| Sku::parse(charge.sku).kind())
                .collect();
            let named: Vec<_> = row.breakdown.iter().map(|part| part.kind.as_str()).collect();
            if kinds.len() > 1 {
                prop_assert!(named.into_iter().eq(kinds.into_iter().map(UsageKind::label)));
                let parts = row.breakdown.iter().map(|part| [&part.usd, &part.diem, &part.units]);
                prop_assert_eq!(added(parts), ours.map(big));
            } else {
                prop_assert!(named.is_empty(), "one kind is no breakdown: {:?}", named);
            }
        }
        for row in &analytics.by_key {
            let ours = [&row.total_usd, &row.total_diem, &row.total_units].map(big);
            prop_assert_eq!(ours, of(&|charge| charge.key == row.api_key_id.as_deref()));
        }
        let models = analytics.by_model.iter().map(|row| [&row.total_usd, &row.total_diem, &row.total_units]);
        prop_assert_eq!(&added(models), &all, "a charge is of one model");
        let keys = analytics.by_key.iter().map(|row| [&row.total_usd, &row.total_diem, &row.total_units]);
        prop_assert_eq!(&added(keys), &all, "a charge is of one key, or of none");
        prop_assert!(is_descending(analytics.by_model.iter().map(|row| (&row.total_usd, &row.total_diem))));
        prop_assert!(is_descending(analytics.by_key.iter().map(|row| (&row.total_usd, &row.total_diem))));

        for rows in [&analytics.by_model_daily, &analytics.by_key_daily] {
            prop_assert!(rows.iter().map(|row| row.date_unix_ms).eq(days.iter().map(Day::start_unix_ms)));
        }
        let model = |charge: &Charge| Sku::parse(charge.sku).model().unwrap_or(charge.sku).to_owned();
        check_daily(&analytics.by_model_daily, &analytics.top_models, &counted, model, top_n);
        let key = |charge: &Charge| charge.key.unwrap_or_default().to_owned();
        check_daily(&analytics.by_key_daily, &analytics.top_key_names, &counted, key, top_n);
    }
}
