"""dlt with duckdb: the ledger as an incremental resource, the way its users keep a copy. `cargo xtask bench sync` times it.

A cursor goes alone, and dlt's own paginator would send the parameters of the first request with it: hence `Alone`. Amounts are
decimals by hint; by default they would be floats.
"""

import os
import sys

import dlt
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

from figures import BASE_URL, KEY

EXACT = {"data_type": "decimal", "precision": 38, "scale": 20}


class Alone(JSONResponseCursorPaginator):
    def update_request(self, request):
        request.params = {"cursor": self._next_reference}


@dlt.resource(write_disposition="append", columns={"amount": EXACT, "units": EXACT, "price_per_unit_usd": EXACT})
def history(since=dlt.sources.incremental("timestamp", initial_value="2026-01-01T00:00:00Z")):
    client = RESTClient(
        f"{BASE_URL}/billing/",
        auth=BearerTokenAuth(KEY),
        paginator=Alone(cursor_path="nextCursor", cursor_param="cursor"),
        data_selector="data",
    )
    params = {"pageSize": 1000, "startTimestamp": since.last_value}
    yield from client.paginate("usage-history", params=params)


place = os.getcwd()
destination = dlt.destinations.duckdb(os.path.join(place, "history.duckdb"))
pipeline = dlt.pipeline("history", destination=destination, dataset_name="billing", pipelines_dir=place)
pipeline.run(history())
with pipeline.sql_client() as client:
    (rows,) = client.execute_sql("select count(*) from history")[0]
print(rows, file=sys.stdout)
