//! Days by the service's usage analytics, a second witness: they are summed up elsewhere than the ledger is read.

use std::collections::BTreeMap;
use std::time::Duration;

use billing_http::{Client, ErrorKind};
use billing_model::{
    Analytics, AnalyticsQuery, Currency, Day, DayRange, Decimal, Timestamp, Total, UsageEntry,
};

use crate::error::Cause;
use crate::event::Event;
use crate::records::before;
use crate::span::Span;

/// How long a service may keep an answer: `docs/upstream-api.md`, and half a minute.
const CACHE: Duration = Duration::from_secs(10 * 60 + 30);

/// A day is compared so long after its end.
const ENDED: Duration = Duration::from_secs(10 * 60);

/// The most days that a service sums up.
const MOST_DAYS: i64 = 90;

/// The days of a proof that were compared with the service's usage analytics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Days {
    /// How many days were compared.
    pub compared: u64,
    /// The days that differ by more than 1e-9: the service's sums are doubles.
    pub different: Vec<DayDifference>,
    /// Why no day was compared, or none again after the service's cache, if it has no usage analytics or did not give them.
    pub unread: Option<String>,
}

/// A day that the ledger and the service's usage analytics sum up to different amounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayDifference {
    /// The UTC day.
    pub day: Day,
    /// `USD`, which has BUNDLED_CREDITS, or `DIEM`.
    pub currency: Currency,
    /// What the ledger's charges come to: zero or positive.
    pub held: Total,
    /// What the service says.
    pub told: Total,
}

/// The charges of days, as usage analytics have them.
#[derive(Clone, Debug, Default)]
pub(crate) struct DayCharges(BTreeMap<Day, Charged>);

#[derive(Clone, Debug, Default)]
struct Charged {
    usd: Total,
    diem: Total,
}

impl DayCharges {
    pub(crate) fn add(&mut self, entry: &UsageEntry) {
        let Some(day) = Day::of(entry.timestamp).filter(|_| entry.amount.is_negative()) else { return };
        match entry.currency {
            Currency::Usd | Currency::BundledCredits => self.0.entry(day).or_default().usd.add(entry.amount),
            Currency::Diem => self.0.entry(day).or_default().diem.add(entry.amount),
            _ => {}
        }
    }
}

impl DayCharges {
    pub(crate) fn merge(&mut self, other: &Self) {
        for (day, charged) in &other.0 {
            let ours = self.0.entry(*day).or_default();
            ours.usd.merge(&charged.usd);
            ours.diem.merge(&charged.diem);
        }
    }
}

