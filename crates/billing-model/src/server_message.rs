//! What a service says of an error, wherever it says it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::one_line::one_line;

/// What a service says of an error, from any of the shapes in use: `error` as a text or an object with a `message`, and
/// behind it the reasons in `issues` and in `details`, which may be a text or a tree. A reason that stands twice is said
/// once. It is one line of bounded length, fit for a terminal.
///
/// ```
/// use billing_model::ServerMessage;
/// let read = |body| ServerMessage::from_json(body).map(|message| message.to_string());
/// for body in [r#"{"error":"Authentication failed"}"#, r#"{"error":{"message":"Authentication failed","code":1}}"#] {
///     assert_eq!(read(body).unwrap(), "Authentication failed");
/// }
/// assert_eq!(
///     read(r#"{"error":"Invalid","details":{"_errors":[],"filter":{"to":{"_errors":["Too late"]}}}}"#).unwrap(),
///     "Invalid: filter.to: Too late",
/// );
/// assert!(read("<html>").is_none());
/// ```
///
/// Source: `docs/upstream-api.md`, HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerMessage {
    text: String,
}

/// Characters that are kept.
const MOST_CHARS: usize = 1000;

/// Reasons that are kept, and levels of a tree that are looked into. No query has as many parameters, and a body may be
/// nested as deeply as it is long.
const MOST_REASONS: usize = 40;
const MOST_LEVELS: usize = 16;

/// The list of what is wrong at a level of a tree, among the names of what lies below it.
const ERRORS: &str = "_errors";

impl ServerMessage {
    /// Reads the body of an error answer; `None` when it holds no message.
    pub fn from_json(text: &str) -> Option<Self> {
        let body: Members<'_> = serde_json::from_str(text).ok()?;
        let error = body.find("error");
        let object = error.and_then(read::<Members<'_>>);
        let said = match &object {
            Some(object) => object.find("message").and_then(text_of),
            None => error.and_then(text_of),
        };
        let mut reasons = Reasons::default();
        let places = || [Some(&body), object.as_ref()].into_iter().flatten();
        // Issues first: they stand in the order of the request, and a tree in that of its names.
        places().filter_map(|place| place.find("issues")).for_each(|issues| reasons.take(issues));
        places().filter_map(|place| place.find("details")).for_each(|details| reasons.take(details));
        reasons.lines.retain(|reason| Some(reason) != said.as_ref());
        let reasons = reasons.lines.join("; ");
        let text = match said {
            Some(said) if reasons.is_empty() => said,
            Some(said) => format!("{said}: {reasons}"),
            None => reasons,
        };
        Some(Self { text: one_line(&text, MOST_CHARS) }).filter(|message| !message.text.is_empty())
    }
}

impl fmt::Display for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is wrong, each with where it is.
#[derive(Default)]
struct Reasons {
    /// Where in the tree it is being read.
    path: Vec<String>,
    lines: Vec<String>,
}

impl Reasons {
    /// Takes a text, a list, an issue (`{"path":["limit"],"message":"…"}`), or a tree whose levels have a list `_errors`
    /// of what is wrong there.
    fn take(&mut self, value: &RawValue) {
        if self.lines.len() >= MOST_REASONS || self.path.len() > MOST_LEVELS {
            return;
        }
        if let Some(text) = text_of(value) {
            self.add(text);
        } else if let Some(members) = read::<Members<'_>>(value) {
            match members.find("message").and_then(text_of) {
                Some(message) => self.take_issue(message, members.find("path")),
                None => members.0.iter().for_each(|(name, value)| self.step(name, value)),
            }
        } else {
            // A list is a level too, as is `_errors`: otherwise there would be no end to lists within lists.
            read::<Vec<&RawValue>>(value).into_iter().flatten().for_each(|value| self.step(ERRORS, value));
        }
    }

    fn step(&mut self, name: &str, value: &RawValue) {
        self.path.push(name.to_owned());
        self.take(value);
        self.path.pop();
    }

    fn take_issue(&mut self, message: String, path: Option<&RawValue>) {
        let level = self.path.len();
        match path.and_then(read::<Vec<&RawValue>>) {
            Some(steps) => self.path.extend(steps.into_iter().filter_map(step_of)),
            None => self.path.extend(path.and_then(step_of)),
        }
        self.add(message);
        self.path.truncate(level);
    }

