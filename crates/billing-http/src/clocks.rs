//! The clocks by which a service says when to come back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

const REMAINING_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
const RESET_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");
const RESET_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-reset-tokens");
const RESETS: HeaderName = HeaderName::from_static("x-ratelimit-resets");

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// A wait beyond it is a clock in another unit, and says nothing.
const MAX_BELIEVED: Duration = Duration::from_secs(32 * 24 * 60 * 60);

/// How long a reply asks to wait: the longest of all that its headers say, or `None` when they say nothing.
///
/// Read are `Retry-After` (seconds, or an HTTP date), `x-ratelimit-reset-requests` (unix seconds),
/// `x-ratelimit-reset-tokens` (seconds from now), the draft standard's `RateLimit` and `x-ratelimit-resets` (unix milliseconds). Points in time are
/// taken against the reply's own `Date`, never against the local clock: a wrong local clock changes no wait. Without
/// a `Date` they say nothing. A point in the past is a wait of zero.
///
/// Source: `docs/upstream-api.md`, HTTP; RFC 9110, 10.2.3.
pub fn requested_wait(headers: &HeaderMap) -> Option<Duration> {
    let now = reply_date(headers);
    let until = |instant: SystemTime| now.map(|now| instant.duration_since(now).unwrap_or_default());
    let number = |name| text(headers, name).and_then(whole_number);
    let retry_after = headers.get_all(RETRY_AFTER).iter().filter_map(|value| {
        let value = value.to_str().ok()?.trim();
        match whole_number(value) {
            Some(seconds) => Some(Duration::from_secs(seconds)),
            None => httpdate::parse_http_date(value).ok().and_then(until),
        }
    });
    let other = [
        text(headers, &RATE_LIMIT).and_then(rate_limit_reset).map(Duration::from_secs),
        number(&RESET_REQUESTS).and_then(|unix_s| until(after_epoch(Duration::from_secs(unix_s))?)),
        number(&RESET_TOKENS).map(Duration::from_secs),
        number(&RESETS).and_then(|unix_ms| until(after_epoch(Duration::from_millis(unix_ms))?)),
    ];
    retry_after.chain(other.into_iter().flatten()).filter(|wait| *wait <= MAX_BELIEVED).max()
}

/// How long to wait after a page that says that it was the last one for now: `x-ratelimit-remaining-requests: 0` with its
/// reset, or a `RateLimit` that has nothing left.
pub(crate) fn wait_after_page(headers: &HeaderMap) -> Option<Duration> {
    let spent = text(headers, &REMAINING_REQUESTS) == Some("0");
    let reset = text(headers, &RESET_REQUESTS).and_then(whole_number).filter(|_| spent);
    let reset = reset.and_then(|unix_s| {
        let at = after_epoch(Duration::from_secs(unix_s))?;
        Some(at.duration_since(reply_date(headers)?).unwrap_or_default())
    });
    let draft = text(headers, &RATE_LIMIT).and_then(rate_limit_reset).map(Duration::from_secs);
    reset.into_iter().chain(draft).filter(|wait| *wait <= MAX_BELIEVED).max()
}

/// The service's own clock, to the second.
pub(crate) fn reply_date(headers: &HeaderMap) -> Option<SystemTime> {
    text(headers, &DATE).and_then(|date| httpdate::parse_http_date(date).ok())
}

/// The `t` of a policy that has nothing left, `"default";r=0;t=30` (draft-ietf-httpapi-ratelimit-headers), the longest.
fn rate_limit_reset(value: &str) -> Option<u64> {
    let policies = value.split(',').filter_map(|policy| {
        let parameter = |name: &str| {
            let mut parameters = policy.split(';').filter_map(|parameter| parameter.trim().split_once('='));
            parameters.find(|(found, _)| *found == name).and_then(|(_, value)| whole_number(value))
        };
        parameter("t").filter(|_| parameter("r") == Some(0))
    });
    policies.max()
}

fn after_epoch(time: Duration) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(time)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Whole seconds; a fraction is rounded up, so that nobody comes back early.
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

    #[test]
    fn each_clock_has_its_own_unit() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT"); // 784111777
        check(&[date], None);
        check(&[("retry-after", "30")], Some(30));
        check(&[("retry-after", "0.2")], Some(1));
        check(&[date, ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")], Some(60));
        check(&[date, ("retry-after", "Sun, 06 Nov 1994 08:48:37 GMT")], Some(0));
        check(&[date, ("x-ratelimit-reset-requests", "784111790")], Some(13));
        check(&[("x-ratelimit-reset-tokens", "17")], Some(17));
        check(&[("ratelimit", "\"default\";r=0;t=3, \"day\";r=0;t=9, \"other\";r=5;t=99")], Some(9));
        check(&[("retry-after", "3"), ("retry-after", "8")], Some(8));
        check(&[date, ("x-ratelimit-resets", "784111779000")], Some(2));
        check(
            &[
                date,
                ("retry-after", "5"),
                ("x-ratelimit-reset-tokens", "7"),
                ("x-ratelimit-resets", "784111779000"),
            ],
            Some(7),
        );
    }

    #[test]
    fn the_last_page_for_now_says_until_when() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT"); // 784111777
        let reset = ("x-ratelimit-reset-requests", "784111837");
        let none_left = ("x-ratelimit-remaining-requests", "0");
        for (headers, expect_s) in [
            (&[date, reset, none_left][..], Some(60)),
            (&[date, reset, ("x-ratelimit-remaining-requests", "1")], None),
            (&[date, reset], None),
            (&[reset, none_left], None),
            (&[date, none_left], None),
            (&[("ratelimit", "\"default\";r=0;t=30")], Some(30)),
            (&[("ratelimit", "\"default\";r=3;t=30")], None),
        ] {
            let pairs = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            let wait = wait_after_page(&pairs.collect());
            assert_eq!(wait, expect_s.map(Duration::from_secs), "{headers:?}");
        }
    }

    #[test]
    fn a_clock_in_another_unit_says_nothing() {
        check(&[("x-ratelimit-reset-tokens", "784111790")], None);
        check(&[("retry-after", "784111790000"), ("x-ratelimit-reset-tokens", "5")], Some(5));
    }

    #[test]
    fn a_point_in_time_without_a_date_and_nonsense_say_nothing() {
        check(&[("x-ratelimit-reset-requests", "784111790")], None);
        check(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")], None);
        for nonsense in ["", "soon", "-5", "1e3", "99999999999999999999999"] {
            check(&[("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("retry-after", nonsense)], None);
            check(&[("date", "x"), ("x-ratelimit-resets", nonsense)], None);
        }
    }
}
