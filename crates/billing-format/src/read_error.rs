//! Why reading into a sink stopped.

use crate::input_error::InputError;

/// Why [`read_entries`](crate::read_entries) stopped, and on which side. Do not finish the sink.
#[derive(Debug, thiserror::Error)]
pub enum ReadError<S> {
    /// The input could not be read, or is not what it should be.
    #[error(transparent)]
    Input(InputError),
    /// The sink failed: look at where the entries go.
    #[error(transparent)]
    Sink(S),
}

impl<S> ReadError<S> {
    /// True when the sink failed.
    pub fn is_sink(&self) -> bool {
        matches!(self, Self::Sink(_))
    }

    /// True when reading itself failed: the input may be right.
    pub fn is_io(&self) -> bool {
        matches!(self, Self::Input(error) if error.is_io())
    }

    /// True when the input is not what it should be.
    pub fn is_bad_input(&self) -> bool {
        matches!(self, Self::Input(error) if !error.is_io())
    }
}