    fn add(&mut self, text: String) {
        let steps: Vec<_> = self.path.iter().filter(|step| *step != ERRORS).map(String::as_str).collect();
        let line = match steps.join(".") {
            path if path.is_empty() => text,
            // It begins with the value that was sent, so the name before it makes it a sentence.
            path if text.starts_with('`') => format!("{path} {text}"),
            path => format!("{path}: {text}"),
        };
        if self.lines.len() < MOST_REASONS && !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }
}

/// The members of a JSON object, in their order, each as it stands there: nothing within them is looked at, so that no
/// depth is too deep.
#[derive(Default)]
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    fn find(&self, wanted: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

fn read<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Option<T> {
    serde_json::from_str(value.get()).ok()
}

/// A text that says something.
fn text_of(value: &RawValue) -> Option<String> {
    read::<String>(value)
        .map(|text| one_line(&text, MOST_CHARS).trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// A step of a path: a name, or the place in a list.
fn step_of(value: &RawValue) -> Option<String> {
    text_of(value).or_else(|| read::<u64>(value).map(|place| place.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_body::ErrorBody;
    use crate::usage_query::UsageQuery;
    use proptest::prelude::*;

    fn read(body: &str) -> Option<String> {
        ServerMessage::from_json(body).map(|message| message.to_string())
    }

    #[test]
    fn a_client_reads_what_a_server_writes() {
        let refused = UsageQuery::parse("limit=0&page=x").unwrap_err();
        let body = serde_json::to_string(&ErrorBody::from(&refused)).unwrap();
        assert_eq!(
            ServerMessage::from_json(&body).unwrap().to_string(),
            "Invalid request parameters: page `x` is not a whole number; limit `0` is out of range: this endpoint \
             takes 1 to 500"
        );
    }

    #[test]
    fn other_shapes_are_told_from_none() {
        assert_eq!(read(r#"{"error":"x","issues":5}"#).as_deref(), Some("x"));
        assert_eq!(read(r#"{"error":{"message":"y","type":null}}"#).as_deref(), Some("y"));
        for none in ["", "null", "[]", r#"{"error":null}"#, r#"{"error":5}"#, r#"{"message":"z"}"#] {
            assert_eq!(read(none), None, "{none}");
        }
        for none in
            ["{\"error\":\"x\"", r#"{"error":""}"#, r#"{"error":" \n "}"#, r#"{"details":{"_errors":[]}}"#]
        {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn the_reason_is_found_wherever_it_stands() {
        for (body, expect) in [
            (r#"{"error":"No","details":"pageSize is too large"}"#, "No: pageSize is too large"),
            (r#"{"error":"No","details":["one","two"]}"#, "No: one; two"),
            (
                r#"{"error":"No","details":{"_errors":["All of it"],"a":{"_errors":["Bad"]}}}"#,
                "No: All of it; a: Bad",
            ),
            // The tree's own order, and any depth of it.
            (
                r#"{"error":"No","details":{"z":{"_errors":["1"],"b":{"0":{"_errors":["2","3"]}}},"a":{"_errors":["4"]}}}"#,
                "No: z: 1; z.b.0: 2; z.b.0: 3; a: 4",
            ),
            (
                r#"{"error":"No","details":{"limit":"is one too many","n":5,"of":null}}"#,
                "No: limit: is one too many",
            ),
            (
                r#"{"error":"No","issues":[{"path":["filter","to",0],"message":"Bad"},{"code":"x","message":"Worse"}]}"#,
                "No: filter.to.0: Bad; Worse",
            ),
            (
                r#"{"error":"No","issues":[{"path":"limit","message":"Bad"},"and more"]}"#,
                "No: limit: Bad; and more",
            ),
            // What stands twice is said once.
            (
                r#"{"error":"No","details":{"_errors":[],"a":{"_errors":["Bad","Bad"]},"b":{"_errors":["Bad"]}},"issues":[{"path":["b"],"message":"Bad"}]}"#,
                "No: b: Bad; a: Bad",
            ),
            (r#"{"error":"No","details":"No"}"#, "No"),
            // Without a text of its own, and within the error.
            (r#"{"details":"Only here"}"#, "Only here"),
            (r#"{"error":null,"issues":[{"message":"Only here"}]}"#, "Only here"),
            (r#"{"error":{"message":"No","details":{"a":{"_errors":["Bad"]}}}}"#, "No: a: Bad"),
            (r#"{"error":{"code":"x","issues":[{"path":["a"],"message":"Bad"}]}}"#, "a: Bad"),
            // Twice the same name: the first counts.
            (r#"{"error":"first","error":"second"}"#, "first"),
        ] {
            assert_eq!(read(body).as_deref(), Some(expect), "{body}");
        }
    }

    #[test]
    fn what_is_said_cannot_steer_a_terminal() {
        let body = r#"{"error":"\u001b[2J a\r\n\tb ","details":{"\u202ex\u2028":{"_errors":["\u200bc\ufeff"," "]}}}"#;
        assert_eq!(read(body).as_deref(), Some("[2J a b: x : c"));
    }

    #[test]
    fn nothing_is_too_long_or_too_deep() {
        let long = format!(r#"{{"error":"{}"}}"#, "é".repeat(100_000));
        assert_eq!(read(&long), Some(format!("{}…", "é".repeat(MOST_CHARS))));

        let many: Vec<_> = (0..10_000).map(|n| format!(r#"{{"path":["p{n}"],"message":"m"}}"#)).collect();
        let many = read(&format!(r#"{{"error":"x","issues":[{}]}}"#, many.join(","))).unwrap();
        assert!(
            many.starts_with("x: p0: m; p1: m") && many.ends_with(&format!("; p{}: m", MOST_REASONS - 1)),
            "{many}"
        );

        for (open, close) in
            [("[", "]"), (r#"{"a":"#, "}"), (r#"{"_errors":"#, "}"), (r#"{"_errors":["#, "]}")]
        {
            let deep = |levels: usize| format!("{}\"deep\"{}", open.repeat(levels), close.repeat(levels));
            for place in ["details", "issues"] {
                let said = |levels| read(&format!(r#"{{"error":"x","{place}":{}}}"#, deep(levels))).unwrap();
                assert!(said(5).ends_with("deep"), "{}", said(5));
                assert_eq!(said(100_000), "x", "{open}");
            }
            assert_eq!(read(&format!(r#"{{"error":{}}}"#, deep(100_000))), None);
            assert_eq!(read(&deep(100_000)), None);
        }
    }

    /// JSON of any kind, with the names that are looked for more often than chance would have them.
    fn any_json() -> impl Strategy<Value = String> {
        let text =
            prop_oneof![any::<String>(), "[a-c]{0,3}"].prop_map(|text| serde_json::to_string(&text).unwrap());
        let name = prop_oneof![
            4 => prop::sample::select(vec!["error", "message", "details", "issues", "_errors", "path"]).prop_map(|name| format!("{name:?}")),
            1 => text.clone(),
        ];
        let leaf = prop_oneof![4 => text, 1 => prop::sample::select(vec!["null", "true", "-1", "1e999", "[]", "{}", "\"\\ud800\""]).prop_map(str::to_owned)];
        leaf.prop_recursive(6, 64, 6, move |inner| {
            let member = (name.clone(), inner.clone()).prop_map(|(name, value)| format!("{name}:{value}"));
            prop_oneof![
                1 => prop::collection::vec(inner, 0..6).prop_map(|values| format!("[{}]", values.join(","))),
                3 => prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(","))),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_body_gives_one_harmless_line_or_none(json in any_json(), cut in any::<prop::sample::Index>()) {
            // Whole, within the error, and cut anywhere.
            let cut = json.char_indices().map(|(at, _)| at).nth(cut.index(json.chars().count())).unwrap_or_default();
            let within = [format!(r#"{{"error":"No","details":{json}}}"#), format!(r#"{{"error":{json},"issues":{json}}}"#)];
            for body in [&json, &json[..cut], &within[0], &within[1]] {
                if let Some(said) = read(body) {
                    prop_assert!(!said.trim().is_empty());
                    prop_assert_eq!(&one_line(&said, MOST_CHARS + 1), &said);
                }
            }
            prop_assert!(read(&within[0]).is_some_and(|said| said.starts_with("No")));
        }
    }
}
