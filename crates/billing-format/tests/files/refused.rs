//! Files that are refused: the message says what the file is, and what to do about it.

use billing_format::InputErrorKind;
use billing_model::BadRows;
use std::error::Error;

use crate::support::{HEADER, check_refused, gzip, message, object, pretty, read, row, time, wrapped, zstd};

fn separated(separator: char, rows: usize) -> String {
    let text: String = (1..=rows).map(|number| row(number, "n")).collect();
    format!("{HEADER}\n{text}").replace(',', &separator.to_string())
}

#[test]
fn columns_that_are_not_separated_by_commas_are_told() {
    let semicolons = "header (line 1): the columns are separated by `;`, as spreadsheets write CSV where numbers have \
                      decimal commas: save it with `,` between columns and `.` in numbers";
    let german = format!(
        "{};x\n2026-06-15T19:05:10.504Z;m;4,84;0,000227;-0,00109868;USD;n;\n",
        HEADER.replace(',', ";")
    );
    let quoted = |separator: &str| format!("\"{}\"\n", HEADER.replace(',', &format!("\"{separator}\"")));
    for text in [
        separated(';', 2),
        separated(';', 0),
        german.clone(),
        german.replace("timestamp;", "timestamp;a,b;"),
        quoted(";"),
        format!("{}1;2;3;4;5;6;7\n", quoted(";")),
        separated(';', 1).replace("timestamp", "Timestamp").replace("sku;", "SKU;"),
        separated(';', 1).replace("pricePerUnitUsd", "price_per_unit_usd"),
        format!("\n\n{german}").replace("\n\n", ""),
        german.repeat(500),
    ] {
        check_refused(&text, semicolons);
    }
    let tabs = "header (line 1): the columns are separated by tabs: save it with `,` between columns";
    check_refused(&separated('\t', 2), tabs);
    check_refused(&separated('\t', 0), tabs);
    check_refused(&quoted("\t"), tabs);
    check_refused(&separated('|', 1), "header (line 1): the columns are separated by `|`: save it with");
    // The header is below a title, or below blank lines.
    check_refused(&format!("Usage of June\n{german}"), &semicolons.replace("line 1", "line 2"));
    check_refused(&format!("a,b\nc\n\n{}", separated('\t', 1)), &tabs.replace("line 1", "line 4"));
    check_refused(&format!("\n\n{german}"), &semicolons.replace("line 1", "line 3"));
}

#[test]
fn a_line_for_spreadsheets_is_told() {
    let rows = format!("{HEADER}\n{}", row(1, "n"));
    for text in
        [format!("sep=,\n{rows}"), format!("SEP=,\n{rows}"), "sep=,".to_owned(), format!("\nsep=,\n{rows}")]
    {
        let line = if text.starts_with('\n') { 2 } else { 1 };
        check_refused(
            &text,
            &format!("header (line {line}): the line `sep=,` is for spreadsheets: remove it"),
        );
    }
    for text in [
        format!("sep=;\n{}", separated(';', 1)),
        format!("Sep=;\n{rows}"),
        format!("sep=\t\n{}", separated('\t', 1)),
        format!("sep=|\n{}", separated('|', 1)),
        "sep=;".to_owned(),
    ] {
        check_refused(
            &text,
            "header (line 1): the line `sep=` is for spreadsheets: remove it, and save the file with `,`",
        );
    }
    check_refused("sep=two\n1\n", "header (line 1): columns are missing");
}

#[test]
fn lines_above_the_header_are_told() {
    let rows = format!("{HEADER}\n{}{}", row(1, "n"), row(2, "n"));
    for (above, line) in [
        ("Usage\n", 2),
        ("Usage of June 2026, by key\n", 2),
        ("Usage\n\n", 3),
        ("Usage\nmade on 2026-07-01\n\n", 4),
        ("\"Usage,\nof June\"\n", 3),
        (",,,,,,\n", 2),
        ("# a comment\n# another\n", 3),
        ("a,b,c\n1,2,3\n", 3),
        ("x\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx\n", 21),
        ("account,default\nsku,all\n", 3),
    ] {
        let is_in_a_value = above.contains("Usage,\n");
        let expect =
            format!("header (line 1): is no header, but line {line} is: remove what stands above that");
        if is_in_a_value {
            assert_eq!(message(&read(format!("{above}{rows}").as_bytes()).unwrap_err()), expect);
        } else {
            check_refused(&format!("{above}{rows}"), &expect);
        }
    }
    check_refused(
        &format!("{}{rows}", "x\n".repeat(21)),
        "header (line 1): columns are missing: `timestamp`",
    );
    check_refused("Usage\nof June\n", "header (line 1): columns are missing: `timestamp`");
    check_refused(&row(1, "n"), "header (line 1): columns are missing: `timestamp`");
}

