//! Faults of a service: once, at a request, or all the time.

use billing_http::{Error, ErrorKind};
use billing_testkit::{Reply, Request};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Answers to one page that are not the API's, and after which a client gives up.
const STRANGE_ANSWERS: usize = 3;

/// Midnight of 2026-06-01, by the clock of a service that has none of its own.
const NOW_S: u64 = 1_780_272_000;

/// What becomes of one request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Status(u16),
    /// 429, with a clock or without.
    Refused(Clock),
    /// The body breaks off somewhere, though its length is known.
    Cut {
        at: Index,
        reset: bool,
    },
    /// The body breaks off somewhere, and ends with the connection anyway.
    CutOpen(Index),
    /// The connection ends before the first byte.
    Silent {
        reset: bool,
    },
    /// A page of a proxy, or an empty one.
    Strange {
        is_empty: bool,
    },
    /// The cursor has expired.
    CursorLost,
    /// No entry, and a cursor that leads to where this request would have.
    EmptyPage,
}

/// When to come back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    None,
    RetryAfterS(u32),
    /// `x-ratelimit-reset-requests`, from now; it may have passed.
    ResetS(i64),
}

pub(crate) fn any_fault() -> impl Strategy<Value = Fault> {
    let clock = prop_oneof![
        3 => Just(Clock::None),
        3 => (0u32..900).prop_map(Clock::RetryAfterS),
        3 => (-900i64..900).prop_map(Clock::ResetS),
        // Longer than anybody waits.
        1 => select(vec![Clock::RetryAfterS(86_400), Clock::ResetS(3600)]),
    ];
    prop_oneof![
        4 => select(vec![500, 502, 503, 504, 408, 425]).prop_map(Fault::Status),
        3 => clock.prop_map(Fault::Refused),
        4 => (any::<Index>(), any::<bool>()).prop_map(|(at, reset)| Fault::Cut { at, reset }),
        2 => any::<Index>().prop_map(Fault::CutOpen),
        2 => any::<bool>().prop_map(|reset| Fault::Silent { reset }),
        2 => any::<bool>().prop_map(|is_empty| Fault::Strange { is_empty }),
        4 => Just(Fault::CursorLost),
        4 => Just(Fault::EmptyPage),
    ]
}

impl Fault {
    /// True where it can happen to this request.
    pub(crate) fn fits(&self, request: &Request) -> bool {
        match self {
            Self::CursorLost => request.query.contains("cursor="),
            Self::EmptyPage => request.path.ends_with("usage-history"),
            _ => true,
        }
    }

    /// The answer of the service, as it arrives.
    pub(crate) fn strike(&self, reply: Reply, is_csv: bool, now_s: Option<u64>) -> Reply {
        let length = reply.body().len();
        match self {
            Self::Status(status) => Reply::error(*status, "out of order"),
            Self::Refused(clock) => clock.refusal(now_s),
            Self::Cut { at, reset } if length > 0 => {
                let cut = reply.cut_at(at.index(length));
                if *reset { cut.reset() } else { cut }
            }
            // CSV may be whole wherever it ends, so the client does not take it without a length. A body that breaks
            // off before its first byte is empty, which is another fault.
            Self::CutOpen(at) if length > 1 && !is_csv => {
                reply.undelimited().cut_at(1 + at.index(length - 1))
            }
            Self::Cut { .. } | Self::CutOpen(_) | Self::Silent { reset: false } => reply.closed(),
            Self::Silent { reset: true } => reply.reset(),
            Self::Strange { is_empty: true } => reply.with_body(""),
            Self::Strange { is_empty: false } => Reply::new(200, "text/html", "<html>Please log in</html>"),
            Self::CursorLost => Reply::error(400, "Invalid or expired cursor; restart from the first page"),
            Self::EmptyPage => reply,
        }
    }

    /// True when it asks for a longer wait than any client has patience for.
    fn is_for_another_day(&self) -> bool {
        matches!(self, Self::Refused(Clock::RetryAfterS(901..) | Clock::ResetS(901..)))
    }
}

impl Clock {
    fn refusal(self, now_s: Option<u64>) -> Reply {
        let reply = Reply::error(429, "Too many requests");
        let (now_s, reply) = match now_s {
            // It is on every answer.
            Some(now_s) => (now_s, reply),
            None => (NOW_S, reply.dated(NOW_S)),
        };
        match self {
            Self::None => reply,
            Self::RetryAfterS(seconds) => reply.header("retry-after", seconds.to_string()),
            Self::ResetS(seconds) => {
                reply.header("x-ratelimit-reset-requests", now_s.saturating_add_signed(seconds).to_string())
            }
        }
    }
}

