//! How far a copy is, as the target keeps it.

use std::fmt;
use std::str::FromStr;

use billing_ledger::{AccountId, Position, Taken};

use crate::error::Error;

/// The first word of a state that this version writes.
const VERSION: &str = "1";

/// How far a copy is. A pass copies the blocks behind one number up to another one, and all that belongs to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// The last block before the pass.
    pub(crate) from: u64,
    /// The last block of the pass.
    pub(crate) until: u64,
    pub(crate) stage: Stage,
}

/// How far a pass is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It copies blocks, without their entries.
    Blocks,
    /// It copies what was taken out, and has come to here in an account.
    Taken(AccountId, Taken),
    /// It copies entries, and has come to here in an account.
    Entries(AccountId, Position),
    /// It has ended.
    Done,
}

impl State {
    /// Before the first pass.
    pub(crate) const BEGIN: Self = Self { from: 0, until: 0, stage: Stage::Done };

    /// The same pass at another stage.
    pub(crate) fn at(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, until, stage } = self;
        write!(f, "{VERSION} {from} {until} ")?;
        match stage {
            Stage::Blocks => f.write_str("blocks"),
            Stage::Taken(account, Taken { removal, position }) => {
                let Position { timestamp_ns, sequence } = position;
                write!(f, "taken {} {removal} {timestamp_ns} {sequence}", account.0)
            }
            Stage::Entries(account, Position { timestamp_ns, sequence }) => {
                write!(f, "entries {} {timestamp_ns} {sequence}", account.0)
            }
            Stage::Done => f.write_str("done"),
        }
    }
}

impl FromStr for State {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Self::BEGIN);
        }
        parse(text).ok_or_else(|| Error::unreadable_state(text))
    }
}

fn parse(text: &str) -> Option<State> {
    let mut words = text.split(' ');
    if words.next()? != VERSION {
        return None;
    }
    let (from, until) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let stage = words.next()?;
    let numbers: Vec<i64> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
    let unsigned = |number: i64| u64::try_from(number).ok();
    let stage = match (stage, numbers.as_slice()) {
        ("blocks", []) => Stage::Blocks,
        ("taken", [account, removal, timestamp_ns, sequence]) => {
            let position = Position { timestamp_ns: *timestamp_ns, sequence: unsigned(*sequence)? };
            Stage::Taken(AccountId(*account), Taken { removal: unsigned(*removal)?, position })
        }
        ("entries", [account, timestamp_ns, sequence]) => {
            let position = Position { timestamp_ns: *timestamp_ns, sequence: unsigned(*sequence)? };
            Stage::Entries(AccountId(*account), position)
        }
        ("done", []) => Stage::Done,
        _ => return None,
    };
    Some(State { from, until, stage })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let position = Position { timestamp_ns: i64::MIN, sequence: 3 };
        for stage in [
            Stage::Blocks,
            Stage::Taken(AccountId(7), Taken { removal: 5, position }),
            Stage::Entries(AccountId(i64::MAX), position),
            Stage::Done,
        ] {
            let state = State { from: 1, until: u64::MAX, stage };
            assert_eq!(state.to_string().parse::<State>().unwrap(), state);
        }
        assert_eq!("".parse::<State>().unwrap(), State::BEGIN);
    }

    #[test]
    fn a_state_of_another_version_or_none_is_refused() {
        for text in ["2 0 0 done", "1 0 0", "1 0 0 entries 1 2", "1 0 0 entries 1 2 -3", "1 -1 0 done", "x"] {
            assert!(text.parse::<State>().is_err(), "{text}");
        }
    }
}
