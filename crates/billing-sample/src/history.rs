//! The history itself: request after request, each of one entry or several.

use std::collections::VecDeque;

use billing_model::{Currency, InferenceDetails, UsageEntry};
use fastrand::Rng;
use rust_decimal::Decimal;

use crate::catalogue::{CHAT_MODELS, CLIPS, EMBEDDING, IMAGES, Piece, SEARCH, price};
use crate::clock::Clock;
use crate::purse::{Grant, Purse};

/// A usage history: an iterator over exactly as many entries as were asked for, oldest first.
///
/// Whatever its length, it runs from the first day of January 2026 to the last of June; a longer one is denser.
/// Usage is charged exactly price times units (ten times that in VCU, the legacy unit), but for one request in some
/// hundred whose amounts end in the digits that binary arithmetic leaves behind. A history that is cut short by its
/// length may end within a request.
///
/// ```
/// use billing_model::{Currency, Summary};
/// use billing_sample::History;
/// let mut summary = Summary::default();
/// for entry in History::new(1, 20_000) {
///     summary.add(&entry);
/// }
/// assert_eq!(summary.entries, 20_000);
/// assert!(summary.amounts.contains_key(&Currency::Vcu));
/// ```
pub struct History {
    rng: Rng,
    clock: Clock,
    purse: Purse,
    /// The keys that requests come with; none for the web app.
    callers: [Option<String>; 6],
    /// What the last request still has to give.
    rows: VecDeque<UsageEntry>,
    entries_left: u64,
}

impl History {
    /// A history of `entries` entries. The same seed and number give the same history.
    pub fn new(seed: u64, entries: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let web_app_last = |n: usize| (n < 5).then(|| uuid(&mut rng));
        let callers = std::array::from_fn(web_app_last);
        Self {
            rng,
            clock: Clock::new(),
            purse: Purse::new(entries),
            callers,
            rows: VecDeque::new(),
            entries_left: entries,
        }
    }

    /// Makes the entries of the next request.
    fn request(&mut self) {
        self.clock.advance(&mut self.rng, self.entries_left);
        for grant in self.purse.open_day(self.clock.day()) {
            self.grant(grant);
        }
        let caller = self.rng.usize(0..self.callers.len());
        let caller = self.callers[caller].clone();
        match self.rng.u32(0..1_000) {
            0..80 => self.embed(caller),
            80..130 => {
                let image = self.rng.usize(0..IMAGES.len());
                let count = self.rng.usize(1..=4);
                self.piece(&IMAGES[image], count, caller);
            }
            130..134 => {
                let clip = self.rng.usize(0..CLIPS.len());
                self.piece(&CLIPS[clip], 1, caller);
            }
            _ => self.chat(caller),
        }
    }

    /// A chat: entries for what was read, read from the cache and written, all with the same details.
    fn chat(&mut self, caller: Option<String>) {
        let model = self.rng.usize(0..CHAT_MODELS.len());
        let model = &CHAT_MODELS[model];
        let (prompt, completion) = (self.rng.i64(20..4_000), self.rng.i64(1..900));
        let cached = model.cache_price_e5.filter(|_| self.rng.u32(0..10) < 4);
        let cached_tokens = cached.map_or(0, |_| self.rng.i64(1..prompt));
        let mut lines =
            vec![(format!("{}-llm-input-mtoken", model.name), model.input_price_e5, prompt - cached_tokens)];
        if let Some(price_e5) = cached {
            lines.push((format!("{}-llm-cache-input-mtoken", model.name), price_e5, cached_tokens));
        }
        lines.push((format!("{}-llm-output-mtoken", model.name), model.output_price_e5, completion));
        let mut charges: Vec<_> = lines
            .into_iter()
            .map(|(sku, price_e5, tokens)| Charge { sku, price: price(price_e5), units: mtoken(tokens) })
            .collect();
        if self.rng.u32(0..40) == 0 {
            charges.push(Charge::of(&SEARCH));
        }
        let details = self.details(prompt, Some(completion));
        let first = self.rows.len();
        self.charge(charges, Some(details), "API Inference", caller);
        match self.rng.u32(0..400) {
            0 => self.refund(),
            1 => self.leave_binary_digits(first),
            _ => {}
        }
    }

    fn embed(&mut self, caller: Option<String>) {
        let prompt = self.rng.i64(2..300);
        let sku = format!("{}-llm-input-mtoken", EMBEDDING.name);
        let charge = Charge { sku, price: price(EMBEDDING.input_price_e5), units: mtoken(prompt) };
        let details = self.details(prompt, None);
        self.charge(vec![charge], Some(details), "API Inference", caller);
    }