#[test]
fn a_column_that_is_missing_is_looked_for_under_another_name() {
    let with = |from: &str, to: &str| format!("{}\n{}", HEADER.replace(from, to), row(1, "n"));
    for (from, to, shown) in [
        ("pricePerUnitUsd", "price_per_unit_usd", "price_per_unit_usd"),
        ("pricePerUnitUsd", "Price per unit (USD)", "Price per unit (USD)"),
        ("timestamp", "Timestamp", "Timestamp"),
        (",sku", ", sku", " sku"),
        ("amount", "AMOUNT", "AMOUNT"),
        ("notes", "Notes", "Notes"),
    ] {
        let name = from.trim_start_matches(',');
        let expect =
            format!("header (line 1): a column is missing: `{name}` (`{shown}` looks like it: rename it)");
        check_refused(&with(from, to), &expect);
    }
    check_refused(&with("amount", "cost"), "header (line 1): a column is missing: `amount`");
    // The same in the header of a file that was put behind another one.
    let again = HEADER.replace("amount", "Amount");
    let text = format!("{HEADER}\n{}{again}\n{}", row(1, "n"), row(2, "n"));
    check_refused(
        &text,
        "record 2 (line 3): a column is missing: `amount` (`Amount` looks like it: rename it)",
    );
    let text = format!("{HEADER}\n{}{HEADER},sku\n{}", row(1, "n"), row(2, "n"));
    check_refused(&text, "record 2 (line 3): the column `sku` is there twice");
}

/// Files in UTF-16 of both byte orders, with a byte order mark and without, plain and compressed.
#[test]
fn utf16_is_told() {
    let rows = format!("{HEADER}\n{}", row(1, "ü 😀"));
    let entry = object(1, "\"n\"", "");
    for text in [
        rows.clone(),
        rows.replace('\n', "\r\n"),
        rows.replace(',', "\t"),
        rows.replace(',', ";"),
        format!("\n{rows}"),
        "sep=,\n".to_owned() + &rows,
        entry.clone(),
        pretty(&entry),
        format!("[{entry}]"),
        format!("{{\"data\":[{entry}]}}"),
        rows.repeat(1000),
    ] {
        for mark in ["\u{feff}", ""] {
            for big in [true, false] {
                let units = format!("{mark}{text}");
                let bytes: Vec<u8> = units
                    .encode_utf16()
                    .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
                    .collect();
                for bytes in [gzip(&bytes), zstd(&bytes), bytes] {
                    let error = read(&bytes).unwrap_err();
                    assert_eq!(message(&error), "is UTF-16 text: save it as UTF-8", "{text}");
                }
            }
        }
    }
}

