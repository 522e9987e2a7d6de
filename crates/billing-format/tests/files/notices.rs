//! Notices: things in a file that are no error, but may mean that something is missing or was changed.

use billing_format::{InputFormat, NoticeKind, Notices, read_entries_noting};

use crate::support::{HEADER, check_read, gzip, object, pretty, read, row, wrapped, zstd};

const MORE: &str = "its `nextCursor` says that more entries follow, which are not there";

fn by_cursor(number: usize, cursor: &str) -> String {
    format!("{{\"data\":[{}],\"nextCursor\":{cursor}}}", object(number, "\"n\"", ""))
}

fn by_number(number: usize, page: &str, total: &str) -> String {
    let entry = object(number, "\"n\"", "");
    format!(r#"{{"data":[{entry}],"pagination":{{"limit":2,"page":{page},"total":9,"totalPages":{total}}}}}"#)
}

#[test]
fn a_page_that_others_follow_was_taken_for_the_whole() {
    for (text, numbers, noticed) in [
        (by_cursor(1, "\"abc\""), &[1][..], &[MORE][..]),
        (by_cursor(1, "null"), &[1], &[]),
        (by_cursor(1, "\"\""), &[1], &[]),
        (pretty(&by_cursor(1, "\"abc\"")), &[1], &[MORE]),
        (format!("{{\"nextCursor\":\"abc\",\"data\":[{}]}}", object(1, "\"n\"", "")), &[1], &[MORE]),
        ("{\"nextCursor\":\"abc\",\"data\":[]}".to_owned(), &[], &[MORE]),
        (format!("{}\n{}", by_cursor(1, "\"abc\""), by_cursor(2, "\"def\"")), &[1, 2], &[MORE]),
        (format!("{}\n{}", by_cursor(1, "\"abc\""), by_cursor(2, "null")), &[1, 2], &[]),
        (format!("{}\n{}", by_cursor(1, "null"), by_cursor(2, "\"abc\"")), &[1, 2], &[MORE]),
        (by_number(1, "1", "28045"), &[1], &["1 of 28045 pages read; the entries of the others are missing"]),
        (
            by_number(1, "28045", "28045"),
            &[1],
            &["1 of 28045 pages read; the entries of the others are missing"],
        ),
        (by_number(1, "1", "1"), &[1], &[]),
        (format!("{}\n{}", by_number(1, "1", "2"), by_number(2, "2", "2")), &[1, 2], &[]),
        (format!("{}{}", by_number(1, "2", "2"), by_number(2, "1", "2")), &[1, 2], &[]),
        (
            format!("{}\n{}", by_number(1, "1", "3"), by_number(2, "3", "3")),
            &[1, 2],
            &["2 of 3 pages read; the entries of the others are missing"],
        ),
        // The first page twice, and the second is missing.
        (
            format!("{}\n{}", by_number(1, "1", "2"), by_number(2, "1", "2")),
            &[1, 2],
            &["1 of 2 pages read; the entries of the others are missing"],
        ),
        // The total grew between the two pages.
        (format!("{}\n{}", by_number(1, "1", "1"), by_number(2, "2", "2")), &[1, 2], &[]),
        // Page numbers that make no sense are ignored.
        (by_number(1, "0", "0"), &[1], &[]),
        (by_number(1, "\"x\"", "5"), &[1], &[]),
        (by_number(1, "9", "5"), &[1], &[]),
        (format!("{{\"data\":[{}],\"pagination\":null}}", object(1, "\"n\"", "")), &[1], &[]),
    ] {
        check_read(&text, numbers, noticed);
    }
}

/// Each page in a file of its own, which is the usual way to keep pages.
#[test]
fn pages_in_several_files_are_one_set() {
    let said = |files: &[String]| {
        let mut notices = Notices::default();
        for (number, file) in files.iter().enumerate() {
            notices.begin(format_args!("{number}.json"));
            read_entries_noting(file.as_bytes(), InputFormat::Auto, &mut Vec::new(), &mut notices).unwrap();
        }
        notices.list().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let pages = [by_cursor(1, "\"a\""), by_cursor(2, "\"b\""), by_cursor(3, "null")];
    assert_eq!(said(&pages), [] as [&str; 0]);
    assert_eq!(said(&pages[..2]), [format!("`1.json`: {MORE}")]);
    let pages = [by_number(1, "1", "3"), by_number(2, "2", "3"), by_number(3, "3", "3")];
    assert_eq!(said(&pages), [] as [&str; 0]);
    let missing = "2 of 3 pages read; the entries of the others are missing";
    assert_eq!(said(&pages[1..]), [format!("`1.json`: {missing}")]);
    let misnamed = format!("{HEADER},requestId\n{}", row(1, "n,r"));
    let csv = format!("{HEADER}\n");
    let told =
        "`1.json`: `requestId` was not read; it looks like `inferenceDetails.requestId`, which is not there";
    assert_eq!(said(&[csv.clone(), misnamed, csv]), [told]);
}

fn misnamed(name: &str, field: &str) -> String {
    format!("`{name}` was not read; it looks like `{field}`, which is not there")
}

#[test]
fn a_column_under_another_name_was_dropped_in_silence() {
    let id = "inferenceDetails.requestId";
    for (more, told) in [
        ("requestId", vec![("requestId", id)]),
        ("request_id", vec![("request_id", id)]),
        ("RequestID", vec![("RequestID", id)]),
        ("inferenceDetails_requestId", vec![("inferenceDetails_requestId", id)]),
        ("inference_details.request_id", vec![("inference_details.request_id", id)]),
        (
            "requestId,promptTokens",
            vec![("promptTokens", "inferenceDetails.promptTokens"), ("requestId", id)],
        ),
        ("completion_tokens", vec![("completion_tokens", "inferenceDetails.completionTokens")]),
        (
            "Inference Execution Time",
            vec![("Inference Execution Time", "inferenceDetails.inferenceExecutionTime")],
        ),
        ("api_key_id", vec![("api_key_id", "apiKeyId")]),
        ("apikeyid,model", vec![("apikeyid", "apiKeyId")]),
        // The documented column is there too, so the other one loses nothing.
        ("inferenceDetails.requestId,requestId", vec![]),
        ("Amount,SKU,unit", vec![]),
        ("model,cost,aColumnOfTheFuture", vec![]),
    ] {
        let values =
            "9".repeat(more.split(',').count()).chars().map(String::from).collect::<Vec<_>>().join(",");
        let told: Vec<_> = told.iter().map(|(name, field)| misnamed(name, field)).collect();
        let told: Vec<_> = told.iter().map(String::as_str).collect();
        check_read(&format!("{HEADER},{more}\n{}", row(1, &format!("n,{values}"))), &[1], &told);
        check_read(&format!("{more},{HEADER}\n{values},{}", row(1, "n")), &[1], &told);
    }
    // The same in a header within the file.
    let text = format!("{HEADER}\n{}{HEADER},requestId\n{}", row(1, "n"), row(2, "n,r"));
    check_read(&text, &[1, 2], &[&misnamed("requestId", id), "1 header came again"]);
}

#[test]
fn a_member_under_another_name_was_dropped_in_silence() {
    let id = "inferenceDetails.requestId";
    let (plain, flat) = (object(1, "\"n\"", ""), object(2, "\"n\"", ",\"requestId\":\"r\""));
    let told = misnamed("requestId", id);
    for (text, numbers, noticed) in [
        (format!("{flat}\n{plain}\n{plain}"), &[2, 1, 1][..], &[&*told][..]),
        (format!("{plain}\n{flat}\n{plain}"), &[1, 2, 1], &[&told]),
        (format!("{plain}\n{plain}\n{flat}"), &[1, 1, 2], &[&told]),
        (format!("{flat}\n{flat}"), &[2, 2], &[&told]),
        (pretty(&flat), &[2], &[&told]),
        (format!("[{plain},{flat}]"), &[1, 2], &[&told]),
        (format!("{{\"data\":[{plain},{flat}],\"nextCursor\":null}}"), &[1, 2], &[&told]),
        (object(1, "\"n\"", ",\"requestId\":null"), &[1], &[]),
        (object(1, "\"n\"", ",\"requestId\":\"r\",\"inferenceDetails\":{\"requestId\":\"r\"}"), &[1], &[]),
        (
            object(1, "\"n\"", ",\"inferenceDetails\":{\"request_id\":\"r\"}"),
            &[1],
            &[&misnamed("request_id", id)],
        ),
        (
            object(1, "\"n\"", ",\"inference_details\":{}"),
            &[1],
            &[&misnamed("inference_details", "inferenceDetails")],
        ),
        (object(1, "\"n\"", ",\"api_key_id\":\"k\""), &[1], &[&misnamed("api_key_id", "apiKeyId")]),
        (object(1, "\"n\"", ",\"model\":\"m\",\"Amount\":1"), &[1], &[]),
    ] {
        check_read(&text, numbers, noticed);
    }
    // One such row among very many is noticed. Of very many names only the first ones are told.
    let many: String = (0..10_000).map(|number| object(number, "\"n\"", "") + "\n").collect();
    assert_eq!(read(format!("{many}{flat}\n").as_bytes()).unwrap().1, [told]);
    let names: String = (0..100)
        .map(|number| object(1, "\"n\"", &format!(",\"{}requestId\":1", "_".repeat(number))) + "\n")
        .collect();
    assert_eq!(read(names.as_bytes()).unwrap().1.len(), 20);
}

#[test]
fn half_a_character_was_a_bad_row() {
    let cut = |count: u64| NoticeKind::HalfCharacters(count).to_string();
    let (plain, half) = (object(1, "\"n\"", ""), object(2, r#""cut \ud83d""#, ""));
    let (one, two) = (cut(1), cut(2));
    assert_eq!(one, "1 text had half a character, which became U+FFFD");
    for (text, numbers, noticed) in [
        (half.clone(), &[2][..], &[&*one][..]),
        (format!("{half}\n{plain}\n{plain}"), &[2, 1, 1], &[&one]),
        (format!("{plain}\n{half}\n{plain}"), &[1, 2, 1], &[&one]),
        (format!("{plain}\n{plain}\n{half}"), &[1, 1, 2], &[&one]),
        (format!("{half}\n{half}"), &[2, 2], &[&two]),
        (pretty(&half), &[2], &[&one]),
        (format!("[{plain},{half}]"), &[1, 2], &[&one]),
        (format!("{{\"data\":[{half}],\"warningMessage\":\"\\ud83d\"}}"), &[2], &[&one]),
        (format!("{{\"\\ud83d\":1,\"data\":[{half}]}}"), &[2], &[&one]),
        (object(2, r#""\uDE00""#, r#","apiKeyId":"\uD83D\uD83D\uDE00""#), &[2], &[&two]),
        (object(2, r#""n""#, r#","\udfff":0"#), &[2], &[&one]),
        (object(2, r#""\ud83d\ude00 \\ud83d \ufffd""#, ""), &[2], &[]),
    ] {
        check_read(&text, numbers, noticed);
    }
    let lines: String = (0..5_000).map(|number| object(number, r#""\ud83d""#, "") + "\n").collect();
    for (how, bytes) in [
        ("plain", lines.clone().into_bytes()),
        ("gzip", gzip(lines.as_bytes())),
        ("zstd", zstd(lines.as_bytes())),
    ] {
        let (entries, notices) = read(&bytes).unwrap();
        assert!(entries.iter().all(|entry| entry.notes == "\u{fffd}"), "{how}");
        assert_eq!(notices, [cut(5_000)]);
    }
    for (how, bytes) in wrapped(&object(2, r#""a\uD83Db\udE00\ud83d\uDE00""#, "")) {
        assert_eq!(read(&bytes).unwrap().0[0].notes, "a\u{fffd}b\u{fffd}\u{1f600}", "{how}");
    }
}

#[test]
fn what_nobody_knows_is_counted_over_all_files() {
    let mut notices = Notices::default();
    let files = [
        format!("{HEADER},model,x\n{}{}", row(1, "n,m,1"), row(2, "n,m,")),
        format!("{}\n{}", object(1, "\"n\"", ",\"model\":\"m\""), object(2, "\"n\"", "")),
        format!("{HEADER}\n{}", row(1, "n")),
    ];
    for (number, file) in files.iter().enumerate() {
        notices.begin(number);
        read_entries_noting(file.as_bytes(), InputFormat::Auto, &mut Vec::new(), &mut notices).unwrap();
    }
    let said: Vec<_> = notices.unknown().iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "the column `model` is unknown and was not read: 2 entries of 1 file",
            "`model` is not documented and is kept: 1 entry of 1 file",
            "the column `x` is unknown and was not read: 2 entries of 1 file"
        ]
    );
    assert_eq!(notices.list(), []);
}