/// How the service sends its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length,
    Chunked,
    Gzip,
}

/// A service as it stands, and what happens to its answers.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) keeps_milliseconds: bool,
    pub(crate) framing: Framing,
    /// `usage` is gone from this request on.
    pub(crate) ends_at: Option<usize>,
    /// There is no `usage-history`.
    pub(crate) is_old: bool,
    /// The n-th of its cursors is answered with this status, every time.
    pub(crate) broken_cursor: Option<(usize, u16)>,
    /// It fails on windows that are narrow, or in which nothing lies, but not at cursors and later pages.
    pub(crate) is_reluctant: bool,
    /// It gives up on queries over more than this part of the window.
    pub(crate) slow_beyond: Option<i64>,
    /// What happens from which request on, to the first one that it fits.
    pub(crate) faults: Vec<(usize, Fault)>,
}

/// A service that does what it should.
pub(crate) fn undisturbed() -> Script {
    Script {
        keeps_milliseconds: false,
        framing: Framing::Length,
        ends_at: None,
        is_old: false,
        broken_cursor: None,
        is_reluctant: false,
        slow_beyond: None,
        faults: Vec::new(),
    }
}

/// Any service whose faults a client with ten tries a page has to survive, except those that
/// [`excuses`](Script::excuses) names.
pub(crate) fn any_script() -> impl Strategy<Value = Script> {
    let framing = select(vec![Framing::Length, Framing::Chunked, Framing::Gzip]);
    let broken_cursor = (1usize..8, select(vec![500, 502, 400]));
    let faults = prop_oneof![
        1 => Just(Vec::new()),
        // As many at once as one page bears.
        4 => prop::collection::vec((1usize..30, any_fault()), 0..9),
    ];
    let slow_beyond = prop::option::weighted(0.2, 1i64..8);
    (
        (any::<bool>(), framing),
        (prop::option::weighted(0.2, 1usize..30), prop::bool::weighted(0.2)),
        (prop::option::weighted(0.2, broken_cursor), prop::bool::weighted(0.3), slow_beyond),
        faults,
    )
        .prop_map(|(form, life, (broken_cursor, is_reluctant, slow_beyond), faults)| {
            let ((keeps_milliseconds, framing), (ends_at, is_old)) = (form, life);
            // An endpoint that ends needs a successor, or nothing is left.
            let ends_at = ends_at.filter(|_| !is_old);
            // A service that fails on short windows and on long ones is just broken.
            let slow_beyond = slow_beyond.filter(|_| !is_reluctant);
            Script {
                keeps_milliseconds,
                framing,
                ends_at,
                is_old,
                broken_cursor,
                is_reluctant,
                slow_beyond,
                faults,
            }
        })
}

impl Script {
    /// True when the script makes it impossible to go on, and the error says so.
    pub(crate) fn excuses(&self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::NotTheApi => self.has_too_many_strange_answers(),
            ErrorKind::RateLimited => self.asks_for_another_day(),
            // A window without an end has no middle, and neither has a millisecond. Then it cannot be halved.
            ErrorKind::Unavailable if self.broken_cursor.is_some_and(|(_, status)| status >= 500) => true,
            // Each lost cursor begins the halving anew, and that is done only so often.
            ErrorKind::Unavailable => self.slow_beyond.is_some() && self.loses_cursors(),
            _ => false,
        }
    }

    /// True when a page may fail in the way of a window that is too much. A client then asks for a shorter window, and it
    /// has none if the service gives up on the shortest.
    pub(crate) fn fails_pages(&self) -> bool {
        self.faults.iter().any(|(_, fault)| matches!(fault, Fault::Status(500..)))
    }

    /// True when none of its passing faults ends a run.
    pub(crate) fn is_bearable(&self) -> bool {
        !self.has_too_many_strange_answers() && !self.asks_for_another_day()
    }

    fn has_too_many_strange_answers(&self) -> bool {
        let strange = self.faults.iter().filter(|(_, fault)| matches!(fault, Fault::Strange { .. }));
        strange.count() >= STRANGE_ANSWERS
    }

    fn loses_cursors(&self) -> bool {
        self.broken_cursor.is_some()
            || self.faults.iter().any(|(_, fault)| matches!(fault, Fault::CursorLost))
    }

    fn asks_for_another_day(&self) -> bool {
        self.faults.iter().any(|(_, fault)| fault.is_for_another_day())
    }
}