    /// A batch: as many equal entries as it has pieces.
    fn piece(&mut self, piece: &Piece, count: usize, caller: Option<String>) {
        let charges = (0..count).map(|_| Charge::of(piece)).collect();
        self.charge(charges, None, piece.notes, caller);
    }

    fn details(&mut self, prompt: i64, completion: Option<i64>) -> InferenceDetails {
        let execution_ms = 200 + self.rng.i64(0..900) + completion.unwrap_or(0) * self.rng.i64(4..24);
        InferenceDetails {
            request_id: Some(format!("chatcmpl-{:032x}", self.rng.u128(..))),
            execution_time_ms: Some(execution_ms.into()),
            prompt_tokens: Some(prompt.into()),
            completion_tokens: completion.map(Into::into),
        }
    }

    /// Charges a request to one balance.
    fn charge(
        &mut self,
        charges: Vec<Charge>,
        details: Option<InferenceDetails>,
        notes: &str,
        caller: Option<String>,
    ) {
        let cost = charges.iter().map(|charge| charge.price * charge.units).sum();
        let rng = &mut self.rng;
        let (currency, bought) = self.purse.pay(cost, || Decimal::from([10, 25, 50, 100][rng.usize(0..4)]));
        if let Some(grant) = bought {
            self.grant(grant);
            self.clock.tick(1_500);
        }
        for charge in charges {
            let spend = charge.price * charge.units;
            let amount = if currency == Currency::Vcu { spend * Decimal::TEN } else { spend };
            self.rows.push_back(UsageEntry {
                timestamp: self.clock.now(),
                sku: charge.sku,
                price_per_unit_usd: exact(charge.price),
                units: exact(charge.units),
                amount: exact(-amount),
                currency: currency.clone(),
                notes: notes.to_owned(),
                inference_details: details.clone(),
                api_key_id: caller.clone(),
                other_fields: None,
            });
            // The entries of a request are often, not always, of one instant; pieces of a batch always are.
            if details.is_some() && self.rng.u32(0..5) == 0 {
                self.clock.tick(7);
            }
        }
    }

    /// Gives the last charge back.
    fn refund(&mut self) {
        self.clock.tick(800);
        if let Some(charged) = self.rows.back().cloned() {
            self.rows.push_back(UsageEntry {
                timestamp: self.clock.now(),
                amount: -charged.amount,
                notes: "Refund: \"timeout\", retried".to_owned(),
                ..charged
            });
        }
    }

    /// Makes amounts such as 0.0023000000000000004, which services that count in binary send.
    fn leave_binary_digits(&mut self, first: usize) {
        for entry in self.rows.iter_mut().skip(first) {
            if entry.amount.is_negative() {
                entry.amount = exact(rounding(entry.amount) - Decimal::new(4, 19));
            }
        }
    }

    /// Enters credits that came in.
    fn grant(&mut self, grant: Grant) {
        self.rows.push_back(UsageEntry {
            timestamp: self.clock.now(),
            sku: "credit-purchase".to_owned(),
            price_per_unit_usd: exact(Decimal::ONE),
            units: exact(grant.amount),
            amount: exact(grant.amount),
            currency: grant.currency,
            notes: grant.notes.to_owned(),
            inference_details: None,
            api_key_id: None,
            other_fields: None,
        });
    }
}

impl Iterator for History {
    type Item = UsageEntry;

    fn next(&mut self) -> Option<UsageEntry> {
        if self.entries_left == 0 {
            return None;
        }
        while self.rows.is_empty() {
            self.request();
        }
        self.entries_left -= 1;
        self.rows.pop_front()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.entries_left);
        (left.unwrap_or(usize::MAX), left.ok())
    }
}

/// One line of a request's bill.
struct Charge {
    sku: String,
    price: Decimal,
    units: Decimal,
}

impl Charge {
    fn of(piece: &Piece) -> Self {
        Self { sku: piece.sku.to_owned(), price: price(piece.price_e5), units: Decimal::ONE }
    }
}

/// A number that was counted out, as it stands in an entry.
fn exact(number: Decimal) -> billing_model::Decimal {
    let exponent = i32::try_from(number.scale()).unwrap_or_default();
    // All of these have room in those.
    billing_model::Decimal::from_parts(number.mantissa(), -exponent).unwrap_or_default()
}

/// A number of an entry, to count with. Histories have none but plain ones.
fn rounding(number: billing_model::Decimal) -> Decimal {
    Decimal::from_i128_with_scale(number.mantissa(), number.exponent().unsigned_abs())
}

/// Tokens in millions.
fn mtoken(tokens: i64) -> Decimal {
    Decimal::new(tokens, 6).normalize()
}

