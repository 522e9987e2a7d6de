"""No client: the figures themselves, from the file that the ledger was made of and the server's own text."""

import gzip
import json
import sys
import urllib.request
from decimal import Decimal

from figures import BASE_URL, EXACT, KEY, plain, say, sums

entries = []
with gzip.open(sys.argv[1], "rt", encoding="utf-8") as lines:
    for line in lines:
        entries.append(json.loads(line, parse_float=Decimal, parse_int=Decimal))

spend = {"USD": Decimal(0), "DIEM": Decimal(0)}
for entry in entries:
    # What analytics says of currencies: docs/upstream-api.md.
    column = {"USD": "USD", "BUNDLED_CREDITS": "USD", "DIEM": "DIEM"}[entry["currency"]]
    if entry["amount"] < 0:
        spend[column] = EXACT.subtract(spend[column], entry["amount"])

request = urllib.request.Request(f"{BASE_URL}/billing/balance", headers={"Authorization": f"Bearer {KEY}"})
with urllib.request.urlopen(request) as answer:
    balances = json.load(answer, parse_float=Decimal, parse_int=Decimal)["balances"]

say(
    "the ledger itself",
    rows=len(entries),
    totals=sums((entry["currency"], entry["amount"]) for entry in entries),
    analytics={column: plain(total) for column, total in spend.items()},
    balance={name: plain(balances[name]) for name in ("diem", "usd")},
)
