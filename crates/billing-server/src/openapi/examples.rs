//! What examples of bodies say. One history, seen from every route: the same two requests and one purchase.

/// An entry with its request.
pub(super) const ENTRY: &str = r#"{"amount":-0.0168192,"apiKeyId":"e28e82dc-9df2-4b47-b726-d0a222ef2ab5","currency":"DIEM","inferenceDetails":{"completionTokens":214,"inferenceExecutionTime":4433,"promptTokens":84306,"requestId":"chatcmpl-a5e9a13d2c335ddc"},"notes":"API Inference","pricePerUnitUsd":0.2,"sku":"kimi-k2-7-code-llm-cache-input-mtoken","timestamp":"2026-06-26T11:11:34.193Z","units":0.084096}"#;

/// An entry that is no usage.
const PURCHASE: &str = r#"{"amount":25,"apiKeyId":null,"currency":"USD","inferenceDetails":null,"notes":"Credit Purchase","pricePerUnitUsd":1,"sku":"credit-purchase","timestamp":"2026-06-27T08:00:00.000Z","units":25}"#;

/// The header line of CSV and the two entries.
pub(super) const CSV: &str = "\
timestamp,sku,pricePerUnitUsd,units,amount,currency,notes,inferenceDetails.requestId,inferenceDetails.inferenceExecutionTime,inferenceDetails.promptTokens,inferenceDetails.completionTokens
2026-06-26T11:11:34.193Z,kimi-k2-7-code-llm-cache-input-mtoken,0.2,0.084096,-0.0168192,DIEM,API Inference,chatcmpl-a5e9a13d2c335ddc,4433,84306,214
2026-06-27T08:00:00.000Z,credit-purchase,1,25,25,USD,Credit Purchase,,,,
";

pub(super) fn usage_page() -> String {
    format!(
        r#"{{"data":[{PURCHASE},{ENTRY}],"pagination":{{"limit":200,"page":1,"total":2,"totalPages":1}}}}"#
    )
}

pub(super) fn history_page() -> String {
    format!(r#"{{"data":[{ENTRY},{PURCHASE}],"nextCursor":null}}"#)
}

/// The entries as an ingest takes them: the second with its numbers as strings.
pub(super) fn batch() -> String {
    format!("[{ENTRY},{}]", purchase_in_strings())
}

/// The same batch, a line for each entry.
pub(super) fn batch_lines() -> String {
    format!("{ENTRY}\n{}\n", purchase_in_strings())
}

fn purchase_in_strings() -> String {
    PURCHASE.replace("\"amount\":25", "\"amount\":\"25.00\"").replace("\"units\":25", "\"units\":\"25\"")
}

pub(super) const RECEIPT: &str = r#"{"idempotencyKey":"2026-06-27/1","recorded":1000}"#;

pub(super) const CONFLICTING_BATCH: &str = r#"{"error":"Another batch was sent with this Idempotency-Key before; this one was not stored","idempotencyKey":"2026-06-27/1"}"#;

pub(super) const REFUSED_BATCH: &str = r#"{"error":"3 of 1000 rows cannot be recorded; nothing was stored","rows":1000,"badRows":[[3,3],[17,18]],"issues":[{"row":3,"field":"amount","message":"`0.1O` is not a decimal number"},{"row":17,"field":"timestamp","message":"is missing"},{"row":18,"field":null,"message":"is not a JSON object"}]}"#;

pub(super) const ANALYTICS: &str = r#"{"lookback":"2d","byDate":[{"date":"2026-06-26","USD":0,"DIEM":0.0280192},{"date":"2026-06-27","USD":0,"DIEM":0}],"byModel":[{"modelName":"kimi-k2-7-code","unitType":"tokens","modelType":"LLM","totalUsd":0,"totalDiem":0.0280192,"totalUnits":0.088096,"breakdown":[{"type":"Output","usd":0,"diem":0.0112,"units":0.004},{"type":"Cache Read","usd":0,"diem":0.0168192,"units":0.084096}]}],"byModelDaily":[{"date":1782432000000,"kimi-k2-7-code":0.0280192},{"date":1782518400000,"kimi-k2-7-code":0}],"topModels":["kimi-k2-7-code"],"byKey":[{"apiKeyId":"e28e82dc-9df2-4b47-b726-d0a222ef2ab5","description":"reports","totalUsd":0,"totalDiem":0.0280192,"totalUnits":0.088096}],"byKeyDaily":[{"date":1782432000000,"reports":0.0280192},{"date":1782518400000,"reports":0}],"topKeyNames":["reports"]}"#;

pub(super) const BALANCE: &str = r#"{"canConsume":true,"consumptionCurrency":"DIEM","balances":{"diem":99.9831808,"usd":25,"bundledCredits":null,"earnedCredits":null},"diemEpochAllocation":100}"#;

pub(super) const REFUSED_QUERY: &str = r#"{"error":"Invalid request parameters","details":{"_errors":[],"limit":{"_errors":["`0` is out of range: this endpoint takes 1 to 500"]}},"issues":[{"code":"too_small","path":["limit"],"message":"`0` is out of range: this endpoint takes 1 to 500"}]}"#;

pub(super) const METRICS: &str = "\
# HELP billing_ingest_entries Entries that were stored.
# TYPE billing_ingest_entries counter
billing_ingest_entries_total 2
# HELP billing_ingest_spend_diem Sum of the DIEM entries that were stored, spend as a positive number.
# TYPE billing_ingest_spend_diem counter
# UNIT billing_ingest_spend_diem diem
billing_ingest_spend_diem_total 0.0168192
# EOF
";

/// The body of an error that is nothing but its text, which needs no escapes.
pub(super) fn error(text: &str) -> String {
    format!(r#"{{"error":"{text}"}}"#)
}
