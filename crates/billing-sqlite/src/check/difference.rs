//! Differences that concern the file as a whole.

use billing_engine::check::shown;
use billing_ledger::{Difference, DifferenceKind};

/// A part of the file that cannot be read, in the engine's words.
pub(super) fn of_damage(place: &str, words: &str) -> Difference {
    let (held, expected) = (Some(shown(words)), Some("ok".to_owned()));
    let (kind, field) = (DifferenceKind::Integrity, "integrity_check");
    Difference { kind, account: None, place: place.to_owned(), field, held, expected }
}

/// Something that every ledger has, and this one lacks.
pub(super) fn of_missing(what: &str) -> Difference {
    let (kind, field) = (DifferenceKind::Integrity, "schema");
    Difference {
        kind,
        account: None,
        place: "the file".to_owned(),
        field,
        held: None,
        expected: Some(what.to_owned()),
    }
}
