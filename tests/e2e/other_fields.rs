//! Fields that nobody documented: in what an export writes, in what is read of it, and in a batch.

use billing_testkit::Reply;

use crate::conversation::Request;
use crate::host::{HISTORY, Host, USAGE};
use crate::ingest::batches::post;
use crate::ledger::Ledger;
use crate::place::Place;
use crate::schemas::{Shape, check};
use crate::scripted::Scripted;

const HEADER: &str = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes,inferenceDetails.requestId,\
    inferenceDetails.inferenceExecutionTime,inferenceDetails.promptTokens,inferenceDetails.completionTokens";

/// An entry as a service may send it one day, with these members more.
fn row(members: &str) -> String {
    format!(
        r#"{{"region" : "eu", "timestamp":"2026-06-14T19:52:45.087Z","sku":"a","pricePerUnitUsd":1,"units":1,"amount":-1,"currency":"USD","notes":"cut \ud83d"{members}}}"#
    )
}

fn page(rows: &[String]) -> Reply {
    Reply::json(200, format!("{{\"data\":[{}],\"nextCursor\":null}}", rows.join(",")))
}

#[test]
fn an_export_has_what_nobody_documented_as_it_came() {
    let details = r#","inferenceDetails":{"cached": 1.50,"requestId":"r"},"tier":["\u0041 b",
        null],"apiKeyId":"k""#;
    let service = Scripted::answering(page(&[row(""), row(details)]));
    let json = |place: usize, details: &str, key: &str, more: &str| {
        let entry = format!(
            r#"{{"amount":-1,"apiKeyId":{key},"currency":"USD","inferenceDetails":{details},"notes":"cut {}","pricePerUnitUsd":1,"sku":"a","timestamp":"2026-06-14T19:52:45.087Z","units":1,"region":"eu"{more}}}"#,
            '\u{fffd}'
        );
        [entry.clone(), format!("{}{entry}", if place == 0 { "\n" } else { ",\n" })]
    };
    let with_details = r#"{"completionTokens":null,"inferenceExecutionTime":null,"promptTokens":null,"requestId":"r","cached":1.50}"#;
    let [one, first] = json(0, "null", "null", "");
    let [other, second] = json(1, with_details, "\"k\"", r#","tier":["\u0041 b",null]"#);

    let csv = format!("2026-06-14T19:52:45.087Z,a,1,1,-1,USD,cut {}", '\u{fffd}');
    let of_first = r#""{""region"":""eu""}""#;
    let of_second =
        r#""{""region"":""eu"",""tier"":[""\u0041 b"",null],""inferenceDetails"":{""cached"":1.50}}""#;
    let place = Place::new();
    for (format, flags, expect) in [
        ("ndjson", &[][..], format!("{one}\n{other}\n")),
        ("json", &[], format!("[{first}{second}\n]\n")),
        ("ndjson", &["--with-other-fields"], format!("{one}\n{other}\n")),
        ("csv", &[], format!("{HEADER}\n{csv},,,,\n{csv},r,,,\n")),
        ("csv", &["--with-api-key-id"], format!("{HEADER},apiKeyId\n{csv},,,,,\n{csv},r,,,,k\n")),
        (
            "csv",
            &["--with-other-fields"],
            format!("{HEADER},otherFields\n{csv},,,,,{of_first}\n{csv},r,,,,{of_second}\n"),
        ),
        (
            "csv",
            &["--with-other-fields", "--with-api-key-id"],
            format!("{HEADER},apiKeyId,otherFields\n{csv},,,,,,{of_first}\n{csv},r,,,,k,{of_second}\n"),
        ),
    ] {
        let run = service.export(&[&["--format", format], flags].concat()).done();
        assert_eq!(run.text(), expect, "{format} {flags:?}");
        assert!(!run.stderr.contains("other fields"), "{}", run.stderr);
        // What is written can be read, and comes out of a ledger as it went in.
        let file = place.write(&format!("{format}{}", flags.len()), run.text());
        let ledger = Ledger::from_file(&file);
        let host = Host::start(&ledger.path(), &[]);
        let key = ledger.key("default", "admin");
        let out = host.export(&key, &[&["--format", format], flags].concat()).done();
        assert_eq!(out.text(), expect, "{format} {flags:?}");
    }
}

