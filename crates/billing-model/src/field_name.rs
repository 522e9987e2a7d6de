//! The names of the fields, and what is likely meant by one that none of them has.

/// Every field with the name that the API gives it, in the order of its CSV; `inferenceDetails` is of JSON only.
pub(crate) const FIELDS: [&str; 13] = [
    "timestamp",
    "sku",
    "pricePerUnitUsd",
    "units",
    "amount",
    "currency",
    "notes",
    "inferenceDetails",
    "inferenceDetails.requestId",
    "inferenceDetails.inferenceExecutionTime",
    "inferenceDetails.promptTokens",
    "inferenceDetails.completionTokens",
    "apiKeyId",
];

/// The members of an entry in JSON that are known: `unit` is another name of `units`.
pub(crate) const IN_ENTRY: [&str; 10] = [
    "amount",
    "apiKeyId",
    "currency",
    "inferenceDetails",
    "notes",
    "pricePerUnitUsd",
    "sku",
    "timestamp",
    "units",
    "unit",
];

/// The same of `inferenceDetails`.
pub(crate) const IN_DETAILS: [&str; 4] =
    ["completionTokens", "inferenceExecutionTime", "promptTokens", "requestId"];

const DETAILS: &str = "inferencedetails";

/// The field that a name is likely meant for, when it is not the field's own name: `request_id`, `Prompt Tokens`.
///
/// Case, spaces and punctuation are left out of the comparison, and whether `inferenceDetails` is in front.
///
/// ```
/// use billing_model::meant_field;
/// assert_eq!(meant_field("requestId"), Some("inferenceDetails.requestId"));
/// assert_eq!(meant_field("price_per_unit_usd"), Some("pricePerUnitUsd"));
/// assert_eq!(meant_field("amount"), None, "it is one");
/// assert_eq!(meant_field("aFieldOfTheFuture"), None);
/// ```
pub fn meant_field(name: &str) -> Option<&'static str> {
    if FIELDS.contains(&name) {
        return None;
    }
    let name = letters(name);
    let in_details = name.strip_prefix(DETAILS).unwrap_or(&name);
    FIELDS.into_iter().find(|field| {
        let field = letters(field);
        match field.strip_prefix(DETAILS) {
            Some("") | None => field == name,
            Some(field) => field == in_details,
        }
    })
}

/// The letters and digits, in lower case.
fn letters(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_known_by_any_spelling_and_by_nothing_else() {
        for (names, field) in [
            (&["Timestamp", "TIMESTAMP", " timestamp", "time_stamp", "\u{feff}timestamp"][..], "timestamp"),
            (&["SKU", "sku "], "sku"),
            (&["price_per_unit_usd", "PricePerUnitUSD", "Price per unit (USD)"], "pricePerUnitUsd"),
            (&["Amount", "amount "], "amount"),
            (&["inference_details", "InferenceDetails"], "inferenceDetails"),
            (
                &[
                    "requestId",
                    "request_id",
                    "RequestID",
                    "inferenceDetails_requestId",
                    "inference_details.request_id",
                    "inferenceDetails/requestId",
                    "inferenceDetails.RequestId",
                ],
                "inferenceDetails.requestId",
            ),
            (&["inferenceExecutionTime"], "inferenceDetails.inferenceExecutionTime"),
            (&["promptTokens", "prompt_tokens"], "inferenceDetails.promptTokens"),
            (&["completion-tokens"], "inferenceDetails.completionTokens"),
            (&["api_key_id", "ApiKeyID"], "apiKeyId"),
        ] {
            for name in names {
                assert_eq!(meant_field(name), Some(field), "{name}");
            }
        }
        for field in FIELDS {
            assert_eq!(meant_field(field), None, "{field}");
        }
        for other in
            ["", "_", "unit", "id", "price", "cost", "tokens", "request", "details.requestId", "amountUsd"]
        {
            assert_eq!(meant_field(other), None, "{other}");
        }
    }
}
