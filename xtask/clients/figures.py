"""What every driver says of its client, and how: lines of JSON on stdout, read by `cargo xtask clients`.

A driver does what a user of the client would do, and reports what came of it. It mends nothing: where the client gives
floats, their sum is the sum of floats.
"""

import json
import os
import sys
import traceback
from collections import defaultdict
from decimal import Context, Decimal

# Room for every digit: nothing may be rounded here.
EXACT = Context(prec=400)

BASE_URL = os.environ.get("BILLING_URL", "") + "/api/v1"
KEY = os.environ.get("BILLING_KEY", "")

# All of the ledger, for analytics.
START, END = "2026-05-01", "2026-06-30"


def plain(number):
    """The digits of a number: of a float those that it is printed with, of nothing none."""
    if number is None:
        return "null"
    value = Decimal(repr(number) if isinstance(number, float) else str(number))
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def sums(pairs):
    """The sum of amounts by currency, added as what they are: floats as floats, decimals as decimals."""
    totals = defaultdict(lambda: None)
    for currency, amount in pairs:
        before = totals[currency]
        if before is None:
            totals[currency] = amount
        else:
            totals[currency] = EXACT.add(before, amount) if isinstance(amount, Decimal) else before + amount
    return {currency: plain(total) for currency, total in totals.items()}


def say(how, rows=None, totals=None, analytics=None, balance=None, note=""):
    """One line of the table: a way to use the client, and its figures. None is what the client does not have."""
    line = {"how": how, "rows": rows, "totals": totals, "analytics": analytics, "balance": balance, "note": note}
    print(json.dumps(line), flush=True)


def attempt(how, use):
    """Reports a way to use the client, or how that failed."""
    try:
        say(how, **use())
    except Exception as error:  # Whatever a client raises is what its user would see.
        traceback.print_exc(file=sys.stderr)
        while error.__cause__ is not None:
            error = error.__cause__
        # The address has the port of the day in it.
        text = " ".join(str(error).split()).split(" for url", 1)[0]
        say(how, note=f"fails: {type(error).__name__}: {text[:200]}")
