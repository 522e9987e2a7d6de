//! What the server speaks, as an OpenAPI 3.1 document.
//!
//! It is made by code, so that its limits are those of the checks: `openapi/parameters.rs` asks the model. What OpenAPI
//! cannot express is said in words, such as that a cursor goes alone, and that an end comes after its start.

mod billing;
mod examples;
mod headers;
mod intake;
mod operational;
mod parameters;
mod patterns;
mod responses;
mod schemas;
mod values;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use utoipa::openapi::info::{Info, InfoBuilder, LicenseBuilder};
use utoipa::openapi::schema::ComponentsBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{Components, OpenApi, OpenApiBuilder, PathsBuilder};

/// The document.
pub(crate) fn document() -> OpenApi {
    let tags = [
        ("Read", "The ledger and what follows from it."),
        ("Record", "New entries."),
        ("Operate", "The server itself."),
    ];
    OpenApiBuilder::new()
        .info(info())
        .tags(Some(
            tags.map(|(name, description)| {
                TagBuilder::new().name(name).description(Some(description)).build()
            }),
        ))
        .paths(operational::add(billing::add(PathsBuilder::new())))
        .components(Some(components()))
        .build()
}

/// The document as it is served: JSON, made once.
pub(crate) fn json() -> &'static str {
    static JSON: LazyLock<String> = LazyLock::new(|| {
        // Strings, numbers and maps with strings for keys always have a JSON form.
        document().to_json().unwrap_or_default()
    });
    &JSON
}

fn info() -> Info {
    InfoBuilder::new()
        .title("Billing API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "The usage ledger of an account: read by page or by cursor, summed up, and added to.\n\n\
             **Keys** are of three kinds: *admin* reads, *ingest* records, *inference* neither. A key opens one account and \
             never shows another's entries.\n\n\
             **Numbers** are decimals and have all their digits. Read them as decimals, not as doubles; sums belong to one \
             currency.\n\n\
             **Errors** are JSON, `{\"error\":\"…\"}`, also where CSV was asked for; a refused query says every fault. After \
             a `429`, `503` or `507` wait for `Retry-After`; a `500` or `504` may be tried again, later.\n\n\
             **Answers** are sent compressed, with `zstd` or `gzip`, to whoever takes that (`Accept-Encoding`).",
        ))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build()))
        .build()
}

fn components() -> Components {
    let bearer = |description: &str| {
        let http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build();
        SecurityScheme::Http(http)
    };
    let components = ComponentsBuilder::new()
        .security_scheme(
            billing::ADMIN_KEY,
            bearer("A key of kind *admin*: it reads everything of its account."),
        )
        .security_scheme(
            billing::INGEST_KEY,
            bearer("A key of kind *ingest*: it records entries for its account and reads nothing."),
        );
    responses::add(headers::add(intake::add(schemas::add(components)))).build()
}
