//! What is to be known of a sku and of a currency, found out once.

use billing_model::{Currency, Decimal, Sku};

use crate::by_name::ByName;
use crate::question::Filter;
use crate::rates::Rates;
use crate::sums::TokenKind;

/// The code of a name: its place among all that came. [`ABSENT`] is what has none.
pub(crate) type Code = i32;

/// What stands for the label of an entry that has none.
pub(crate) const ABSENT: Code = Code::MIN;

/// What is to be known of a sku.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SkuFacts {
    pub(crate) sku: Code,
    pub(crate) model: Code,
    pub(crate) kind: Code,
    pub(crate) tokens: Option<TokenKind>,
    /// Whether the filter lets it through.
    pub(crate) is_asked: bool,
}

/// What is to be known of a currency.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CurrencyFacts {
    /// Its place among all that came.
    pub(crate) code: Code,
    /// The stated rate, by which amounts are compared with price times units.
    pub(crate) rate: Option<Decimal>,
    /// Whether the filter lets it through.
    pub(crate) is_asked: bool,
}

/// All names that came, and what is known of them. They grow with the number of different names, not with that of entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    names: ByName<()>,
    skus: ByName<Option<SkuFacts>>,
    currencies: ByName<Option<CurrencyFacts>>,
}

impl Facts {
    /// What is to be known of a sku.
    pub(crate) fn sku(&mut self, sku: &str, filter: &Filter) -> SkuFacts {
        let known = self.skus.of(sku);
        if let Some(facts) = known {
            return *facts;
        }
        let parsed = Sku::parse(sku);
        let model = parsed.model().unwrap_or(sku);
        let facts = SkuFacts {
            sku: code(self.names.place_of(sku)),
            model: code(self.names.place_of(model)),
            kind: parsed.kind().map_or(ABSENT, |kind| code(self.names.place_of(kind.as_str()))),
            tokens: parsed.kind().and_then(TokenKind::of),
            is_asked: filter.model.as_ref().is_none_or(|pattern| pattern.matches(model)),
        };
        *known = Some(facts);
        facts
    }

    /// What is to be known of a currency.
    pub(crate) fn currency(&mut self, name: &str, filter: &Filter) -> CurrencyFacts {
        let (place, known) = self.currencies.entry(name);
        *known.get_or_insert_with(|| CurrencyFacts {
            code: code(place),
            rate: Rates::default().of(&Currency::from(name)),
            is_asked: filter.currency.as_ref().is_none_or(|asked| asked.as_str() == name),
        })
    }

    /// True when none came. Each entry that counts has a currency.
    pub(crate) fn is_empty(&self) -> bool {
        self.currencies.iter().next().is_none()
    }

    /// The code of a name.
    pub(crate) fn code_of(&mut self, name: &str) -> Code {
        code(self.names.place_of(name))
    }

    /// The name that a code stands for; `None` for [`ABSENT`].
    pub(crate) fn name_of(&self, code: Code) -> Option<&str> {
        Some(self.names.name_at(usize::try_from(code).ok()?))
    }

    /// The currency that a code stands for.
    pub(crate) fn currency_of(&self, code: Code) -> Currency {
        Currency::from(usize::try_from(code).map_or("", |place| self.currencies.name_at(place)))
    }

    /// Takes the names of others in; says which codes they have here, by those that they have there.
    pub(crate) fn merge(&mut self, other: &Self, filter: &Filter) -> Recoded {
        let currencies = other.currencies.iter();
        Recoded {
            names: other.names.iter().map(|(name, ())| self.code_of(name)).collect(),
            currencies: currencies.map(|(name, _)| self.currency(name, filter).code).collect(),
        }
    }
}

/// The codes of names that were taken in, each at the place of its former one.
pub(crate) struct Recoded {
    names: Vec<Code>,
    currencies: Vec<Code>,
}

impl Recoded {
    pub(crate) fn name(&self, code: Code) -> Code {
        usize::try_from(code).ok().and_then(|place| self.names.get(place)).map_or(ABSENT, |code| *code)
    }

    pub(crate) fn currency(&self, code: Code) -> Code {
        usize::try_from(code).ok().and_then(|place| self.currencies.get(place)).map_or(ABSENT, |code| *code)
    }
}

/// Two billion names do not fit into memory, so a place always is a code.
fn code(place: usize) -> Code {
    Code::try_from(place).unwrap_or(Code::MAX)
}