/// A random UUID of version 4, as text.
fn uuid(rng: &mut Rng) -> String {
    let hex = format!("{:032x}", rng.u128(..));
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeSet, HashMap};

    #[test]
    fn a_history_has_exactly_its_length() {
        for entries in [0, 1, 7, 20_000] {
            let history = History::new(1, entries);
            assert_eq!(history.size_hint().1, usize::try_from(entries).ok());
            assert_eq!(history.count(), usize::try_from(entries).unwrap());
        }
    }

    #[test]
    fn the_seed_decides_all() {
        assert!(History::new(5, 3_000).eq(History::new(5, 3_000)));
        assert!(History::new(5, 3_000).ne(History::new(6, 3_000)));
    }

    #[test]
    fn a_history_of_any_length_fills_the_half_year_in_order() {
        for (entries, latest_start, earliest_end) in [(200, 20, 160), (20_000, 1, 179), (200_000, 0, 180)] {
            let day = |entry: &UsageEntry| entry.timestamp.unix_ns().unwrap() / 86_400_000_000_000 - 20_454;
            let mut last: Option<UsageEntry> = None;
            for entry in History::new(2, entries) {
                match &last {
                    Some(last) => assert!(last.timestamp <= entry.timestamp),
                    None => assert!((0..=latest_start).contains(&day(&entry)), "{entry:?}"),
                }
                last = Some(entry);
            }
            let last = last.unwrap();
            assert!((earliest_end..181).contains(&day(&last)), "{entries}: {last:?}");
        }
    }

    #[test]
    fn every_kind_of_entry_is_there() {
        for seed in 0..4 {
            let entries: Vec<_> = History::new(seed, 20_000).collect();
            let currencies: BTreeSet<_> = entries.iter().map(|entry| entry.currency.as_str()).collect();
            assert!(
                currencies.is_superset(&["BUNDLED_CREDITS", "DIEM", "EARNED_CREDITS", "USD", "VCU"].into())
            );
            for currency in currencies {
                let share = entries.iter().filter(|entry| entry.currency.as_str() == currency).count();
                assert!(share > 50, "{currency}: {share}");
            }
            let count =
                |holds: &dyn Fn(&UsageEntry) -> bool| entries.iter().filter(|entry| holds(entry)).count();
            let details = |entry: &UsageEntry| entry.inference_details.clone().unwrap_or_default();
            let tiny = Decimal::new(1, 6);
            assert!(count(&|entry| entry.notes.starts_with("Refund") && entry.amount.is_positive()) > 3);
            assert!(count(&|entry| entry.notes.contains('"') && entry.notes.contains(',')) > 3);
            assert!(count(&|entry| entry.sku == "credit-purchase" && entry.currency == Currency::Usd) > 0);
            assert!(count(&|entry| entry.api_key_id.is_none()) > 1_000);
            assert!(count(&|entry| entry.inference_details.is_none()) > 100);
            assert!(count(&|entry| rounding(entry.amount).abs() < tiny) > 3);
            assert!(count(&|entry| entry.amount.exponent() < -15) > 3);
            assert!(
                count(&|entry| {
                    details(entry).prompt_tokens.is_some() && details(entry).completion_tokens.is_none()
                }) > 100
            );
            let mut lots: HashMap<&UsageEntry, u32> = HashMap::new();
            entries.iter().for_each(|entry| *lots.entry(entry).or_default() += 1);
            assert!(lots.values().filter(|count| **count > 1).count() > 50);
        }
    }

    #[test]
    fn usage_costs_price_times_units() {
        let mut rounded = 0;
        for entry in History::new(3, 20_000).filter(|entry| entry.sku != "credit-purchase") {
            let rate = if entry.currency == Currency::Vcu { Decimal::TEN } else { Decimal::ONE };
            let spend = rounding(entry.price_per_unit_usd) * rounding(entry.units) * rate;
            let amount = rounding(entry.amount).abs();
            rounded += u32::from(amount != spend);
            assert!((amount - spend).abs() <= Decimal::new(4, 19), "{entry:?}");
        }
        assert!((1..200).contains(&rounded), "{rounded}");
    }

    #[test]
    fn every_entry_survives_its_json() {
        for entry in History::new(4, 2_000) {
            let text = serde_json::to_string(&entry).unwrap();
            assert_eq!(UsageEntry::from_json(&text).unwrap(), entry);
        }
    }

    #[test]
    fn the_entries_of_a_request_repeat_its_details() {
        let mut requests: HashMap<String, (InferenceDetails, u32)> = HashMap::new();
        for details in History::new(8, 5_000).filter_map(|entry| entry.inference_details) {
            let id = details.request_id.clone().unwrap();
            let seen = requests.entry(id).or_insert_with(|| (details.clone(), 0));
            assert_eq!(seen.0, details);
            seen.1 += 1;
        }
        assert!(requests.values().any(|(_, entries)| *entries >= 3));
    }
}
