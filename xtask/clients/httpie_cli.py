"""HTTPie: requests by hand, from a shell."""

import json
import os
import subprocess
import sys
from decimal import Decimal

from figures import BASE_URL, END, KEY, START, attempt, plain, sums

HTTP = os.path.join(os.path.dirname(sys.executable), "http")


def http(path, *options, pretty="none"):
    command = [HTTP, "--ignore-stdin", "--check-status", "--print=b", f"--pretty={pretty}", "--auth-type=bearer"]
    command += [f"--auth={KEY}", *options, "GET", f"{BASE_URL}/billing/{path}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def read(text):
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def walk(pretty):
    entries, query = [], ""
    while query is not None:
        page = read(http(f"usage-history{query}", pretty=pretty))
        entries += page["data"]
        query = page["nextCursor"] and f"?cursor={page['nextCursor']}"
    days = read(http(f"usage-analytics?startDate={START}&endDate={END}", pretty=pretty))["byDate"]
    balances = read(http("balance", pretty=pretty))["balances"]
    return {
        "rows": len(entries),
        "totals": sums((entry["currency"], entry["amount"]) for entry in entries),
        "analytics": {column: plain(sum(day[column] for day in days)) for column in ("USD", "DIEM")},
        "balance": {name: plain(balances[name]) for name in ("diem", "usd")},
    }


def one_call():
    page = read(http("usage-history"))
    return {
        "rows": len(page["data"]),
        "totals": sums((entry["currency"], entry["amount"]) for entry in page["data"]),
        "note": "one page, with a `nextCursor`" if page["nextCursor"] else "",
    }


def to_a_pipe():
    return walk("none") | {"note": "each `nextCursor` by hand; the body as it came, read and added as decimals by hand"}


def to_a_terminal():
    as_sent, shown = http("usage-history"), http("usage-history", pretty="format")
    pairs = zip(read_texts(as_sent), read_texts(shown), strict=True)
    others = [(sent, shown) for sent, shown in pairs if sent != shown]
    example = f", as {others[0][0]} to {others[0][1]}" if others else ""
    return walk("format") | {"note": f"it prints numbers anew: {len(others)} of the first page change their text{example}"}


class Number(str):
    """A number as it is written."""


def read_texts(text):
    """The numbers of a body, in an order that both forms have."""
    found = []

    def gather(value):
        if isinstance(value, dict):
            for key in sorted(value):
                gather(value[key])
        elif isinstance(value, list):
            for item in value:
                gather(item)
        elif isinstance(value, Number):
            found.append(str(value))

    gather(json.loads(text, parse_float=Number, parse_int=Number))
    return found


attempt("`http`, once", one_call)
attempt("`http`, each page, to a pipe", to_a_pipe)
attempt("the same as on a terminal (`--pretty=format`)", to_a_terminal)
