//! A conversation over a real socket: what is sent in which way, and whether what comes is right.

use std::fmt::Write as _;
use std::net::Shutdown;

use billing_testkit::wire::{Answer, Connection};
use fastrand::Rng;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::case::{By, Case, Rows, Says, Then};
use super::stakes::{OURS, Stakes, THEIRS};
use crate::schemas::{self, Shape};

/// Bytes of a request or an answer that are shown.
const SHOWN: usize = 1500;

/// How a client sends its requests.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The next one when the last one was answered.
    InTurn,
    /// All at once.
    Pipelined,
    /// All at once, cut into pieces at random places.
    InPieces,
}

/// What went wrong, in words.
pub(crate) type Wrong = String;

/// Sends all requests over one connection and checks every answer.
pub(crate) fn hold(stakes: &Stakes, cases: &[Case], rng: &mut Rng) -> Result<(), Wrong> {
    let way = rng.choice([Way::InTurn, Way::Pipelined, Way::InPieces]).unwrap();
    let ends = cases.iter().any(|case| case.then == Then::HalfClose);
    // A client that asks in turn can close its side only after the last request.
    let closes_early = ends || rng.bool();
    let mut connection = Connection::open(&stakes.address.to_string()).unwrap();
    let mut told = Told { way, closes_early, text: String::new() };
    if !matches!(way, Way::InTurn) {
        let bytes: Vec<u8> = cases.iter().flat_map(|case| case.bytes.iter().copied()).collect();
        send(&mut connection, &bytes, way, rng);
        if closes_early {
            say_no_more(&connection);
        }
    }
    for (position, case) in cases.iter().enumerate() {
        if matches!(way, Way::InTurn) {
            send(&mut connection, &case.bytes, way, rng);
            if closes_early && position + 1 == cases.len() {
                say_no_more(&connection);
            }
        }
        told.hear(case);
        let answer = answer(&mut connection, case).map_err(|wrong| told.but(&wrong))?;
        judge(case, &answer).map_err(|wrong| told.but(&format!("{wrong}: {}", shown_answer(&answer))))?;
    }
    say_no_more(&connection);
    let left = connection.rest().map_err(|error| told.but(&error.to_string()))?;
    let explained = cases.last().is_some_and(|case| case.then == Then::Leftovers);
    match explained {
        _ if left.is_empty() => Ok(()),
        true => judge_leftovers(&left).map_err(|wrong| told.but(&wrong)),
        false => Err(told.but(&format!("more came: {}", shown(&left)))),
    }
}

/// What was done, to be shown when something is wrong.
struct Told {
    way: Way,
    closes_early: bool,
    text: String,
}

impl Told {
    fn hear(&mut self, case: &Case) {
        let _ = writeln!(self.text, "- {}, to get {:?}: {}", case.kind, case.statuses, shown(&case.bytes));
    }

    fn but(&self, wrong: &str) -> Wrong {
        let Self { way, closes_early, text } = self;
        format!("{way:?}, half-closed early: {closes_early}, the last of\n{text}{wrong}")
    }
}

fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(SHOWN)];
    let more = if cut.len() < bytes.len() { "…" } else { "" };
    format!("{} bytes {}{more}", bytes.len(), cut.escape_ascii())
}

fn shown_answer(answer: &Answer<'_>) -> String {
    format!("{:?} and {}", answer.head(), shown(answer.body()))
}

/// Sends as much as the server takes: it may have refused and left before the end.
fn send(connection: &mut Connection, mut bytes: &[u8], way: Way, rng: &mut Rng) {
    let mut pieces = if matches!(way, Way::InPieces) { rng.usize(2..12) } else { 1 };
    while !bytes.is_empty() {
        let length = if pieces > 1 { rng.usize(1..=bytes.len()) } else { bytes.len() };
        if connection.send(&bytes[..length]).is_err() {
            return;
        }
        (bytes, pieces) = (&bytes[length..], pieces - 1);
    }
}

