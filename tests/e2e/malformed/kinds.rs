//! Every kind of malformed request, and how often it comes.

use fastrand::Rng;

use super::case::Case;
use super::stakes::Stakes;
use super::{batches, bodies, framing, headers, lines, targets};

/// What is wrong, how often that comes beside others, and how such a request is made.
pub(crate) type Kind = (&'static str, u32, fn(&mut Rng, &Stakes) -> Case);

/// Weights: 10 unless a kind takes the server long.
pub(crate) const KINDS: &[Kind] = &[
    ("noise", 10, lines::noise),
    ("no version", 10, lines::no_version),
    ("another version", 10, lines::odd_version),
    ("an HTTP/2 preface", 5, lines::h2_preface),
    ("a method that is no token", 10, lines::odd_method),
    ("a method that nobody knows", 10, lines::unknown_method),
    ("a method that the route does not have", 10, lines::wrong_method),
    ("a target with bytes that none has", 10, lines::odd_target),
    ("a target that is too long", 3, lines::long_target),
    ("a target longer than a head", 1, lines::target_beyond_the_head),
    ("another form of target", 10, lines::other_form),
    ("CONNECT", 5, lines::connect),
    ("HTTP/1.0", 10, lines::http_10),
    ("HEAD", 10, lines::head),
    ("an unknown path", 20, targets::unknown_path),
    ("a usage query that is wrong", 25, targets::usage_query),
    ("a usage-history query that is wrong", 25, targets::history_query),
    ("a usage-analytics query that is wrong", 15, targets::analytics_query),
    ("an enormous parameter", 2, targets::enormous_parameter),
    ("a cursor with a bit flipped", 20, targets::flipped_cursor),
    ("a cursor that was cut or prolonged", 10, targets::cut_cursor),
    ("a cursor of somebody or sometime else", 10, targets::foreign_cursor),
    ("a cursor that is none", 10, targets::no_cursor),
    ("a header line that is none", 15, headers::odd_line),
    ("a header that is too large", 2, headers::too_large),
    ("too many headers", 3, headers::too_many),
    ("no host, or two", 10, headers::host),
    ("no key, or an odd one", 20, headers::odd_key),
    ("a key of another kind", 15, headers::foreign_key),
    ("an Accept that nobody serves", 15, headers::accept),
    ("odd headers beside another fault", 15, headers::beside),
    ("a head that is cut off", 15, framing::cut_head),
    ("a length that is none", 15, framing::odd_length),
    ("two lengths", 10, framing::two_lengths),
    ("a length beyond all numbers", 3, framing::length_beyond_numbers),
    ("a length that is too short", 10, framing::short_length),
    ("a length that is too long", 10, framing::long_length),
    ("a coding that does not end in chunked", 10, framing::odd_coding),
    ("a coding before chunked", 5, framing::coding_before_chunked),
    ("a request inside a body", 15, framing::smuggled),
    ("chunks that are none", 15, framing::odd_chunks),
    ("chunks that are cut off", 10, framing::cut_chunks),
    ("a body where none belongs", 10, framing::body_of_a_read),
    ("a batch without a right key", 15, batches::odd_key),
    ("a batch to a route that takes none", 10, batches::wrong_route),
    ("a batch whose Accept nobody serves", 5, batches::accept),
    ("a batch of another media type", 10, batches::media_type),
    ("a batch in another coding", 10, batches::coding),
    ("a batch without an idempotency key", 10, batches::idempotency_key),
    ("another batch under the same key", 5, batches::conflict),
    ("a batch announced too large", 10, batches::announced_too_large),
    ("a batch that is too large", 1, batches::too_large),
    ("a gzip bomb", 1, batches::bomb),
    ("a damaged gzip", 10, batches::damaged_gzip),
    ("a batch that is to be continued", 10, batches::expecting),
    ("NDJSON that is wrong", 20, bodies::ndjson),
    ("a large batch with a small fault", 3, bodies::large),
    ("JSON that is wrong", 20, bodies::json),
    ("CSV that is wrong", 20, bodies::csv),
    ("deep nesting", 3, bodies::deep),
    ("an enormous row", 1, bodies::enormous),
    ("numbers that do not fit", 10, bodies::numbers),
];

/// Makes a malformed request of any kind.
pub(crate) fn malformed(rng: &mut Rng, stakes: &Stakes) -> Case {
    let mut at = rng.u32(0..KINDS.iter().map(|(_, weight, _)| weight).sum());
    for (kind, weight, make) in KINDS {
        if at < *weight {
            return Case { kind, ..make(rng, stakes) };
        }
        at -= weight;
    }
    unreachable!("the weights add up")
}

/// One of these.
pub(crate) fn pick<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())]
}

/// So many letters and digits.
pub(crate) fn word(rng: &mut Rng, length: usize) -> String {
    (0..length).map(|_| rng.alphanumeric()).collect()
}
