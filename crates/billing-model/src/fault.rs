//! What is wrong with a query: all of it at once, per field.

use std::fmt;

/// Why a query was refused. Holds every fault, not only the first.
///
/// ```
/// use billing_model::UsageQuery;
/// let error = UsageQuery::parse("limit=700&currency=EUR").unwrap_err();
/// let faults: Vec<_> = error.faults().iter().map(|fault| fault.to_string()).collect();
/// assert_eq!(faults, [
///     "currency: `EUR` is not one of USD, VCU, DIEM, BUNDLED_CREDITS",
///     "limit: `700` is out of range: this endpoint takes 1 to 500",
/// ]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    faults: Vec<Fault>,
}

/// One thing wrong with a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The parameter, as the API names it; `None` for a fault of the query as a whole.
    pub field: Option<&'static str>,
    /// The kind of fault.
    pub code: FaultCode,
    /// What is wrong, in words.
    pub message: String,
}

/// The kinds of faults, named as the API names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultCode {
    /// Not of the type that the parameter has.
    InvalidType,
    /// Not one of the values that the parameter takes.
    InvalidEnumValue,
    /// Not the text that it should be: a date-time, a cursor.
    InvalidString,
    /// Below the least value.
    TooSmall,
    /// Above the greatest value.
    TooBig,
    /// A parameter that the endpoint does not have.
    UnrecognizedKeys,
    /// Right alone, wrong beside another parameter.
    Custom,
}

impl FaultCode {
    /// The code as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidType => "invalid_type",
            Self::InvalidEnumValue => "invalid_enum_value",
            Self::InvalidString => "invalid_string",
            Self::TooSmall => "too_small",
            Self::TooBig => "too_big",
            Self::UnrecognizedKeys => "unrecognized_keys",
            Self::Custom => "custom",
        }
    }
}

impl QueryError {
    /// The faults in the order of the parameters; never empty.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) => write!(f, "{field}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, fault) in self.faults.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for QueryError {}

/// Collects faults while a query is checked.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn push(&mut self, field: Option<&'static str>, code: FaultCode, message: String) {
        self.0.push(Fault { field, code, message });
    }

    pub(crate) fn append(&mut self, mut later: Self) {
        self.0.append(&mut later.0);
    }

    /// Notes a number outside the range that the endpoint takes.
    pub(crate) fn check_range(&mut self, field: &'static str, value: u32, least: u32, greatest: u32) {
        let code = match value {
            value if value < least => FaultCode::TooSmall,
            value if value > greatest => FaultCode::TooBig,
            _ => return,
        };
        let range = format!("`{value}` is out of range: this endpoint takes {least} to {greatest}");
        self.push(Some(field), code, range);
    }

    /// Notes a currency that the endpoint does not filter by.
    pub(crate) fn check_one_of(&mut self, field: &'static str, value: &str, known: &[&str]) {
        if !known.contains(&value) {
            let message = format!("`{value}` is not one of {}", known.join(", "));
            self.push(Some(field), FaultCode::InvalidEnumValue, message);
        }
    }

    /// The value, unless a fault was noted.
    pub(crate) fn none<T>(self, value: T) -> Result<T, QueryError> {
        if self.0.is_empty() { Ok(value) } else { Err(QueryError { faults: self.0 }) }
    }
}
