-- Takes a ledger back to what version 4 had, sealed as a state that continues none.
ALTER TABLE entries DROP COLUMN other_fields;
ALTER TABLE rollups RENAME COLUMN side TO is_credit;
ALTER TABLE balances RENAME COLUMN side TO is_credit;
DROP TABLE removed;
DROP TABLE block_sums;
DROP TABLE blocks;
PRAGMA user_version = 4;
UPDATE meta SET value = unhex(
    hex(randomblob(16)) || (SELECT printf('%08X', schema_version) FROM pragma_schema_version) || hex(zeroblob(20))
) WHERE name = 'seal';