fn say_no_more(connection: &Connection) {
    // Fails when the server has gone.
    let _ = connection.stream().shutdown(Shutdown::Write);
}

/// The next answer.
fn answer(connection: &mut Connection, case: &Case) -> Result<Answer<'static>, Wrong> {
    loop {
        let answer = if case.is_head { connection.answer_to_head() } else { connection.answer() };
        let answer = answer.map_err(|error| error.to_string())?;
        match answer.status {
            100 if case.is_interim => {}
            100 => return Err("nobody asked whether to continue".to_owned()),
            _ => return Ok(answer.into_owned()),
        }
    }
}

/// The body of every error.
#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    details: Option<IgnoredAny>,
    issues: Option<Vec<IgnoredAny>>,
}

/// The body of an answer with rows.
#[derive(Deserialize)]
struct PageBody {
    #[serde(rename = "data")]
    _data: Vec<IgnoredAny>,
}

fn right(is_right: bool, wrong: &str) -> Result<(), Wrong> {
    if is_right { Ok(()) } else { Err(wrong.to_owned()) }
}

fn judge(case: &Case, answer: &Answer<'_>) -> Result<(), Wrong> {
    let (status, head, body) = (answer.status, answer.head(), answer.body());
    let one = |name| {
        let mut values = answer.headers(name);
        values.next().filter(|_| values.next().is_none()).map(str::to_owned)
    };
    right(case.statuses.contains(&status), "another status")?;
    right(one("content-length").is_some(), "not one length")?;
    right(one("content-type").as_deref() == Some("application/json"), "another content type")?;
    right(answer.headers("transfer-encoding").next().is_none(), "a body that is not as long as its length")?;
    let id = one("x-request-id");
    let is_id = |id: &String| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    right(id.as_ref().is_none_or(is_id), "a strange x-request-id")?;
    right(id.is_some() || case.by == By::Connection, "no x-request-id")?;
    right(status != 401 || one("www-authenticate").is_some(), "no WWW-Authenticate")?;
    right(status != 405 || one("allow").is_some_and(|allow| allow.contains("GET")), "no Allow")?;
    let holds = |mark: &str| contains(body, mark) || contains(head.as_bytes(), mark);
    right(!holds(THEIRS), "rows of another account")?;
    right(!holds(OURS) || case.may_see == Rows::Ours, "our rows, for nobody")?;
    if case.is_head {
        return Ok(());
    }
    if status < 400 {
        serde_json::from_slice::<PageBody>(body).map_err(|error| format!("no page: {error}"))?;
        return right(holds(OURS), "none of our rows");
    }
    let shape = match status {
        409 => Shape::Conflict,
        422 => Shape::RefusedBatch,
        _ => Shape::Error,
    };
    schemas::check(shape, std::str::from_utf8(body).map_err(|error| error.to_string())?)?;
    let error: ErrorBody = serde_json::from_slice(body).map_err(|error| format!("no JSON error: {error}"))?;
    right(!error.error.is_empty(), "an error without words")?;
    match case.says {
        Says::Error => Ok(()),
        Says::Details => right(error.details.is_some() && error.issues.is_some(), "no details"),
        Says::Issues => right(error.issues.is_some_and(|issues| !issues.is_empty()), "no issues"),
    }
}

/// What is left of a request is no request.
fn judge_leftovers(bytes: &[u8]) -> Result<(), Wrong> {
    let is_refusal = bytes.starts_with(b"HTTP/1.1 400 ") && bytes.ends_with(b"}");
    right(is_refusal && !contains(&bytes[1..], "HTTP/1.1 "), "not one refusal of what was left")
        .and_then(|()| right(!contains(bytes, OURS) && !contains(bytes, THEIRS), "rows for what was left"))
        .map_err(|wrong| format!("{wrong}: {}", shown(bytes)))
}

fn contains(bytes: &[u8], text: &str) -> bool {
    // Most bytes do not begin the text: this is far faster than comparing everywhere.
    let (first, text) = (text.as_bytes()[0], text.as_bytes());
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == first) {
        if rest[at..].starts_with(text) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}
