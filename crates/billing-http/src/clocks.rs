//! Reads the headers by which a service says when to come back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

const REMAINING_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
const RESET_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");
const RESET_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-reset-tokens");
const RESETS: HeaderName = HeaderName::from_static("x-ratelimit-resets");

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// From [`UNIX_MS`] on a number is unix milliseconds, from [`UNIX_S`] on unix seconds. A smaller one is seconds from
/// now. No header names its unit, and services have changed theirs (`docs/upstream-api.md`, HTTP).
const UNIX_MS: u64 = 1_000_000_000_000;
const UNIX_S: u64 = 1_000_000_000;

/// Waits of a day and more are ignored, because they make no sense. A `Retry-After` of exactly a day is believed, because
/// this header has no other meaning than when to come back.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a reply asks to wait: the longest wait in its headers, or `None` when there is none.
///
/// It reads `Retry-After` (a number or an HTTP date), `x-ratelimit-reset-requests`, `x-ratelimit-reset-tokens`,
/// `x-ratelimit-resets` and the draft standard's `RateLimit`. In every header the size of a number tells its unit:
/// seconds from now, unix seconds or unix milliseconds. The wait for a point in time is the difference to the reply's
/// own `Date`, so a wrong local clock changes no wait. These are ignored: a point in time in a reply without a `Date`,
/// one in the past, and a wait of a day or more (`Retry-After`: more than a day).
///
/// Source: `docs/upstream-api.md`, HTTP; RFC 9110, 10.2.3.
pub fn requested_wait(headers: &HeaderMap) -> Option<Duration> {
    let retry_after = headers.get_all(RETRY_AFTER).iter().filter_map(|value| {
        let value = value.to_str().ok()?.trim();
        match whole_number(value) {
            Some(number) => wait_until(headers, number),
            None => httpdate::parse_http_date(value).ok()?.duration_since(reply_date(headers)?).ok(),
        }
    });
    let resets = [&RESET_REQUESTS, &RESET_TOKENS, &RESETS].map(|name| number_of(headers, name));
    let resets = resets.into_iter().chain([rate_limit_reset(headers)]).flatten();
    let resets = resets.filter_map(|number| wait_until(headers, number)).filter(|wait| *wait < DAY);
    retry_after.filter(|wait| *wait <= DAY).chain(resets).max()
}

/// How long to wait after a success that was the last one for now by its headers: `x-ratelimit-remaining-requests: 0`
/// with its reset, or a `RateLimit` that has nothing left.
pub(crate) fn wait_after_success(headers: &HeaderMap) -> Option<Duration> {
    let is_spent = text(headers, &REMAINING_REQUESTS) == Some("0");
    let reset = number_of(headers, &RESET_REQUESTS).filter(|_| is_spent);
    let resets = reset.into_iter().chain(rate_limit_reset(headers));
    resets.filter_map(|number| wait_until(headers, number)).filter(|wait| *wait < DAY).max()
}

/// The wait that a number means, by its size.
fn wait_until(headers: &HeaderMap, number: u64) -> Option<Duration> {
    let since_epoch = match number {
        UNIX_MS.. => Duration::from_millis(number),
        UNIX_S.. => Duration::from_secs(number),
        _ => return Some(Duration::from_secs(number)),
    };
    UNIX_EPOCH.checked_add(since_epoch)?.duration_since(reply_date(headers)?).ok()
}

/// The `Date` of a reply: the service's own clock, in whole seconds.
pub(crate) fn reply_date(headers: &HeaderMap) -> Option<SystemTime> {
    text(headers, &DATE).and_then(|date| httpdate::parse_http_date(date).ok())
}

/// The longest `t` of all policies that have nothing left, as in `"default";r=0;t=30`
/// (draft-ietf-httpapi-ratelimit-headers).
fn rate_limit_reset(headers: &HeaderMap) -> Option<u64> {
    let policies = text(headers, &RATE_LIMIT)?.split(',').filter_map(|policy| {
        let parameter = |name: &str| {
            let mut parameters = policy.split(';').filter_map(|parameter| parameter.trim().split_once('='));
            parameters.find(|(found, _)| *found == name).and_then(|(_, value)| whole_number(value))
        };
        parameter("t").filter(|_| parameter("r") == Some(0))
    });
    policies.max()
}

