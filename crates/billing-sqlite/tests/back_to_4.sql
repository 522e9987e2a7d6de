-- Takes a ledger back to what version 4 had, sealed as a state that continues none. `->` gives the text of a number as it stands.
CREATE TABLE entries_4 (
    account INTEGER NOT NULL,
    timestamp_ns INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    sku INTEGER NOT NULL,
    price_per_unit_usd TEXT NOT NULL,
    units TEXT NOT NULL,
    amount TEXT NOT NULL,
    currency INTEGER NOT NULL,
    notes INTEGER NOT NULL,
    api_key INTEGER NOT NULL,
    request_id TEXT,
    execution_time_ms TEXT,
    prompt_tokens TEXT,
    completion_tokens TEXT,
    PRIMARY KEY (account, timestamp_ns, sequence)
) STRICT, WITHOUT ROWID;
INSERT INTO entries_4
    SELECT account, timestamp_ns, sequence, sku, numbers -> 0, numbers -> 1, numbers -> 2, currency, notes, api_key,
        request_id, nullif(numbers -> 3, 'null'), nullif(numbers -> 4, 'null'), nullif(numbers -> 5, 'null')
    FROM entries;
DROP TABLE entries;
ALTER TABLE entries_4 RENAME TO entries;
DROP TABLE sources;
DROP TABLE coverage;
DROP TABLE coverage_sums;
DROP TABLE removed;
DROP TABLE block_sums;
DROP TABLE blocks;
PRAGMA user_version = 4;
UPDATE meta SET value = unhex(
    hex(randomblob(16)) || (SELECT printf('%08X', schema_version) FROM pragma_schema_version) || hex(zeroblob(20))
) WHERE name = 'seal';
