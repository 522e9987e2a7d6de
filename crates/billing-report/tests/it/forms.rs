//! Reports of the ledger of two months, as they are shown.

use billing_model::UsageEntry;
use billing_report::table::Room;
use billing_report::{Meta, Question, Rates, Report, ReportBuilder, Source, TableOptions};

use crate::lent::{question, window};
use crate::plain::ledger;

/// What the question comes to in 80 columns.
fn shown(entries: &[UsageEntry], question: Question) -> String {
    let mut builder = ReportBuilder::new(question);
    entries.iter().for_each(|entry| builder.add_entry(entry));
    let source = Source { ledger: Some("ledger.db".to_owned()), ..Source::default() };
    let report: Report = builder.finish(Meta { source, is_final: true, ..Meta::default() });
    let room = Room { columns: 80, whole_names: false };
    report.to_table(TableOptions { room, colors: false, ascii: false })
}

#[test]
fn the_usual_reports_of_two_months() {
    let entries: Vec<UsageEntry> =
        ledger().iter().map(|line| serde_json::from_str(&line.text).unwrap()).collect();
    let june = window("2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z");
    let days = Question {
        window: window("2026-06-16T22:00:00Z", "2026-06-30T22:00:00Z"),
        zone: "Europe/Berlin".parse().unwrap(),
        ..question("day")
    };
    let models = Question { window: june, ..question("model") };
    let compared = Question {
        previous: Some(window("2026-05-02T00:00:00Z", "2026-06-01T00:00:00Z")),
        top: std::num::NonZeroUsize::new(5),
        ..models.clone()
    };
    let days_and_models = Question {
        window: window("2026-06-28T00:00:00Z", "2026-07-01T00:00:00Z"),
        top: std::num::NonZeroUsize::new(3),
        requests: true,
        ..question("day,model")
    };
    let currencies = Question { rates: Some(Rates::default()), ..question("currency") };
    let all = [days, models, compared, days_and_models, currencies];
    insta::assert_snapshot!(all.map(|question| shown(&entries, question)).join("\n"));
}
