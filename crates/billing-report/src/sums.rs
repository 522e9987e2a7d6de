//! What the entries of a row come to.

use billing_model::{Decimal, Total, UsageKind};

/// The exact sums of entries of one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// How many entries.
    pub entries: u64,
    /// Charges as money out, before refunds: zero or positive.
    pub spend: Total,
    /// Top-ups, grants and refunds: zero or positive.
    pub credits: Total,
    /// Tokens that were charged, from the units of token skus.
    pub tokens: Tokens,
    /// The part of the spend that is for tokens.
    pub token_spend: Total,
    /// How many requests, each counted once; `None` where they were not counted.
    pub requests: Option<u64>,
}

/// Tokens, by what was done with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Input, without what was read from the cache.
    pub input: Total,
    /// Input that was read from the cache.
    pub cached_input: Total,
    /// Input that was written to the cache.
    pub cache_write: Total,
    /// Output.
    pub output: Total,
}

impl Sums {
    /// Credits less spend.
    pub fn net(&self) -> Total {
        let mut net = self.credits.clone();
        net.subtract(&self.spend);
        net
    }

    /// What a million tokens cost on the whole, rounded to six decimal places; `None` without tokens.
    pub fn price_per_million_tokens(&self) -> Option<Total> {
        let tokens = self.tokens.all();
        self.token_spend.times(Decimal::from(1_000_000u32)).divided_by(&tokens, 6)
    }

    /// Adds the sums of other entries. Requests are left alone: one may be in both.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.entries += other.entries;
        self.spend.merge(&other.spend);
        self.credits.merge(&other.credits);
        self.tokens.merge(&other.tokens);
        self.token_spend.merge(&other.token_spend);
    }
}

impl Tokens {
    /// All of them.
    pub fn all(&self) -> Total {
        let mut all = self.input.clone();
        [&self.cached_input, &self.cache_write, &self.output]
            .into_iter()
            .for_each(|tokens| all.merge(tokens));
        all
    }

    fn merge(&mut self, other: &Self) {
        self.input.merge(&other.input);
        self.cached_input.merge(&other.cached_input);
        self.cache_write.merge(&other.cache_write);
        self.output.merge(&other.output);
    }
}

/// What was done with tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Input,
    CachedInput,
    CacheWrite,
    Output,
}

impl TokenKind {
    pub(crate) const ALL: [Self; 4] = [Self::Input, Self::CachedInput, Self::CacheWrite, Self::Output];

    /// What a kind of usage does with tokens; `None` for one that is not charged by them.
    pub(crate) fn of(kind: UsageKind) -> Option<Self> {
        Some(match kind {
            UsageKind::Input | UsageKind::ExtendedInput => Self::Input,
            UsageKind::CacheRead | UsageKind::ExtendedCacheRead => Self::CachedInput,
            UsageKind::CacheWrite
            | UsageKind::CacheWrite5m
            | UsageKind::CacheWrite1h
            | UsageKind::ExtendedCacheWrite
            | UsageKind::ExtendedCacheWrite5m
            | UsageKind::ExtendedCacheWrite1h => Self::CacheWrite,
            UsageKind::Output | UsageKind::ExtendedOutput => Self::Output,
            _ => return None,
        })
    }
}
