"""The sums of a report by DuckDB, over an exported CSV file: day, sku and currency, in DECIMAL. `cargo xtask bench report` times it.

usage: duckdb.py FILE; prints the number of entries on its last line.
"""

import sys

import duckdb

# Every column that is summed is a DECIMAL, because a double would not be exact; the others are read as what they are.
rows = duckdb.execute(
    """
    SELECT CAST(timestamp AS DATE) AS day, sku, currency, count(*),
           sum(CASE WHEN amount < 0 THEN -amount ELSE 0 END), sum(CASE WHEN amount > 0 THEN amount ELSE 0 END), sum(units)
    FROM read_csv(?, header = true, types = {'timestamp': 'TIMESTAMP', 'amount': 'DECIMAL(38,28)', 'units': 'DECIMAL(38,18)'})
    GROUP BY ALL ORDER BY ALL
    """,
    [sys.argv[1]],
).fetchall()
print(len(rows))
print(sum(row[3] for row in rows))
