"""What OpenAPI cannot say of the billing API, for Schemathesis.

Some rules stand in the document in words, because JSON Schema has none for them: that a cursor goes alone, that an end
comes after its start. Schemathesis knows nothing of words. So of a case that breaks such a rule, the parameters that it
is not about give way; what is left is sent. Only a case that should be accepted and cannot be made so is dropped.
"""

import re
import zlib
from datetime import date, timedelta

import batches
import checks_report  # it registers itself
import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

USAGE = "GET /api/v1/billing/usage"
HISTORY = "GET /api/v1/billing/usage-history"
ANALYTICS = "GET /api/v1/billing/usage-analytics"
RECORD = "POST /api/v1/billing/usage"

# "A span has 366 days at most."
MAX_SPAN = timedelta(days=365)

# The cursors that the server gave out: any other one is invented.
issued_cursors = set()

# What each idempotency key was used for: with another batch it is a conflict.
used_keys = {}


@schemathesis.hook
def before_load_schema(context, raw_schema):
    batches.describe(raw_schema)


@schemathesis.hook
def after_call(context, case, response):
    if case.operation.label == HISTORY and response.status_code == 200:
        is_csv = response.headers["content-type"][0].startswith("text/csv")
        cursors = response.headers.get("x-next-cursor", []) if is_csv else [response.json().get("nextCursor")]
        issued_cursors.update(filter(None, cursors))


@schemathesis.hook
def filter_case(context, case):
    label = case.operation.label
    if label == RECORD and case.meta.is_negative_at(ParameterLocation.BODY):
        # In CSV all is text, so that a wrong value may be a good one once it is written.
        return not batches.is_good_in_csv(case)
    if case.meta.generation.mode.is_negative:
        return True
    if label == HISTORY:
        return "cursor" not in subject(case) or is_issued(case.query["cursor"])
    return label != RECORD or batches.texts_fit(case.body)


@schemathesis.hook
def before_add_examples(context, examples):
    # The other hooks see all cases but these.
    examples[:] = [map_case(context, case) for case in examples if filter_case(context, case)]


@schemathesis.hook
def map_case(context, case):
    label = case.operation.label
    if label == USAGE:
        keep_in_order(case, "startDate", "endDate", is_exclusive=False)
    elif label == HISTORY:
        keep_cursor_alone(case)
        keep_in_order(case, "startTimestamp", "endTimestamp", is_exclusive=True)
    elif label == ANALYTICS:
        keep_one_span(case)
    elif label == RECORD:
        batches.keep_numbers_exact(case)
        batches.compress(case)
        keep_key_unused(case)
    is_page = label in (USAGE, HISTORY) and case.meta.phase.name != TestPhase.STATEFUL
    if is_page and zlib.crc32(repr(case.query).encode()) % 3 == 0:
        # `Accept` is no parameter to OpenAPI, and Schemathesis takes everything: JSON then, always. Links need JSON.
        case.headers["Accept"] = "text/csv"
    return case


def subject(case):
    """The parameters that the case is about."""
    data = case.meta.phase.data
    return {data.parameter} | {mutation.parameter for mutation in data.mutations}


def give_way(case, *names):
    """Takes out those of the parameters that the case is not about."""
    for name in set(names) - subject(case):
        case.query.pop(name, None)


def keep_in_order(case, start, end, is_exclusive):
    """An end comes after its start; an inclusive one may be the same."""
    first, last = instant(case.query.get(start)), instant(case.query.get(end))
    if first and last and (first > last or is_exclusive and first == last):
        give_way(case, start if end in subject(case) else end)


def keep_cursor_alone(case):
    """A cursor goes alone, and is one that was given out."""
    if "cursor" not in case.query:
        return
    if is_issued(case.query["cursor"]) or "cursor" in subject(case):
        give_way(case, *(name for name in case.query if name != "cursor"))
    else:
        give_way(case, "cursor")


def is_issued(cursor):
    return isinstance(cursor, str) and cursor in issued_cursors


def keep_one_span(case):
    """Dates that go together are in order and not too far apart. One alone, and a lookback beside them, count for nothing."""
    query = case.query
    about, other = ("endDate", "startDate") if "endDate" in subject(case) else ("startDate", "endDate")
    first, last = day(query.get("startDate")), day(query.get("endDate"))
    if first and last and not timedelta() <= last - first <= MAX_SPAN and other not in subject(case):
        query[other] = query[about]


def keep_key_unused(case):
    """A key belongs to one batch for good."""
    key = (case.headers or {}).get("Idempotency-Key")
    if not isinstance(key, str) or "Idempotency-Key" in subject(case) and case.meta.generation.mode.is_negative:
        return
    batch = (case.media_type, repr(case.body))
    if used_keys.setdefault(key, batch) != batch:
        key = f"{key[:240]}/{len(used_keys)}"
        used_keys[key] = batch
        case.headers["Idempotency-Key"] = key


INSTANT = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-]\d\d):(\d\d))")


def instant(value):
    """A date-time as seconds and nanoseconds, to compare; None when it is none. Python's own know no year 0."""
    found = INSTANT.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return None
    year, month, day_of_month, hour, minute, second = map(int, found.groups()[:6])
    try:
        # The calendar repeats after 400 years.
        days = date(year % 400 + 400, month, day_of_month).toordinal() + year // 400 * 146_097
    except ValueError:
        return None
    fraction, offset_hours, offset_minutes = found.groups()[6:]
    offset = int((offset_hours or "+00") + "0") * 6 + int((offset_hours or "+")[0] + (offset_minutes or "0"))
    return (((days * 24 + hour) * 60 + minute - offset) * 60 + second, (fraction or "").ljust(9, "0")[:9])


def day(value):
    try:
        return date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        return None