/// Compares the days that lie whole in the spans. Where all entries agree, a difference may be the service's cache, so it is asked
/// again after that.
pub(crate) async fn compare(
    client: &Client,
    spans: &[Span],
    charges: &DayCharges,
    entries_agree: bool,
    now: Timestamp,
    observe: &impl Fn(&Event<'_>),
) -> Result<Days, Cause> {
    let days = whole_days(spans, charges, now);
    let (Some(first), Some(last)) = (days.first().copied(), days.last().copied()) else {
        return Ok(Days::default());
    };
    let query = AnalyticsQuery::builder().dates(DayRange { first, last }).build()?;
    let mut before: Option<Vec<DayDifference>> = None;
    loop {
        let analytics = match client.analytics(&query).await {
            Ok(answer) => answer.value,
            Err(error) if error.kind() == ErrorKind::Unauthorized => return Err(error.into()),
            // What differed before is not taken back by a service that fails.
            Err(error) => {
                let compared = if before.is_some() { days.len() as u64 } else { 0 };
                let (different, unread) = (before.unwrap_or_default(), Some(error.to_string()));
                return Ok(Days { compared, different, unread });
            }
        };
        let different = differences(&days, charges, &analytics);
        if different.is_empty() || !entries_agree || before.is_some() {
            return Ok(Days { compared: days.len() as u64, different, unread: None });
        }
        observe(&Event::WaitingForAnalytics { seconds: CACHE.as_secs() });
        tokio::time::sleep(CACHE).await;
        before = Some(different);
    }
}

/// The days that lie whole in the spans, have ended, and are not too long ago.
fn whole_days(spans: &[Span], charges: &DayCharges, now: Timestamp) -> Vec<Day> {
    let (Some(today), Some(earliest)) = (Day::of(now), charges.0.keys().next().copied()) else {
        return Vec::new();
    };
    let oldest = earliest.max(Day(today.0 - MOST_DAYS));
    let mut days = Vec::new();
    for day in (oldest.0..today.0).map(Day) {
        let (start, end) = (day.start(), Day(day.0 + 1).start());
        let is_held = spans.iter().any(|span| span.since <= Some(start) && end <= span.until);
        if is_held && end <= before(now, ENDED) {
            days.push(day);
        }
    }
    days
}

fn differences(days: &[Day], charges: &DayCharges, analytics: &Analytics) -> Vec<DayDifference> {
    let none = Charged::default();
    let mut differences = Vec::new();
    for day in days {
        let charged = charges.0.get(day).unwrap_or(&none);
        // A day without spend may be left out.
        let told = analytics.by_date.iter().find(|told| told.date == *day);
        let told = |of: fn(&billing_model::DaySpend) -> &Total| told.map(of).cloned().unwrap_or_default();
        for (currency, charged, told) in [
            (Currency::Usd, &charged.usd, told(|day| &day.usd)),
            (Currency::Diem, &charged.diem, told(|day| &day.diem)),
        ] {
            let held = -charged.clone();
            if !is_close(&held, &told) {
                differences.push(DayDifference { day: *day, currency, held, told });
            }
        }
    }
    differences
}

/// True when two sums differ by 1e-9 at most.
fn is_close(one: &Total, other: &Total) -> bool {
    let mut difference = one.clone();
    difference.subtract(other);
    let mut slack = Total::default();
    if let Some(least) = Decimal::from_parts(1, -9) {
        slack.add(least);
    }
    let mut above = difference.clone();
    above.subtract(&slack);
    let mut below = -difference;
    below.subtract(&slack);
    !above.is_positive() && !below.is_positive()
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_http::ApiKey;
    use billing_testkit::{Reply, Request, Upstream, entry_at};
    use std::sync::{Arc, Mutex};

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn day(text: &str) -> Day {
        Day::of(time(&format!("{text}T00:00:00Z"))).unwrap()
    }

    fn span(since: Option<&str>, until: &str) -> Span {
        Span { since: since.map(time), until: time(until) }
    }

    /// 0.1 USD each at noon of these days.
    fn charges(days: &[&str]) -> DayCharges {
        let mut charges = DayCharges::default();
        for day in days {
            charges.add(&entry_at(time(&format!("{day}T12:00:00Z")), "-0.1"));
        }
        charges
    }

    #[test]
    fn charges_are_of_usd_with_bundled_credits_and_of_diem() {
        let mut charges = DayCharges::default();
        let noon = time("2026-06-14T12:00:00Z");
        for (currency, amount) in [
            ("USD", "-0.1"),
            ("USD", "5"),
            ("BUNDLED_CREDITS", "-0.02"),
            ("EARNED_CREDITS", "-7"),
            ("VCU", "-7"),
            ("DIEM", "-0.003"),
        ] {
            charges.add(&UsageEntry { currency: currency.into(), ..entry_at(noon, amount) });
        }
        charges.add(&entry_at(time("2026-06-14T23:59:59.999999999Z"), "-0.0004"));
        charges.add(&entry_at(time("2026-06-15T00:00:00Z"), "-1"));
        let told =
            r#"[{"date":"2026-06-14","USD":0.1204,"DIEM":0.003},{"date":"2026-06-15","USD":1,"DIEM":0}]"#;
        let days = [day("2026-06-14"), day("2026-06-15")];
        assert_eq!(differences(&days, &charges, &Analytics::from_json(&answer(told)).unwrap()), []);
    }

    #[test]
    fn sums_are_close_up_to_a_billionth() {
        let total = |text: &str| text.parse::<Total>().unwrap();
        for (one, other, expect) in [
            ("1", "1", true),
            ("1", "1.000000001", true),
            ("1", "1.0000000010000000001", false),
            ("1", "0.999999999", true),
            ("1", "0.9999999989999999999", false),
            ("0", "-0.000000001", true),
            ("0", "-0.0000000011", false),
            ("12345678901234567890.1", "12345678901234567890.100000001", true),
            ("12345678901234567890.1", "12345678901234567890.100000002", false),
        ] {
            assert_eq!(is_close(&total(one), &total(other)), expect, "{one} {other}");
            assert_eq!(is_close(&total(other), &total(one)), expect, "{other} {one}");
        }
    }

    #[test]
    fn days_count_that_lie_whole_in_a_span_and_have_ended() {
        let check = |spans: &[Span], charged: &[&str], now: &str, expect: &[&str]| {
            let expect: Vec<_> = expect.iter().map(|text| day(text)).collect();
            assert_eq!(
                whole_days(spans, &charges(charged), time(now)),
                expect,
                "{spans:?} {charged:?} {now}"
            );
        };
        let now = "2026-06-16T12:00:00Z";
        let all = [span(None, now)];
        check(&all, &[], now, &[]);
        check(&all, &["2026-06-14"], now, &["2026-06-14", "2026-06-15"]);
        check(&all, &["2026-06-16"], now, &[]);
        // The day before has ended for ten minutes.
        check(&all, &["2026-06-15"], "2026-06-16T00:09:59.999Z", &[]);
        check(&all, &["2026-06-15"], "2026-06-16T00:10:00Z", &["2026-06-15"]);
        check(&[span(None, "2026-06-15T23:59:59Z")], &["2026-06-14"], now, &["2026-06-14"]);
        check(&[span(None, "2026-06-16T00:00:00Z")], &["2026-06-14"], now, &["2026-06-14", "2026-06-15"]);
        let later = [span(Some("2026-06-14T00:00:00.001Z"), now)];
        check(&later, &["2026-06-14"], now, &["2026-06-15"]);
        check(
            &[span(Some("2026-06-14T00:00:00Z"), now)],
            &["2026-06-14"],
            now,
            &["2026-06-14", "2026-06-15"],
        );
        let apart = [span(None, "2026-06-14T12:00:00Z"), span(Some("2026-06-14T13:00:00Z"), now)];
        check(&apart, &["2026-06-13"], now, &["2026-06-13", "2026-06-15"]);
        // 90 days, and none before them.
        let days = whole_days(&all, &charges(&["2026-01-01"]), time(now));
        assert_eq!((days.len(), days[0], days[89]), (90, day("2026-03-18"), day("2026-06-15")));
    }

    /// The answer of usage analytics with these days.
    fn answer(by_date: &str) -> String {
        format!(
            r#"{{"lookback":"x","byDate":{by_date},"byModel":[],"byModelDaily":[],"topModels":[],"byKey":[],"byKeyDaily":[],"topKeyNames":[]}}"#
        )
    }

    /// What came of a comparison of 2026-06-14, for which one service after the other is asked; the waits, and the requests.
    async fn compared(
        replies: Vec<Reply>,
        entries_agree: bool,
    ) -> (Result<Days, Cause>, Vec<u64>, Vec<Request>) {
        let mut replies = replies.into_iter();
        let upstream = Upstream::start(move |_| replies.next().unwrap()).await;
        let client =
            billing_http::Client::builder(upstream.base_url(), ApiKey::new("key").unwrap()).build().unwrap();
        let waits = Arc::new(Mutex::new(Vec::new()));
        let noting = {
            let waits = Arc::clone(&waits);
            move |event: &Event<'_>| {
                if let Event::WaitingForAnalytics { seconds } = event {
                    waits.lock().unwrap().push(*seconds);
                    // From here on the time passes by itself, while nothing else happens.
                    tokio::time::pause();
                }
            }
        };
        let now = time("2026-06-15T12:00:00Z");
        let all = [span(None, "2026-06-15T12:00:00Z")];
        let days = compare(&client, &all, &charges(&["2026-06-14"]), entries_agree, now, &noting).await;
        let waits = waits.lock().unwrap().clone();
        (days, waits, upstream.requests())
    }

    fn told(usd: &str) -> Reply {
        Reply::json(200, answer(&format!(r#"[{{"date":"2026-06-14","USD":{usd},"DIEM":0}}]"#)))
    }

    #[tokio::test]
    async fn a_cache_is_waited_for_once() {
        let different = |days: &Result<Days, Cause>| days.as_ref().unwrap().different.len();
        let (days, waits, requests) = compared(vec![told("0.1")], true).await;
        assert_eq!(days.unwrap(), Days { compared: 1, ..Days::default() });
        assert_eq!(waits, [0; 0]);
        assert!(
            requests[0].query.contains("endDate=2026-06-14&startDate=2026-06-14"),
            "{}",
            requests[0].query
        );
        let (days, waits, requests) = compared(vec![told("0.2"), told("0.1")], true).await;
        assert_eq!((different(&days), waits, requests.len()), (0, vec![630], 2));
    }

    #[tokio::test]
    async fn what_still_differs_then_is_told() {
        let (days, waits, requests) = compared(vec![told("0.2"), told("0.3")], true).await;
        assert_eq!((waits, requests.len()), (vec![630], 2));
        let total = |text: &str| text.parse().unwrap();
        let (held, told) = (total("0.1"), total("0.3"));
        let different = DayDifference { day: day("2026-06-14"), currency: Currency::Usd, held, told };
        assert_eq!(days.unwrap(), Days { compared: 1, different: vec![different], unread: None });
    }

    /// Then the entries say why.
    #[tokio::test]
    async fn where_entries_differ_no_cache_is_waited_for() {
        let (days, waits, requests) = compared(vec![told("0.2")], false).await;
        assert_eq!((days.unwrap().different.len(), waits.len(), requests.len()), (1, 0, 1));
    }

    #[tokio::test]
    async fn a_day_that_is_left_out_is_one_without_spend() {
        let (days, ..) = compared(vec![Reply::json(200, answer("[]"))], false).await;
        assert_eq!(days.unwrap().different[0].told, Total::default());
    }

    #[tokio::test]
    async fn a_service_without_analytics_is_no_failure_and_a_wrong_key_is() {
        let (days, ..) = compared(vec![Reply::error(404, "Not found")], true).await;
        let days = days.unwrap();
        assert!(days.unread.is_some_and(|why| why.contains("404")) && days.compared == 0);
        let (days, ..) = compared(vec![Reply::error(401, "Authentication failed")], true).await;
        assert!(matches!(days, Err(Cause::Service(error)) if error.kind() == ErrorKind::Unauthorized));
    }
}
