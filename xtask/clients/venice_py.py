"""venice-py: an SDK for Python, by cursor."""

import asyncio
import csv
import io
from decimal import Decimal

from venice_ai import VeniceClient

from figures import BASE_URL, END, KEY, START, attempt, plain, sums


def ask(use):
    async def with_client():
        async with VeniceClient(api_key=KEY, base_url=BASE_URL) as client:
            return await use(client)

    return asyncio.run(with_client())


def walk():
    async def use(client):
        entries = [entry async for entry in client.billing.iter_usage_history()]
        analytics = await client.billing.get_usage_analytics(startDate=START, endDate=END)
        balance = await client.billing.get_balance()
        days = analytics.byDate
        return {
            "rows": len(entries),
            "totals": sums((entry.currency, entry.amount) for entry in entries),
            "analytics": {"USD": plain(sum(day.USD for day in days)), "DIEM": plain(sum(day.DIEM for day in days))},
            "balance": {"diem": plain(balance.balances.diem), "usd": plain(balance.balances.usd)},
            "note": f"an amount is a {type(entries[0].amount).__name__}",
        }

    return ask(use)


def one_call():
    async def use(client):
        page = await client.billing.get_usage_history()
        return {
            "rows": len(page.data),
            "totals": sums((entry.currency, entry.amount) for entry in page.data),
            "note": "one page, with a `nextCursor`" if page.nextCursor else "",
        }

    return ask(use)


def walk_csv():
    async def use(client):
        pages = [page.text async for page in client.billing.iter_usage_history_csv()]
        rows = [row for page in pages for row in csv.DictReader(io.StringIO(page, newline=""))]
        return {
            "rows": len(rows),
            "totals": sums((row["currency"], Decimal(row["amount"])) for row in rows),
            "note": f"{len(pages)} documents, each with a header row; added as decimals by hand",
        }

    return ask(use)


attempt("`iter_usage_history()`", walk)
attempt("`get_usage_history()`, once", one_call)
attempt("`iter_usage_history_csv()`", walk_csv)
