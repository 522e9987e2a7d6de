//! The sums of the entries that are one row, in little memory: a report may have a row for each request.

use billing_model::{Decimal, Total};

use crate::requests::{RequestHash, Requests};
use crate::size::Size;
use crate::sums::{Sums, TokenKind, Tokens};

/// What is summed up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Spend,
    Credits,
    TokenSpend,
    /// Millions of tokens, as units of skus are.
    Tokens(TokenKind),
}

/// How many there are.
const PARTS: usize = 7;

impl Part {
    fn place(self) -> usize {
        match self {
            Self::Spend => 0,
            Self::Credits => 1,
            Self::TokenSpend => 2,
            Self::Tokens(TokenKind::Input) => 3,
            Self::Tokens(TokenKind::CachedInput) => 4,
            Self::Tokens(TokenKind::CacheWrite) => 5,
            Self::Tokens(TokenKind::Output) => 6,
        }
    }
}

/// What is added to a group: an entry, or the sum of some.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portion<'a> {
    pub(crate) entries: u64,
    pub(crate) is_credit: bool,
    pub(crate) amount: Number<'a>,
    /// What its units are millions of.
    pub(crate) tokens: Option<(TokenKind, Number<'a>)>,
    pub(crate) request: Option<RequestHash>,
}

/// A number of one entry, or the sum of those of some.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number<'a> {
    One(Decimal),
    Sum(&'a Total),
}

impl Number<'_> {
    /// In units of 10⁻²⁸, where 128 bits are enough.
    fn to_units(self) -> Option<i128> {
        match self {
            Self::One(number) => {
                let zeros = usize::try_from(number.exponent().checked_add(PLACES)?).ok()?;
                let digits = number.mantissa().unsigned_abs().checked_mul(*UNITS.get(zeros)?)?;
                let units = i128::try_from(digits).ok()?;
                Some(if number.is_negative() { -units } else { units })
            }
            Self::Sum(sum) => sum.to_units(),
        }
    }

    fn to_total(self) -> Total {
        match self {
            Self::One(number) => number.into(),
            Self::Sum(sum) => sum.clone(),
        }
    }

    /// Takes it from a sum, for amounts, which are below zero where they are spend.
    pub(crate) fn take_from(self, total: &mut Total) {
        match self {
            Self::One(number) => total.add(-number),
            Self::Sum(sum) => total.subtract(sum),
        }
    }
}

/// Decimal places of the units.
const PLACES: i32 = 28;

/// The powers of ten from a number's last place to the units.
const UNITS: [u128; 29] = {
    let mut powers = [1; 29];
    let mut zeros = 1;
    while zeros < powers.len() {
        powers[zeros] = powers[zeros - 1] * 10;
        zeros += 1;
    }
    powers
};

/// The sums of entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    entries: u64,
    /// In units of 10⁻²⁸. They have room for ten digits before the point.
    narrow: [i128; PARTS],
    /// What is to be added to them, which has no room there. Hardly any group has it.
    wide: Option<Box<[Total; PARTS]>>,
    requests: Option<Box<Requests>>,
}

impl Group {
    /// One without entries.
    pub(crate) const EMPTY: Self = Self { entries: 0, narrow: [0; PARTS], wide: None, requests: None };

    pub(crate) fn add(&mut self, portion: &Portion<'_>) {
        self.entries += portion.entries;
        let amount = portion.amount;
        let units = amount.to_units();
        if portion.is_credit {
            self.add_to(Part::Credits, (amount, units), false);
        } else {
            self.add_to(Part::Spend, (amount, units), true);
            if let Some((kind, tokens)) = portion.tokens {
                self.add_to(Part::Tokens(kind), (tokens, tokens.to_units()), false);
                self.add_to(Part::TokenSpend, (amount, units), true);
            }
        }
        if let Some(request) = portion.request {
            self.requests.get_or_insert_default().add(request);
        }
    }

