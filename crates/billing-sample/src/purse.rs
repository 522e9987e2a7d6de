//! Who pays: the day's allowance first, then earned and bundled credits, then bought ones.

use billing_model::Currency;
use rust_decimal::Decimal;

use crate::clock::DAYS;

/// What an entry costs on the average, in 10⁻⁶ USD: the allowances are measured in it, so that every currency has its
/// turn in a history of any length.
const SPEND_PER_ENTRY_E6: i64 = 4_100;

/// Days of a month, near enough.
const DAYS_PER_MONTH: i64 = 30;
/// The day of a month on which a reward comes in.
const REWARD_DAY: i64 = 9;
/// The first day on which dollars are charged; before it, the legacy unit.
const FIRST_DOLLAR_DAY: i64 = 31;

/// The balances of the account.
pub(crate) struct Purse {
    allowance: Decimal,
    bundle: Decimal,
    reward: Decimal,
    diem: Decimal,
    earned: Decimal,
    bundled: Decimal,
    usd: Decimal,
    /// The last day that was opened.
    day: i64,
}

/// Credits that come in.
pub(crate) struct Grant {
    pub(crate) currency: Currency,
    pub(crate) amount: Decimal,
    pub(crate) notes: &'static str,
}

impl Purse {
    pub(crate) fn new(entries: u64) -> Self {
        let spend_per_day =
            Decimal::from(entries) * Decimal::new(SPEND_PER_ENTRY_E6, 6) / Decimal::from(DAYS);
        let percent_of_month = |percent: i64| {
            let share = spend_per_day * Decimal::from(DAYS_PER_MONTH) * Decimal::new(percent, 2);
            share.round_dp(2).max(Decimal::new(1, 2)).normalize()
        };
        Self {
            allowance: spend_per_day * Decimal::new(45, 2),
            bundle: percent_of_month(20),
            reward: percent_of_month(2),
            diem: Decimal::ZERO,
            earned: Decimal::ZERO,
            bundled: Decimal::ZERO,
            usd: Decimal::ZERO,
            day: -1,
        }
    }

    /// Opens the days up to `day`: the allowance is renewed and does not add up, credits come in and do.
    pub(crate) fn open_day(&mut self, day: i64) -> Vec<Grant> {
        let mut grants = Vec::new();
        let due = |at: i64| (self.day + 1..=day).any(|opened| opened % DAYS_PER_MONTH == at);
        if due(0) {
            self.bundled += self.bundle;
            let notes = "Bundled credits, monthly";
            grants.push(Grant { currency: Currency::BundledCredits, amount: self.bundle, notes });
        }
        if due(REWARD_DAY) {
            self.earned += self.reward;
            let notes = "Reward: \"bring a friend\"";
            grants.push(Grant { currency: Currency::EarnedCredits, amount: self.reward, notes });
        }
        if day > self.day {
            self.diem = self.allowance;
            self.day = day;
        }
        grants
    }

    /// Pays a cost in USD from the first balance that covers it, and says which that was.
    ///
    /// Bought credits are topped up by `purchase` first when they do not cover it.
    pub(crate) fn pay(
        &mut self,
        cost: Decimal,
        purchase: impl FnOnce() -> Decimal,
    ) -> (Currency, Option<Grant>) {
        for (balance, currency) in [
            (&mut self.diem, Currency::Diem),
            (&mut self.earned, Currency::EarnedCredits),
            (&mut self.bundled, Currency::BundledCredits),
        ] {
            if *balance >= cost {
                *balance -= cost;
                return (currency, None);
            }
        }
        if self.day < FIRST_DOLLAR_DAY {
            return (Currency::Vcu, None);
        }
        let mut bought = None;
        if self.usd < cost {
            let amount = purchase();
            self.usd += amount;
            bought = Some(Grant { currency: Currency::Usd, amount, notes: "Credit purchase" });
        }
        self.usd -= cost;
        (Currency::Usd, bought)
    }
}