/// The first bytes of real archives. The rest of a file is not looked at.
#[test]
fn archives_and_spreadsheets_are_told() {
    let zip = |name: &str| {
        [b"PK\x03\x04\x14\0\x06\0\x08\0".as_slice(), &[0; 20], name.as_bytes(), &[7; 5000]].concat()
    };
    for (bytes, expect) in [
        (zip("usage.csv"), "is a zip archive: unpack it first"),
        (zip("usage/usage.csv"), "is a zip archive: unpack it first"),
        (zip("[Content_Types].xml"), "is a spreadsheet (xlsx): save it as CSV"),
        (zip("_rels/.rels"), "is a spreadsheet (xlsx): save it as CSV"),
        (zip("xl/workbook.xml"), "is a spreadsheet (xlsx): save it as CSV"),
        (zip("docProps/app.xml"), "is a spreadsheet (xlsx): save it as CSV"),
        (
            zip("mimetypeapplication/vnd.oasis.opendocument.spreadsheet"),
            "is a spreadsheet (ods): save it as CSV",
        ),
        (b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(), "is a zip archive with nothing in it"),
        (
            [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".as_slice(), &[0; 1000]].concat(),
            "is a spreadsheet (xls): save it as CSV",
        ),
        (b"BZh91AY&SY".to_vec(), "is compressed with bzip2: decompress it first"),
        (b"\xfd7zXZ\0\0\x04".to_vec(), "is compressed with xz: decompress it first"),
        (b"7z\xbc\xaf\x27\x1c\0\x04".to_vec(), "is a 7z archive: unpack it first"),
        ([&[b'u'; 100][..], &[0; 157], b"ustar\0", &[0; 300]].concat(), "is a tar archive: unpack it first"),
        (
            b"SQLite format 3\0\x10\0".to_vec(),
            "is an SQLite database, such as a ledger, and no file of entries",
        ),
    ] {
        for bytes in [gzip(&bytes), zstd(&bytes), bytes] {
            let error = read(&bytes).unwrap_err();
            assert!(matches!(error.kind(), InputErrorKind::Foreign(_)), "{error:?}");
            assert_eq!(message(&error), expect);
            assert!(error.is_fatal() && error.row().is_none());
        }
    }
}

#[test]
fn an_answer_of_a_service_that_failed_is_told() {
    let what = "is what a service answers when it fails, and no entry: ";
    let entry = object(1, "\"n\"", "");
    for (text, place, said) in [
        (r#"{"error":"Authentication failed"}"#, "line 1", "Authentication failed"),
        ("{\n  \"error\": \"Authentication failed\"\n}", "entry 1", "Authentication failed"),
        (r#"{"error":{"message":"Too many","code":429}}"#, "line 1", "Too many"),
        ("{\"error\":\n{\"message\":\"Too many\"}}", "entry 1", "Too many"),
        (
            r#"{"error":"Invalid","details":{"limit":{"_errors":["Too large"]}}}"#,
            "line 1",
            "Invalid: limit: Too large",
        ),
        (r#"{"statusCode":500,"error":"Internal"}"#, "line 1", "Internal"),
        (r#"[{"error":"no"}]"#, "entry 1", "no"),
        (r#"{"data":[{"error":"no"}]}"#, "entry 1", "no"),
        ("{\"error\":\"cut \\ud83d\"}\n", "line 1", "cut"),
    ] {
        if text.contains("ud83d") {
            // Half a character in a service's message is not mended. The text is refused all the same.
            check_refused(text, "line 1");
        } else {
            check_refused(text, &format!("{place}: {what}{said}"));
        }
    }
    // The error is in the middle or at the end of the file.
    let error = r#"{"error":"no"}"#;
    check_refused(&format!("{entry}\n{error}\n{entry}"), &format!("line 2: {what}no"));
    check_refused(&format!("{entry}\n{error}"), &format!("line 2: {what}no"));
    check_refused(&format!("{}\n{}", pretty(&entry), pretty(error)), &format!("entry 2: {what}no"));
    check_refused(&format!("{{\"data\":[{entry}]}}\n{error}"), &format!("entry 2: {what}no"));
    // An object that is neither an entry nor a page.
    let neither = "entry 1: the object is no entry, and without an array `data` no page";
    check_refused("{\n\"rows\":[]}", neither);
    check_refused("{\n}", neither);
    check_refused(r#"{"error":null}"#, "line 1, field `currency`: is missing");
}

/// A file of the format. Each row is good or bad, as `rows` says.
fn file(format: &str, rows: &[bool]) -> String {
    let amount = |is_good| if is_good { "-7" } else { "\"x\"" };
    let objects = rows.iter().enumerate().map(|(number, is_good)| {
        object(number, "\"n\"", "").replacen(&format!("-{number}"), amount(*is_good), 1)
    });
    let objects: Vec<_> = objects.collect();
    match format {
        "csv" => {
            let rows = rows.iter().enumerate().map(|(number, is_good)| {
                row(number, "n").replacen(
                    &format!("-{number},USD"),
                    &format!("{},USD", if *is_good { "-7" } else { "x" }),
                    1,
                )
            });
            format!("{HEADER}\n{}", rows.collect::<String>())
        }
        "ndjson" => objects.iter().map(|object| format!("{object}\n")).collect(),
        "stream" => objects.iter().map(|object| format!("{}\n", pretty(object))).collect(),
        "array" => format!("[{}]", objects.join(",\n")),
        _ => format!("{{\"data\":[{}],\"nextCursor\":null}}", objects.join(",\n")),
    }
}

fn place(format: &str, number: usize) -> String {
    match format {
        "csv" => format!("record {} (line {}), column", number + 1, number + 2),
        "ndjson" => format!("line {}, field", number + 1),
        _ => format!("entry {}, field", number + 1),
    }
}

/// Few and many bad rows, among few and many rows, at the start, in the middle and at the end.
#[test]
fn every_bad_row_is_named_up_to_twenty_with_its_timestamp() {
    for format in ["csv", "ndjson", "stream", "array", "page"] {
        for (rows, bad) in [
            (1, vec![0]),
            (3, vec![0]),
            (3, vec![1]),
            (3, vec![2]),
            (3, vec![0, 2]),
            (3, vec![0, 1, 2]),
            (100, vec![0, 50, 99]),
            (100, (0..20).collect()),
            (100, (40..61).collect()),
            (100, (0..100).collect()),
            (12_000, vec![11_999]),
            (12_000, vec![0, 6_000, 11_999]),
            (12_000, (11_000..12_000).collect()),
        ] {
            let good: Vec<_> = (0..rows).map(|number| !bad.contains(&number)).collect();
            let text = file(format, &good);
            let line = |number: &usize| {
                let at = time(*number);
                format!("{} `amount`: `x` is not a decimal number (timestamp {at})", place(format, *number))
            };
            let files =
                if rows > 1000 { vec![(String::new(), gzip(text.as_bytes()))] } else { wrapped(&text) };
            for (how, bytes) in files {
                let error = read(&bytes).unwrap_err();
                assert_eq!(error.field(), Some("amount"), "{how}");
                assert_eq!(error.row(), Some(bad[0] as u64 + 1), "{how}");
                let expect: Vec<_> = bad.iter().take(20).map(line).collect();
                if let [alone] = &*expect
                    && bad.len() == 1
                {
                    assert_eq!(message(&error), *alone, "{how}");
                    continue;
                }
                assert_eq!(error.to_string(), format!("{} rows cannot be read", bad.len()));
                assert_eq!(error.kind(), InputErrorKind::Rows(bad.len() as u64));
                let mut lines: Vec<_> =
                    error.source().unwrap().downcast_ref::<BadRows>().unwrap().lines().collect();
                if bad.len() > 20 {
                    assert_eq!(lines.pop(), Some(format!("and {} more", bad.len() - 20)));
                }
                assert_eq!(lines, expect, "{how}");
            }
        }
    }
}

#[test]
fn bad_rows_of_different_kinds_are_named_side_by_side() {
    let text = format!(
        "{HEADER}\n{}{}2026-06-15T00:00:09Z,s\n{}x,{}\n",
        row(1, "n"),
        row(2, "n").replace("USD", "USD,more"),
        row(3, "\"n\"x"),
        &row(4, "n")[25..].trim_end()
    );
    let error = read(text.as_bytes()).unwrap_err();
    let lines: Vec<_> = error.source().unwrap().downcast_ref::<BadRows>().unwrap().lines().collect();
    assert_eq!(
        lines,
        [
            "record 2 (line 3): 8 fields where the header has 7 (timestamp 2026-06-15T00:00:02.504Z)",
            "record 3 (line 4): 2 fields where the header has 7 (timestamp 2026-06-15T00:00:09.000Z)",
            "record 4 (line 5), column `notes`: there is text after the closing quote (timestamp 2026-06-15T00:00:03.504Z)",
            "record 5 (line 6), column `timestamp`: `x` is not an RFC 3339 date-time such as 2026-06-15T19:05:10.504Z",
        ]
    );
    let good = object(1, "\"n\"", "");
    let text = format!(
        "{}\n[]\nnull\n{good}\n{}\n{{\"timestamp\":\"2026-06-15T00:00:09Z\",\"amount\":-1",
        good.replace("\"USD\"", "5"),
        good.replace("\"units\":1", "\"units\":1,\"units\":2"),
    );
    let error = read(text.as_bytes()).unwrap_err();
    let lines: Vec<_> = error.source().unwrap().downcast_ref::<BadRows>().unwrap().lines().collect();
    let starts = [
        ("line 1, field `currency`: is not a string", true),
        ("line 2: is not a usage entry: invalid type: sequence", false),
        ("line 3: is not a usage entry: invalid type: null", false),
        ("line 5: is not a usage entry: duplicate field `units`", true),
        ("line 6: is not a usage entry: EOF", true),
    ];
    assert_eq!(lines.len(), starts.len(), "{lines:?}");
    for (line, (start, with_time)) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
        assert_eq!(line.contains("(timestamp 2026-06-15T00:00:0"), with_time, "{line}");
    }
}
