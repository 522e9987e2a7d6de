//! Proof that the short way and the long way read the same: tables of what takes which, and random damage.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::decode_error::DecodeError;
use crate::entry::UsageEntry;
use crate::entry_json::{Reading, read_entry};
use crate::page::{MAX_ROWS, Page, read_history, read_mending, read_usage};
use crate::plain_entry;

/// The members of an entry, keys and values as they stand in the text, in upstream's order.
const MEMBERS: [(&str, &str); 9] = [
    ("amount", "-4e-8"),
    ("apiKeyId", "null"),
    ("currency", r#""DIEM""#),
    (
        "inferenceDetails",
        r#"{"completionTokens":50.0,"inferenceExecutionTime":null,"promptTokens":7,"requestId":"chatcmpl-1"}"#,
    ),
    ("notes", r#""API Inference – é""#),
    ("pricePerUnitUsd", "0.0023000000000000004"),
    ("sku", r#""kimi-k2-7-code-llm-cache-input-mtoken""#),
    ("timestamp", r#""2026-06-26T11:11:34.193Z""#),
    ("units", "12"),
];

fn object<S: AsRef<str>>(members: &[(S, S)], colon: &str, comma: &str) -> String {
    let members = members.iter().map(|(key, value)| format!("\"{}\"{colon}{}", key.as_ref(), value.as_ref()));
    format!("{{{}}}", members.collect::<Vec<_>>().join(comma))
}

/// The text with one piece of it replaced.
fn with(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

/// What was read, or all that an error says: entry, field, cut off or not, and the cause with its place.
fn told<T>(read: Result<T, DecodeError>) -> Result<T, String> {
    read.map_err(|error| format!("{error}: {error:?}"))
}

/// Reads an entry in both ways, and says whether the short one had it.
fn check_entry(text: &str) -> bool {
    let long = told(read_entry(text, Reading::Lenient));
    let short = plain_entry::entry(text);
    if let Some(short) = &short {
        assert_eq!(Ok(short), long.as_ref(), "{text}");
    }
    assert_eq!(told(UsageEntry::from_json(text)), long, "{text}");
    let strict = told(read_entry(text, Reading::Strict));
    assert_eq!(told(UsageEntry::from_json_strict(text)), strict, "{text}");
    assert!(strict == long || text.contains("unit\""), "{text}");
    short.is_some()
}

/// Reads a page of either endpoint in both ways, and says whether the short one had the entries.
fn check_page(text: &str) -> bool {
    assert_eq!(told(Page::from_usage_json_noting(text)), told(read_mending(text, read_usage)), "{text}");
    assert_eq!(told(Page::from_history_json_noting(text)), told(read_mending(text, read_history)), "{text}");
    plain_entry::entries(text, text, MAX_ROWS).is_some()
}

#[test]
fn entries_that_services_send_take_the_short_way() {
    let row = object(&MEMBERS, ":", ",");
    let mut reversed = MEMBERS;
    reversed.reverse();
    for text in [
        row.clone(),
        object(&MEMBERS, "\t: ", " ,\r\n"),
        object(&reversed, ":", ","),
        format!(" {row}\n"),
        with(&row, r#""apiKeyId":null,"#, ""),
        with(&row, "null", r#""e28e82dc""#),
        with(&row, "null", r#""""#),
        with(&row, "50.0", r#""50""#),
        with(&row, "-4e-8", "0"),
        with(&row, "-4e-8", r#""-4E-08""#),
        with(&row, "\"units\"", "\"unit\""),
        with(&row, r#""units":12"#, r#""units":null,"unit":2"#),
        with(&row, MEMBERS[4].1, "null"),
        with(&row, "API", r"\u0041\ud83d\ude00\t\/"),
        with(&row, "{", r#"{"aFieldOfTheFuture":[{"x":[1,2.5e400]},"\n",true],"another":0,"#),
        with(&row, r#""promptTokens":7"#, r#""promptTokens":7,"cachedTokens":5"#),
        with(&row, "DIEM", "NEW"),
        with(&row, "11:34.193Z", "11:34Z"),
        with(&row, MEMBERS[3].1, "null"),
        with(&row, MEMBERS[3].1, "{}"),
    ] {
        assert!(check_entry(&text), "{text}");
    }
}

#[test]
fn odd_and_wrong_entries_take_the_long_way() {
    let row = object(&MEMBERS, ":", ",");
    let units = |to: &str| with(&row, r#""units":12"#, to);
    let number = |to: &str| with(&row, "12}", &format!("{to}}}"));
    for text in [
        String::new(),
        format!("\u{feff}{row}"),
        format!("{row}}}"),
        format!("{row} x"),
        row[..row.len() - 1].to_owned(),
        row.replace('"', "'"),
        row.replace(",", ",,"),
        with(&row, "{", "{,"),
        units(r#""units" 12"#),
        units(r#""Units":12"#),
        units(r#""\u0075nits":12"#),
        units(r#""units":12,"units":12"#),
        units(r#""units":null,"units":12"#),
        units(r#""unit":"mtoken","units":12"#),
        units(r#""unit":2,"units":12"#),
        with(&row, r#""promptTokens":7"#, r#""promptTokens":7,"promptTokens":7"#),
        with(&row, r#""apiKeyId":null"#, r#""apiKeyId":5"#),
        with(&row, "API", "A\u{1f}I"),
        with(&row, "API", "A\nI"),
        with(&row, "DIEM", "DIEM\n"),
        with(&row, "\"amount", "\"\tamount"),
        with(&row, "amount", "amount\r"),
        with(&row, "API", r"\ud800"),
        with(&row, "API", r"\x41"),
        with(&row, "API", "\""),
        with(&row, "2026-06-26T11:11:34.193Z", "2026-06-26"),
        with(&row, MEMBERS[3].1, r#"[null,1,2,"r"]"#),
        with(&row, MEMBERS[3].1, &format!("{}1{}", "[".repeat(200), "]".repeat(200))),
        object(&MEMBERS, "\u{a0}:", ","),
        object(&MEMBERS, ":\u{c}", ","),
        format!("[{}]", MEMBERS.map(|(_, value)| value).join(",")),
    ] {
        assert!(!check_entry(&text), "{text}");
    }
    for text in [
        "12,",
        "012",
        "-01",
        "+12",
        "12.",
        ".5",
        "1e400",
        "\"\"",
        "\" 12\"",
        r#""\u0031""#,
        "nul",
        "null",
        "[12]",
        "true",
        "1 2",
        "1-2",
        "0x1",
        "NaN",
        "",
    ] {
        assert!(!check_entry(&number(text)), "{text}");
    }
}

#[test]
fn any_page_of_plain_entries_takes_the_short_way() {
    let row = object(&MEMBERS, ":", ",");
    let rest = r#""pagination":{"limit":5,"page":1,"total":2,"totalPages":1}"#;
    for text in [
        format!(r#"{{"data":[],{rest}}}"#),
        format!(r#"{{"data":[{row},{row}],"nextCursor":"a-_",{rest},"warningMessage":"\"data\":[1]"}}"#),
        format!(
            r#" {{ {rest} , "nextCursor" : null , "warningMessage" : "\u00e9" , "data" : [ {row} , {row} ] }} "#
        ),
        format!(r#"{{"x":{{"data":[1]}},"y":"\"data\":[1]","metadata":[],"dat":[],"data":[{row}],{rest}}}"#),
        format!(r#"{{"data":[{}],{rest}}}"#, vec![&*row; MAX_ROWS].join(",")),
    ] {
        assert!(check_page(&text), "{text}");
        assert!(Page::from_usage_json(&text).is_ok() && Page::from_history_json(&text).is_ok(), "{text}");
    }
    // The entries are well, and what is wrong with the rest is still said.
    for rest in ["", r#","data":[]"#, r#","nextCursor":"é""#, ",", "]", r#","pagination":{"limit":-1}"#] {
        assert!(check_page(&format!(r#"{{"data":[{row}]{rest}}}"#)), "{rest}");
    }
    for data in [
        "null",
        "{}",
        "[",
        "[,]",
        "[{}]",
        "[1]",
        &format!("[{row},]"),
        &format!("[{row}"),
        &format!("[{row} {row}]"),
    ] {
        assert!(!check_page(&format!(r#"{{"data":{data},{rest}}}"#)), "{data}");
    }
    assert!(!check_page(&format!(r#"{{"data":[{}],{rest}}}"#, vec![&*row; MAX_ROWS + 1].join(","))));
    assert!(!check_page(&format!(r#"{{"d\u0061ta":[{row}],{rest}}}"#)));
    assert!(!check_page(&format!(r#"{{"\"":5,"data":[{row}],{rest}}}"#)));
    assert!(!check_page(&format!(r#"[[{row}],null]"#)));
}

/// A value that some key has, or that none should have.
fn any_value() -> impl Strategy<Value = String> {
    const ODD: [&str; 18] = [
        "null",
        "true",
        "[]",
        "{}",
        "[[{\"a\":1}]]",
        "\"\"",
        r#""\u00e9""#,
        r#""\ud800""#,
        "\"0.50\"",
        "1e-30",
        "01",
        "-",
        "-0",
        "-0.0e5",
        r#"{"requestId":""}"#,
        r#"{"requestId":null,"x":{}}"#,
        r#"{"promptTokens":1,"promptTokens":null}"#,
        r#"[null,1,2,"r"]"#,
    ];
    prop_oneof![
        4 => select(&MEMBERS[..]).prop_map(|(_, value)| value.to_owned()),
        2 => select(&ODD[..]).prop_map(str::to_owned),
        2 => r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][-+]?[0-9]{1,3})?",
        1 => "\"[0-9]{1,3}[.][0-9]{1,3}\"",
        1 => "\"[ -~é–]{0,20}\"",
    ]
}

fn any_key() -> impl Strategy<Value = String> {
    const OTHER: [&str; 7] = ["unit", "requestId", "x", "amoun", "amounts", "", r"un\u0069ts"];
    prop_oneof![select(MEMBERS.map(|(key, _)| key).to_vec()), select(&OTHER[..])].prop_map(str::to_owned)
}

/// An object of these members in any order, with whatever space.
fn spaced(members: impl Strategy<Value = Vec<(String, String)>>) -> impl Strategy<Value = String> {
    let space = || select(&["", "", "", " ", "\n\t", "\r "][..]);
    let shuffled =
        members.prop_flat_map(|members| prop_oneof![Just(members.clone()), Just(members).prop_shuffle()]);
    (shuffled, space(), space())
        .prop_map(|(members, colon, comma)| object(&members, &format!("{colon}:"), &format!(",{comma}")))
}

fn plain_members() -> impl Strategy<Value = Vec<(String, String)>> {
    Just(MEMBERS.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec())
}

/// An entry: some members are missing, added, twice, or have another value.
fn any_entry() -> impl Strategy<Value = String> {
    let own = MEMBERS.map(|(key, value)| {
        let value =
            prop_oneof![40 => Just(Some(value.to_owned())), 1 => Just(None), 2 => any_value().prop_map(Some)];
        value.prop_map(move |value| value.map(|value| (key.to_owned(), value)))
    });
    let added = prop::option::weighted(0.3, (any_key(), any_value()));
    spaced((own, added).prop_map(|(own, added)| own.into_iter().flatten().chain(added).collect()))
}

/// A page of either endpoint, with entries that are mostly plain.
fn any_page() -> impl Strategy<Value = String> {
    const AROUND: [(&str, &str); 8] = [
        ("nextCursor", "\"a-_\""),
        ("nextCursor", "null"),
        ("nextCursor", "\"é\""),
        ("warningMessage", r#""\"data\":[]""#),
        ("warningMessage", "5"),
        ("x", r#"{"data":[1]}"#),
        ("data", "[]"),
        ("pagination", "null"),
    ];
    let entry = prop_oneof![8 => spaced(plain_members()), 1 => any_entry()];
    let data = prop::collection::vec(entry, 0..4).prop_map(|rows| format!("[{}]", rows.join(",")));
    let around = prop::collection::vec(select(&AROUND[..]), 0..3);
    spaced((data, around).prop_map(|(data, around)| {
        let pagination = r#"{"limit":5,"page":1,"total":2,"totalPages":1}"#;
        let own = [("data", &*data), ("pagination", pagination)];
        own.into_iter().chain(around).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }))
}

/// A change to a text: its place; whether it is put off to the next mark, and how far behind that; how many bytes go;
/// what comes instead.
type Change = (Index, Option<usize>, usize, String);

fn any_changes() -> impl Strategy<Value = Vec<Change>> {
    const PIECES: [&str; 24] = [
        "\"",
        "\\",
        ",",
        ":",
        "{",
        "}",
        "[",
        "]",
        " ",
        "\n",
        "\u{b}",
        "\0",
        "\u{feff}",
        "0",
        "-",
        ".",
        "e5",
        "E+1",
        "null",
        "\"x\":1,",
        "\\u0041",
        "\\ud800",
        "é",
        "99999999999999999999",
    ];
    let piece = prop_oneof![
        2 => Just(String::new()),
        3 => select(&PIECES[..]).prop_map(str::to_owned),
        1 => "[ -~]",
    ];
    let gone = prop_oneof![3 => 0usize..3, 1 => 0usize..200, 1 => Just(usize::MAX)];
    prop::collection::vec((any::<Index>(), prop::option::of(0usize..2), gone, piece), 1..4)
}

fn changed(text: &str, changes: &[Change]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (place, mark, gone, piece) in changes {
        let mut start = place.index(bytes.len() + 1);
        if let Some(behind) = mark {
            start += bytes[start..].iter().take_while(|byte| !b"\",:{}[]".contains(byte)).count() + behind;
        }
        let start = start.min(bytes.len());
        let end = start.saturating_add(*gone).min(bytes.len());
        bytes.splice(start..end, piece.bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn both_ways_agree_on_entries(text in any_entry()) {
        check_entry(&text);
    }

    #[test]
    fn both_ways_agree_on_damaged_entries(text in spaced(plain_members()), changes in any_changes()) {
        check_entry(&changed(&text, &changes));
    }

    #[test]
    fn both_ways_agree_on_pages(text in any_page()) {
        check_page(&text);
    }

    #[test]
    fn both_ways_agree_on_damaged_pages(text in any_page(), changes in any_changes()) {
        check_page(&changed(&text, &changes));
    }
}
