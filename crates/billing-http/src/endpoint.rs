//! Which of the two endpoints: the one that is asked for, and the one that is walked.

use std::fmt;

use billing_model::Currency;

/// Which endpoint a walk is to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Endpoint {
    /// `usage-history`, or `usage` where the service does not have it.
    #[default]
    Auto,
    /// `GET /billing/usage`, by page number; its successor when the service says that it is gone.
    Usage,
    /// `GET /billing/usage-history`, by cursor.
    UsageHistory,
}

/// An endpoint that is walked. [`Endpoint`] is what was asked for, and leaves the choice open with [`Endpoint::Auto`]; a
/// walk is always on one of these two.
///
/// ```
/// use billing_http::Route;
/// assert_eq!(Route::UsageHistory.to_string(), "usage-history");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `GET /billing/usage`, by page number.
    Usage,
    /// `GET /billing/usage-history`, by cursor.
    UsageHistory,
}

impl Endpoint {
    /// The endpoint to begin with, for a walk over entries of this currency.
    pub(crate) fn first_route(self, currency: Option<&Currency>) -> Route {
        match self {
            Self::Usage => Route::Usage,
            Self::UsageHistory => Route::UsageHistory,
            // The newer endpoint refuses the legacy currency.
            Self::Auto if currency == Some(&Currency::Vcu) => Route::Usage,
            Self::Auto => Route::UsageHistory,
        }
    }
}

impl Route {
    /// The endpoint to use instead.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Usage => Self::UsageHistory,
            Self::UsageHistory => Self::Usage,
        }
    }

    /// Its path below the base URL.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Usage => "billing/usage",
            Self::UsageHistory => "billing/usage-history",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::UsageHistory => "usage-history",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Usage => Route::Usage.name(),
            Self::UsageHistory => Route::UsageHistory.name(),
        })
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