fn number_of(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    text(headers, name).and_then(whole_number)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// A whole number. A fraction is rounded up, so that no request comes too early.
fn whole_number(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let up = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    whole.parse::<u64>().ok()?.checked_add(up)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn check(headers: &[(&'static str, &str)], expect_s: Option<u64>) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(requested_wait(&map), expect_s.map(Duration::from_secs), "{headers:?}");
    }

    const DATE: (&str, &str) = ("date", "Wed, 15 Jul 2026 10:36:17 GMT"); // 1784111777
    const NUMBERS: [&str; 4] =
        ["retry-after", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens", "x-ratelimit-resets"];

    #[test]
    fn every_number_is_read_by_its_size() {
        check(&[DATE], None);
        for name in NUMBERS {
            for (number, expect_s) in [
                ("0", Some(0)),
                ("30", Some(30)),
                ("0.2", Some(1)),
                ("1784111777", Some(0)),
                ("1784111790", Some(13)),
                ("1784111790000", Some(13)),
                // In the past.
                ("1784111776", None),
                ("1784111776999", None),
                ("1000000000", None),
                // A day or more away, or not a sensible time.
                ("86399", Some(86_399)),
                ("86401", None),
                ("999999999", None),
                ("1784198178", None),
                ("1784198178000", None),
                ("999999999999", None),
                ("18446744073709551615", None),
            ] {
                check(&[DATE, (name, number)], expect_s);
            }
        }
        check(&[DATE, ("ratelimit", "\"default\";r=0;t=1784111790")], Some(13));
    }

    #[test]
    fn a_date_is_taken_against_the_date_of_the_reply() {
        check(&[DATE, ("retry-after", "Wed, 15 Jul 2026 10:37:17 GMT")], Some(60));
        check(&[DATE, ("retry-after", "Wed, 15 Jul 2026 10:35:17 GMT")], None);
        check(&[DATE, ("retry-after", "Thu, 16 Jul 2026 10:36:18 GMT")], None);
    }

    #[test]
    fn a_whole_day_is_believed_of_retry_after_alone() {
        check(&[("retry-after", "86400")], Some(86_400));
        check(&[DATE, ("retry-after", "Thu, 16 Jul 2026 10:36:17 GMT")], Some(86_400));
        check(&[("x-ratelimit-reset-requests", "86400")], None);
        check(&[DATE, ("x-ratelimit-resets", "1784198177000")], None);
    }

    #[test]
    fn the_latest_time_wins() {
        check(&[("ratelimit", "\"default\";r=0;t=3, \"day\";r=0;t=9, \"other\";r=5;t=99")], Some(9));
        check(&[("retry-after", "3"), ("retry-after", "8")], Some(8));
        let (seconds, tokens) = (("retry-after", "5"), ("x-ratelimit-reset-tokens", "7"));
        check(&[DATE, seconds, tokens, ("x-ratelimit-resets", "1784111779000")], Some(7));
        check(&[DATE, seconds, tokens, ("x-ratelimit-resets", "1784111787000")], Some(10));
        check(&[("retry-after", "784111790000"), ("x-ratelimit-reset-tokens", "5")], Some(5));
    }

    #[test]
    fn the_last_success_for_now_says_until_when() {
        let none_left = ("x-ratelimit-remaining-requests", "0");
        let reset = |text| ("x-ratelimit-reset-requests", text);
        for (headers, expect_s) in [
            (&[DATE, reset("1784111837"), none_left][..], Some(60)),
            (&[DATE, reset("1784111837000"), none_left], Some(60)),
            (&[reset("60"), none_left], Some(60)),
            (&[DATE, reset("1784111776"), none_left], None),
            (&[DATE, reset("1784111837"), ("x-ratelimit-remaining-requests", "1")], None),
            (&[DATE, reset("1784111837")], None),
            (&[reset("1784111837"), none_left], None),
            (&[DATE, none_left], None),
            (&[("ratelimit", "\"default\";r=0;t=30")], Some(30)),
            (&[("ratelimit", "\"default\";r=3;t=30")], None),
        ] {
            let pairs = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            let wait = wait_after_success(&pairs.collect());
            assert_eq!(wait, expect_s.map(Duration::from_secs), "{headers:?}");
        }
    }

    #[test]
    fn a_point_in_time_without_a_date_and_nonsense_say_nothing() {
        check(&[("x-ratelimit-reset-requests", "1784111790")], None);
        check(&[("retry-after", "Wed, 15 Jul 2026 10:37:17 GMT")], None);
        for nonsense in ["", "soon", "-5", "1e3", "99999999999999999999999"] {
            check(&[DATE, ("retry-after", nonsense)], None);
            check(&[("date", "x"), ("x-ratelimit-resets", nonsense)], None);
        }
    }
}