/// Of a batch in each format that has a place for it; pages by cursor and by number have it, and text/csv has no place.
#[test]
fn a_page_has_what_a_batch_had_that_nobody_documented() {
    let ledger = Ledger::of(&[]);
    let (ingest, admin) = (ledger.key("default", "ingest"), ledger.key("default", "admin"));
    let host = Host::start(&ledger.path(), &[]);
    let details = r#","inferenceDetails":{"cached": 1.50,"requestId":"r"},"tier":["\u0041 b",null]"#;
    let rows = [row(""), row(details)].map(|row| row.replace(r" \ud83d", ""));
    let json = format!("[{}]", rows.join(","));
    let csv = format!(
        "{HEADER},otherFields\n2026-06-14T19:52:45.087Z,a,1,1,-1,USD,cut,,,,,\"{{\"\"region\"\":\"\"eu\"\"}}\"\n"
    );
    for (name, form, body) in [
        ("1", "application/x-ndjson", rows.join("\n")),
        ("2", "application/json", json),
        ("3", "text/csv", csv),
    ] {
        let answer = host.ask(&post(&ingest, name, form, body));
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    let entry = |details: &str, more: &str| {
        format!(
            r#"{{"amount":-1,"apiKeyId":null,"currency":"USD","inferenceDetails":{details},"notes":"cut","pricePerUnitUsd":1,"sku":"a","timestamp":"2026-06-14T19:52:45.087Z","units":1,"region":"eu"{more}}}"#
        )
    };
    let with_details = r#"{"completionTokens":null,"inferenceExecutionTime":null,"promptTokens":null,"requestId":"r","cached":1.50}"#;
    let one = entry("null", "");
    let other = entry(with_details, r#","tier":["\u0041 b",null]"#);
    let all = [&one, &other, &one, &other, &one].map(String::as_str).join(",");
    for (route, shape) in
        [(HISTORY.to_owned(), Shape::History), (format!("{USAGE}?sortOrder=asc"), Shape::Usage)]
    {
        let answer = host.ask(&Request::get(&route).bearing(&admin));
        assert!(answer.text().contains(&format!(r#""data":[{all}]"#)), "{}", answer.text());
        check(shape, answer.text()).unwrap();
    }
    let csv = host.ask(&Request::get(HISTORY).bearing(&admin).header("accept", "text/csv"));
    assert!(!csv.text().contains("region") && csv.text().lines().count() == 6, "{}", csv.text());
}

#[test]
fn an_export_over_text_csv_says_that_nothing_of_it_comes_so() {
    let row = "2026-06-14T19:52:45.087Z,a,1,1,-1,USD,n";
    let told = "no entry came with other fields. The text/csv of a service lacks them: use --wire json";
    let plain = Reply::new(
        200,
        "text/csv",
        format!("timestamp,sku,pricePerUnitUsd,units,amount,currency,notes\n{row}\n"),
    );
    let other = Reply::new(
        200,
        "text/csv",
        format!(
            "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes,otherFields\n{row},\"{{\"\"x\"\":1}}\"\n"
        ),
    );
    for (reply, flags, is_told, written) in [
        (&plain, &["--with-other-fields"][..], true, ""),
        (&plain, &[], false, ""),
        (&other, &["--with-other-fields"], false, r#""{""x"":1}""#),
    ] {
        let service = Scripted::answering(reply.clone());
        let run = service.export(&[&["--wire", "csv", "--format", "csv"], flags].concat()).done();
        assert_eq!(run.stderr.contains(told), is_told, "{}", run.stderr);
        assert!(
            run.text().ends_with(&format!(",,,,{}{written}\n", if flags.is_empty() { "" } else { "," })),
            "{}",
            run.text()
        );
    }
}

#[test]
fn a_row_of_a_batch_has_four_kibibytes_of_it_at_most() {
    let ledger = Ledger::of(&[]);
    let key = ledger.key("default", "ingest");
    let host = Host::start(&ledger.path(), &[]);
    let rows = |bytes: usize| {
        let more = format!(r#","x":"{}""#, "y".repeat(bytes - r#"{"region":"eu","x":""}"#.len()));
        format!("{}\n{}\n", row(""), row(&more)).replace(r" \ud83d", "")
    };
    let batch = |name: &str, body: String| host.ask(&post(&key, name, "application/x-ndjson", body));
    let answer = batch("small", rows(4096));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let answer = batch("large", rows(4097));
    assert_eq!(answer.status, 422, "{}", answer.text());
    let said = "its fields that are not documented have 4097 bytes of JSON, at most 4096 are taken";
    assert!(answer.text().contains(said) && answer.text().contains(r#""row":2"#), "{}", answer.text());
}
