"""venice-ai: the SDK before venice-py, by page number."""

import csv
import io
from decimal import Decimal

from venice_ai import VeniceClient
from venice_ai.types.billing import BillingFormatEnum

from figures import BASE_URL, KEY, attempt, sums

client = VeniceClient(api_key=KEY, base_url=BASE_URL)


def one_call():
    answer = client.billing.get_usage()
    entries = answer["data"]
    return {
        "rows": len(entries),
        "totals": sums((entry["currency"], entry["amount"]) for entry in entries),
        "note": f"one page of {answer['pagination']['totalPages']}",
    }


def every_page():
    entries, page, last = [], 1, 1
    while page <= last:
        answer = client.billing.get_usage(limit=500, page=page, sortOrder="asc")
        entries += answer["data"]
        page, last = page + 1, answer["pagination"]["totalPages"]
    return {
        "rows": len(entries),
        "totals": sums((entry["currency"], entry["amount"]) for entry in entries),
        "note": f"it has no walk: {last} calls by hand; an amount is a {type(entries[0]['amount']).__name__}; it has no "
        "`usage-history`, balance or analytics",
    }


def every_page_csv():
    rows, page = [], 1
    while page == 1 or len(found) == 500:
        text = client.billing.get_usage(format=BillingFormatEnum.CSV, limit=500, page=page, sortOrder="asc").decode()
        found = list(csv.DictReader(io.StringIO(text, newline="")))
        rows += found
        page += 1
    return {
        "rows": len(rows),
        "totals": sums((row["currency"], Decimal(row["amount"])) for row in rows),
        "note": "it hides the headers with the paging, so the end is a page that is not full; added as decimals by hand",
    }


attempt("`get_usage()`, once", one_call)
attempt("`get_usage()`, each page", every_page)
attempt("`get_usage(format=CSV)`, each page", every_page_csv)
