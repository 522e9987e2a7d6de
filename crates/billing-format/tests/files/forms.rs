//! Unusual files that are read: files put one behind the other, blank rows, objects of several lines, empty notes.

use crate::support::{HEADER, check_read, object, pretty, read, row, wrapped};

const LONG: &str = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes,apiKeyId";

/// A header in another order, with one column less.
const OTHER: &str = "notes,currency,amount,units,pricePerUnitUsd,sku,timestamp";

fn other(number: usize) -> String {
    let row = row(number, "n");
    let mut fields: Vec<_> = row.trim_end().split(',').collect();
    fields.reverse();
    fields.join(",") + "\n"
}

#[test]
fn a_header_that_comes_again_was_a_bad_row() {
    let rows = |numbers: &[usize]| numbers.iter().map(|number| row(*number, "n")).collect::<String>();
    let again = |times: usize| match times {
        1 => "1 header came again".to_owned(),
        times => format!("{times} headers came again"),
    };
    let (one, two) = (again(1), again(2));
    for (text, numbers, noticed) in [
        // A second header at the start, in the middle, at the end; two in a row; nothing but headers.
        (format!("{HEADER}\n{HEADER}\n{}", rows(&[1, 2])), &[1, 2][..], &[&*one][..]),
        (format!("{HEADER}\n{}{HEADER}\n{}", rows(&[1]), rows(&[2])), &[1, 2], &[&one]),
        (format!("{HEADER}\n{}{HEADER}\n", rows(&[1, 2])), &[1, 2], &[&one]),
        (format!("{HEADER}\n{}{HEADER}", rows(&[1, 2])), &[1, 2], &[&one]),
        (format!("{HEADER}\n{HEADER}\n{HEADER}"), &[], &[&two]),
        (format!("{HEADER}\n{}\n\n{HEADER}\n\n{}", rows(&[1]), rows(&[2])), &[1, 2], &[&one]),
        // The second file has its own byte order mark, quotes, other columns, or another order.
        (format!("{HEADER}\n{}\u{feff}{HEADER}\n{}", rows(&[1]), rows(&[2])), &[1, 2], &[&one]),
        (
            format!("{HEADER}\n{}\"timestamp\",{}\n{}", rows(&[1]), &HEADER[10..], rows(&[2])),
            &[1, 2],
            &[&one],
        ),
        (format!("{HEADER}\n{}{OTHER}\n{}{}", rows(&[1]), other(2), other(3)), &[1, 2, 3], &[&one]),
        (format!("{OTHER}\n{}{HEADER}\n{}{OTHER}\n{}", other(1), rows(&[2]), other(3)), &[1, 2, 3], &[&two]),
        (format!("{HEADER}\n{}{LONG}\n{}", rows(&[1]), row(2, "n,key")), &[1, 2], &[&one]),
        (format!("{LONG}\n{}{HEADER}\n{}", row(1, "n,key"), rows(&[2])), &[1, 2], &[&one]),
        (
            format!("{HEADER}\n{}{}\n{}", rows(&[1]), HEADER.replace("units", "unit"), rows(&[2])),
            &[1, 2],
            &[&one],
        ),
    ] {
        check_read(&text, numbers, noticed);
    }
    let text = format!("{HEADER}\n{}{OTHER}\n{}{LONG}\n{}", row(1, "a"), other(2), row(3, "c,key"));
    let (entries, _) = read(text.as_bytes()).unwrap();
    let told: Vec<_> =
        entries.iter().map(|entry| (entry.notes.as_str(), entry.api_key_id.as_deref())).collect();
    assert_eq!(told, [("a", None), ("n", None), ("c", Some("key"))]);
    let many: String = (0..200)
        .map(|page| format!("{HEADER}\n{}", rows(&(page * 100..page * 100 + 100).collect::<Vec<_>>())))
        .collect();
    let (entries, notices) = read(many.as_bytes()).unwrap();
    assert_eq!((entries.len(), notices), (20_000, vec!["199 headers came again".to_owned()]));
}

#[test]
fn rows_of_commas_were_bad_rows() {
    for (blank, count) in [
        (",,,,,,\n", 1),
        (",,,,,,", 1),
        (",\n", 1),
        (",,,,,,,,,,,,,,,\n", 1),
        ("  ,,, ,,,\n", 1),
        ("\t,,,,,,\n", 1),
        ("\"\",\"\",,,,,\n", 1),
        ("\" \",,,,,,\n", 1),
        (",,,,,,\n,,,,,,\n", 2),
        ("   \n", 1),
        (",,,,,,\n\n\n,,,,,,\n,\n", 3),
    ] {
        let said = match count {
            1 => "1 blank row was passed over".to_owned(),
            count => format!("{count} blank rows were passed over"),
        };
        let whole = if blank.ends_with('\n') { blank.to_owned() } else { format!("{blank}\n") };
        for text in [
            format!("{HEADER}\n{whole}{}{}", row(1, "n"), row(2, "n")),
            format!("{HEADER}\n{}{whole}{}", row(1, "n"), row(2, "n")),
            format!("{HEADER}\n{}{}{blank}", row(1, "n"), row(2, "n")),
        ] {
            check_read(&text, &[1, 2], &[&said]);
        }
    }
}