    /// Adds a number, which is lent beside itself in units where they have room for it.
    fn add_to(&mut self, part: Part, (number, units): (Number<'_>, Option<i128>), is_negated: bool) {
        let sum = &mut self.narrow[part.place()];
        let added = units.and_then(|units| match is_negated {
            true => sum.checked_sub(units),
            false => sum.checked_add(units),
        });
        match added {
            Some(added) => *sum = added,
            None => {
                let total = number.to_total();
                self.widen(part.place(), &if is_negated { -total } else { total });
            }
        }
    }

    #[cold]
    fn widen(&mut self, place: usize, more: &Total) {
        self.wide.get_or_insert_default()[place].merge(more);
    }

    /// Adds the sums of other entries.
    pub(crate) fn merge_sums(&mut self, other: &Self) {
        self.entries += other.entries;
        for place in 0..PARTS {
            match self.narrow[place].checked_add(other.narrow[place]) {
                Some(sum) => self.narrow[place] = sum,
                None => self.widen(place, &Total::from_units(other.narrow[place])),
            }
        }
        if let Some(wide) = &other.wide {
            wide.iter().enumerate().for_each(|(place, more)| self.widen(place, more));
        }
    }

    /// Adds the sums of other entries, and their requests.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.merge_sums(other);
        if let Some(requests) = &other.requests {
            self.requests.get_or_insert_default().merge(requests);
        }
    }

    /// The sum of a part.
    pub(crate) fn total(&self, part: Part) -> Total {
        let mut total = Total::from_units(self.narrow[part.place()]);
        if let Some(wide) = &self.wide {
            total.merge(&wide[part.place()]);
        }
        total
    }

    /// The size of a part, which is had faster than its total.
    pub(crate) fn size(&self, part: Part) -> Size {
        match self.wide {
            None => Size::Units(self.narrow[part.place()]),
            Some(_) => Size::Total(Box::new(self.total(part))),
        }
    }

    /// The size of all tokens together, in millions.
    pub(crate) fn size_of_tokens(&self) -> Size {
        let units = TokenKind::ALL.map(|kind| self.narrow[Part::Tokens(kind).place()]);
        let sum = units.into_iter().try_fold(0i128, i128::checked_add);
        match sum.filter(|_| self.wide.is_none()) {
            Some(units) => Size::Units(units),
            None => {
                let mut all = Total::default();
                TokenKind::ALL.into_iter().for_each(|kind| all.merge(&self.total(Part::Tokens(kind))));
                Size::Total(Box::new(all))
            }
        }
    }

    /// The tokens of all kinds.
    pub(crate) fn tokens(&self) -> Tokens {
        let tokens = |kind| self.total(Part::Tokens(kind)).times(Decimal::from(1_000_000u32));
        Tokens {
            input: tokens(TokenKind::Input),
            cached_input: tokens(TokenKind::CachedInput),
            cache_write: tokens(TokenKind::CacheWrite),
            output: tokens(TokenKind::Output),
        }
    }

    /// The sums as a row has them.
    pub(crate) fn to_sums(&self, has_requests: bool) -> Sums {
        let requests = || self.requests.as_ref().map_or(0, |requests| requests.count());
        Sums {
            entries: self.entries,
            spend: self.total(Part::Spend),
            credits: self.total(Part::Credits),
            tokens: self.tokens(),
            token_spend: self.total(Part::TokenSpend),
            requests: has_requests.then(requests),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number() -> impl Strategy<Value = Decimal> {
        let usual = (any::<i64>(), -28..=0).prop_map(|(digits, power)| (i128::from(digits), power));
        let any = (any::<i128>(), -340..=300).prop_map(|(digits, power)| (digits >> 33, power));
        // Two of these have no room, and each alone has.
        let large = Just((9_000_000_000, 0));
        prop_oneof![4 => usual, 1 => any, 2 => large]
            .prop_filter_map("out of range", |(digits, power)| Decimal::from_parts(digits, power))
    }

    proptest! {
        /// Also where there is no room in 128 bits for some of it, or for the sum.
        #[test]
        fn sums_are_exact_whatever_their_sizes(
            numbers in prop::collection::vec((number(), any::<bool>(), any::<bool>()), 0..30),
        ) {
            let (mut groups, mut expect) = ([Group::default(), Group::default()], Total::default());
            for (number, is_sum, is_negated) in &numbers {
                let total = Total::from(*number);
                let lent = if *is_sum { Number::Sum(&total) } else { Number::One(*number) };
                groups[usize::from(*is_sum)].add_to(Part::TokenSpend, (lent, lent.to_units()), *is_negated);
                expect.add(if *is_negated { -*number } else { *number });
            }
            let [mut one, other] = groups;
            one.merge(&other);
            prop_assert_eq!(one.total(Part::TokenSpend), expect);
            prop_assert!(one.total(Part::Spend).is_zero());
        }
    }
}
