//! In, out over every way there is, and in again: the same entries, and the same bytes.

use std::collections::{HashMap, HashSet};

use billing_model::{Currency, Summary, UsageEntry, WholeSet};

use crate::ledger::{AFTER_REAL, Ledger, REAL, noted, real_entries};
use crate::place::Place;

/// The columns of the documented `text/csv`.
const HEADER: &str = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes,inferenceDetails.requestId,\
                      inferenceDetails.inferenceExecutionTime,inferenceDetails.promptTokens,\
                      inferenceDetails.completionTokens";

/// Exact sums, by decimals: see `tests/data/README.md`.
const SUMS: [(Currency, u64, &str); 3] = [
    (Currency::Diem, 27_939, "-59.7712893250000000424"),
    (Currency::BundledCredits, 1_681, "-19.9999846175000000044"),
    (Currency::Usd, 14_015, "-75.0602693550000000216"),
];

#[track_caller]
fn check_sums(entries: &[UsageEntry]) {
    let mut summary = Summary::default();
    summary.extend(entries);
    assert_eq!(summary.amounts.len(), SUMS.len());
    for (currency, count, net) in SUMS {
        let amounts = &summary.amounts[&currency];
        assert_eq!((amounts.entries, amounts.net().to_string().as_str()), (count, net), "{currency}");
    }
}

/// Over both endpoints and in both forms of a page, to a file and to stdout; then the same from what was exported.
fn check(format: &str) {
    let original = real_entries();
    let whole_set: WholeSet = original.iter().collect();
    let ledger = Ledger::from_file(REAL);
    let (server, place) = (ledger.serve(), Place::new());
    let (name, mut first) = (format!("export.{format}"), None);
    for (endpoint, wire) in
        [("usage", "json"), ("usage", "csv"), ("usage-history", "json"), ("usage-history", "csv")]
    {
        let mut args =
            vec!["--endpoint", endpoint, "--wire", wire, "--until", AFTER_REAL, "--with-api-key-id"];
        let path = place.path(&name);
        let exported = if wire == "json" {
            args.extend(["-o", path.as_str()]);
            assert!(server.export(&args).done().stdout.is_empty());
            place.read(&name)
        } else {
            args.extend(["--format", format]);
            server.export(&args).done().stdout
        };
        // Files that are equal to the byte are read only once.
        match &first {
            Some(first) => assert!(*first == exported, "{endpoint} over {wire} differs"),
            None => first = Some(exported),
        }
    }
    let exported = first.unwrap();
    let entries = crate::billing::entries(&exported);
    assert_eq!(entries.iter().collect::<WholeSet>(), whole_set, "a multiset: equal entries count");
    assert!(entries.is_sorted_by_key(|entry| entry.timestamp));
    check_sums(&entries);

    let again = Ledger::from_file(&place.write(&name, &exported));
    let exported_again =
        again.serve().export(&["--format", format, "--until", AFTER_REAL, "--with-api-key-id"]);
    assert!(exported_again.done().stdout == exported, "an export that is imported is the same export");
}

#[test]
fn csv_is_the_same_over_every_way() {
    check("csv");
}

#[test]
fn json_is_the_same_over_every_way() {
    check("json");
}

#[test]
fn ndjson_is_the_same_over_every_way() {
    check("ndjson");
}

/// The data has entries that are easily lost or doubled, so the checks above would find that.
#[test]
fn the_data_is_hard_enough() {
    let entries = real_entries();
    assert_eq!(entries.len(), 43_635);
    check_sums(entries);
    let mut counts: HashMap<&UsageEntry, usize> = HashMap::new();
    entries.iter().for_each(|entry| *counts.entry(entry).or_default() += 1);
    let equal: Vec<usize> = counts.into_values().filter(|count| *count > 1).collect();
    assert_eq!((equal.len(), equal.iter().sum()), (286, 868), "groups of equal entries, and entries in them");
    let timestamps: HashSet<_> = entries.iter().map(|entry| entry.timestamp).collect();
    assert!(timestamps.len() < entries.len() - 10_000, "many entries share their instant");
    assert!(entries.iter().any(|entry| entry.inference_details.is_none()));
    assert!(entries.iter().any(|entry| entry.amount.is_positive()), "credits");
}

/// The header and the names are what other programs rely on.
#[test]
fn the_formats_are_the_documented_ones() {
    let mut entry = noted("2026-06-14T19:52:45.087Z", "a \"quoted\", note");
    entry.api_key_id = Some("key-1".to_owned());
    let server = Ledger::of(&[entry]).serve();
    let row = "2026-06-14T19:52:45.087Z,zai-org-glm-5-1-llm-output-mtoken,4.84,0.000044,-0.1,USD,\
               \"a \"\"quoted\"\", note\",,,,";
    let object = "{\"amount\":-0.1,\"apiKeyId\":\"key-1\",\"currency\":\"USD\",\"inferenceDetails\":null,\
                  \"notes\":\"a \\\"quoted\\\", note\",\"pricePerUnitUsd\":4.84,\
                  \"sku\":\"zai-org-glm-5-1-llm-output-mtoken\",\"timestamp\":\"2026-06-14T19:52:45.087Z\",\
                  \"units\":0.000044}";
    for (args, expect) in [
        (&["--format", "csv"][..], format!("{HEADER}\n{row}\n")),
        (&["--format", "csv", "--with-api-key-id"], format!("{HEADER},apiKeyId\n{row},key-1\n")),
        (&[], format!("{HEADER}\n{row}\n")),
        (&["--format", "json"], format!("[\n{object}\n]\n")),
        (&["--format", "ndjson"], format!("{object}\n")),
    ] {
        assert_eq!(server.export(args).done().text(), expect, "{args:?}");
    }
}

#[test]
fn no_entries_are_an_export_too() {
    let server = Ledger::of(&[]).serve();
    for (format, expect) in
        [("csv", format!("{HEADER}\n")), ("json", "[]\n".to_owned()), ("ndjson", String::new())]
    {
        for endpoint in ["usage", "usage-history"] {
            let run = server.export(&["--format", format, "--endpoint", endpoint]).done();
            assert_eq!(run.text().replace("[\n]", "[]"), expect, "{format} over {endpoint}");
        }
    }
}