#[test]
fn objects_one_after_another_are_read_however_they_are_laid_out() {
    let plain = |number| object(number, "\"n\"", "");
    let page = |rows: &[usize]| {
        format!(
            "{{\"data\":[{}],\"nextCursor\":null}}",
            rows.iter().map(|row| plain(*row)).collect::<Vec<_>>().join(",")
        )
    };
    let details = r#","inferenceDetails":{"requestId":"r","promptTokens":5},"x":{"data":[1]},"y":[{},"]"]"#;
    for (text, numbers) in [
        (pretty(&plain(1)), &[1][..]),
        (format!("{}\n{}\n{}", pretty(&plain(1)), pretty(&plain(2)), pretty(&plain(3))), &[1, 2, 3]),
        (format!("{}{}", pretty(&plain(1)), pretty(&plain(2))), &[1, 2]),
        (format!("{} {}", plain(1), plain(2)), &[1, 2]),
        (format!("{}{}{}", plain(1), plain(2), plain(3)), &[1, 2, 3]),
        (format!("\n\n{}\n\n\n{}\n\n", pretty(&plain(1)), pretty(&plain(2))), &[1, 2]),
        (
            format!(
                "{}\n{}\n{}",
                pretty(&object(1, "\"n\"", details)),
                plain(2),
                pretty(&object(3, "\"n\"", details))
            ),
            &[1, 2, 3],
        ),
        (format!("{}\n{}", pretty(&page(&[1, 2])), pretty(&page(&[3]))), &[1, 2, 3]),
        (format!("{}\n{}\n{}", page(&[1, 2]), page(&[]), page(&[3])), &[1, 2, 3]),
        (format!("[{}]\n[\n]\n[{},\n{}]", plain(1), plain(2), plain(3)), &[1, 2, 3]),
        (format!("{}\n[{}]\n{}\n{}", page(&[1]), plain(2), pretty(&plain(3)), plain(4)), &[1, 2, 3, 4]),
        (format!("[{}]{}{}", plain(1), plain(2), page(&[3])), &[1, 2, 3]),
        (format!("{}\n\u{feff}{}\n\u{feff}[{}]", pretty(&plain(1)), pretty(&plain(2)), plain(3)), &[1, 2, 3]),
        (format!("{}\n\u{feff}{}\n{}\n", plain(1), plain(2), plain(3)), &[1, 2, 3]),
    ] {
        check_read(&text, numbers, &[]);
    }
    let many: String = (0..20_000).map(|number| pretty(&object(number, "\"n\"", details)) + "\n").collect();
    assert_eq!(read(many.as_bytes()).unwrap().0.len(), 20_000);
    let (entries, _) = read(pretty(&object(1, "\"n\"", details)).as_bytes()).unwrap();
    assert_eq!(entries[0].inference_details.as_ref().unwrap().request_id.as_deref(), Some("r"));
}

#[test]
fn notes_that_are_null_were_missing() {
    let null = |number| object(number, "null", "");
    let text = |number| object(number, "\"n\"", "");
    for (file, notes) in [
        (format!("{}\n", null(1)), &[""][..]),
        (format!("{}\n{}\n{}", null(1), text(2), null(3)), &["", "n", ""]),
        (format!("{}\n{}", text(1), null(2)), &["n", ""]),
        (format!("[{},{}]", null(1), text(2)), &["", "n"]),
        (format!("{{\"data\":[{},{}]}}", text(1), null(2)), &["n", ""]),
        (pretty(&null(1)), &[""]),
        (format!("{}\n{}", pretty(&null(1)), pretty(&text(2))), &["", "n"]),
        (object(1, "null", ",\"unit\":\"mtoken\""), &[""]),
        (object(1, " null ", ",\"apiKeyId\":null"), &[""]),
        (object(1, "\"\"", ""), &[""]),
    ] {
        for (how, bytes) in wrapped(&file) {
            let (entries, notices) = read(&bytes).unwrap();
            assert_eq!(
                entries.iter().map(|entry| entry.notes.as_str()).collect::<Vec<_>>(),
                notes,
                "{how}: {file}"
            );
            assert_eq!(notices, [] as [&str; 0], "{how}: {file}");
        }
    }
}
