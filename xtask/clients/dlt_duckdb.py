"""dlt with duckdb: a pipeline from the API into tables."""

import os

import dlt
from dlt.sources.rest_api import rest_api_source

from figures import BASE_URL, END, KEY, START, attempt, plain

CURSOR = {"type": "cursor", "cursor_path": "nextCursor", "cursor_param": "cursor"}
PAGES = {"type": "page_number", "base_page": 1, "total_path": "pagination.totalPages"}


def load(name, resources, hints=None):
    """Loads resources into a database of its own, and gives a way to ask it."""
    source = rest_api_source(
        {
            "client": {"base_url": f"{BASE_URL}/billing/", "auth": {"type": "bearer", "token": KEY}},
            "resources": resources,
        },
        name=name,
    )
    for resource, columns in (hints or {}).items():
        source.resources[resource].apply_hints(columns=columns)
    destination = dlt.destinations.duckdb(os.path.join(os.getcwd(), f"{name}.duckdb"))
    pipeline = dlt.pipeline(name, destination=destination, dataset_name="billing", pipelines_dir=os.getcwd())
    pipeline.run(source)

    def ask(query):
        with pipeline.sql_client() as client:
            return client.execute_sql(query)

    return ask


def ledger_of(ask, table):
    (rows,) = ask(f"select count(*) from {table}")[0]
    (kind,) = ask(f"select typeof(amount) from {table} limit 1")[0]
    totals = ask(f"select currency, sum(amount) from {table} group by currency")
    return {
        "rows": rows,
        "totals": {currency: plain(total) for currency, total in totals},
        "note": f"`amount` is {kind}",
    }


def columns_of(ask, table):
    return [name for (name,) in ask(f"select column_name from information_schema.columns where table_name = '{table}'")]


def usage_history(params=None):
    endpoint = {"path": "usage-history", "paginator": CURSOR, "data_selector": "data", "params": params or {}}
    return {"name": "history", "endpoint": endpoint}


def by_cursor():
    summary = {
        "name": "by_date",
        "endpoint": {
            "path": "usage-analytics",
            "params": {"startDate": START, "endDate": END},
            "data_selector": "byDate",
            "paginator": "single_page",
        },
    }
    left = {"name": "balance", "endpoint": {"path": "balance", "data_selector": "balances", "paginator": "single_page"}}
    ask = load("by_cursor", [usage_history(), summary, left])
    ((usd, diem),) = ask("select sum(usd), sum(diem) from by_date")
    columns = columns_of(ask, "balance")
    # A column without any value is not made.
    ((first, second),) = ask(
        f"select {'diem' if 'diem' in columns else 'null'}, {'usd' if 'usd' in columns else 'null'} from balance"
    )
    figures = ledger_of(ask, "history")
    others = [f"`{name}`" for name in columns_of(ask, "by_date") if "__v_" in name]
    if others:
        figures["note"] += (
            f"; a day whose sum is a whole number comes first and makes a column of whole numbers, so those of other days "
            f"are in {' and '.join(others)}"
        )
    return figures | {
        "analytics": {"USD": plain(usd), "DIEM": plain(diem)},
        "balance": {"diem": plain(first), "usd": plain(second)},
    }


def with_a_window():
    window = {"startTimestamp": f"{START}T00:00:00Z"}
    return ledger_of(load("with_a_window", [usage_history(window)]), "history")


def as_decimals(**kind):
    hints = {"history": {"amount": {"data_type": "decimal", **kind}}}
    return ledger_of(load("_".join(["as_decimals", *kind]), [usage_history()], hints), "history")


def by_page():
    endpoint = {
        "path": "usage",
        "paginator": PAGES,
        "data_selector": "data",
        "params": {"limit": 500, "sortOrder": "asc"},
    }
    return ledger_of(load("by_page", [{"name": "usage", "endpoint": endpoint}]), "usage")


attempt("`usage-history`, its cursor paginator", by_cursor)
attempt("the same with a `startTimestamp`", with_a_window)
attempt("the first, `amount` as its `decimal`", as_decimals)
attempt("the first, `amount` as `decimal` of 38 digits, 20 places", lambda: as_decimals(precision=38, scale=20))
attempt("`usage`, its page paginator", by_page)
