//! Where entries go: files that are whole or not there, as CSV, JSON or NDJSON.
