//! The document as a page for people: one file without a script and without anything from elsewhere.
//!
//! Its content comes from [`openapi::document`]; this file only decides how it looks. Nothing of a request gets into
//! it, and all text is escaped.

mod markup;
mod operations;
mod schemas;

use std::sync::LazyLock;

use axum::http::HeaderValue;
use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use sha2::{Digest, Sha256};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityScheme;
use utoipa::openapi::{Components, OpenApi, RefOr};

use crate::openapi;
use markup::{escape, prose, table};

/// What a browser may do with the page: apply its one style and follow links. Nothing is fetched, no script runs, and
/// no other page may put it into a frame.
pub(crate) fn policy() -> HeaderValue {
    static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
        let digest = BASE64.encode(Sha256::digest(style_element()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        // A text of letters, digits and signs is always a valid header.
        HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    });
    POLICY.clone()
}

/// The page, made once.
pub(crate) fn html() -> &'static str {
    static HTML: LazyLock<String> = LazyLock::new(|| page(&openapi::document()));
    &HTML
}

const STYLE: &str = include_str!("docs_page/style.css");

/// The content of the element `style`. The policy has its digest.
fn style_element() -> String {
    format!("\n{STYLE}")
}

fn page(document: &OpenApi) -> String {
    let components = document.components.clone().unwrap_or_default();
    let title = escape(&document.info.title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>{style}</style>\n</head>\n\
         <body>\n<header>\n<h1>{title}</h1>\n<p class=\"quiet\">Version {version} · <a href=\"openapi.json\">as OpenAPI \
         3.1</a></p>\n</header>\n<div class=\"frame\">\n{contents}<main>\n<section id=\"about\">\n{about}</section>\n\
         {authentication}{routes}{headers}{schemas}</main>\n</div>\n</body>\n</html>\n",
        style = style_element(),
        version = escape(&document.info.version),
        contents = contents(document, &components),
        about = prose(document.info.description.as_deref().unwrap_or_default()),
        authentication = authentication(&components),
        routes = routes(document, &components),
        headers = headers(&components),
        schemas = schemas::sections(&components),
    )
}

/// An operation with its place.
struct Route<'a> {
    method: &'static str,
    path: &'a str,
    operation: &'a Operation,
}

impl Route<'_> {
    fn id(&self) -> &str {
        self.operation.operation_id.as_deref().unwrap_or(self.path)
    }

    fn summary(&self) -> &str {
        self.operation.summary.as_deref().unwrap_or_default()
    }
}

/// The operations under a tag, in the order of the document.
fn tagged<'a>(document: &'a OpenApi, tag: &str) -> Vec<Route<'a>> {
    let all = document.paths.paths.iter().flat_map(|(path, item)| {
        let methods = [("GET", &item.get), ("POST", &item.post)];
        methods.into_iter().filter_map(move |(method, operation)| {
            operation.as_ref().map(|operation| Route { method, path, operation })
        })
    });
    all.filter(|route| route.operation.tags.iter().flatten().any(|name| name == tag)).collect()
}

fn contents(document: &OpenApi, components: &Components) -> String {
    let entry = |id: &str, words: &str| format!("<li><a href=\"#{id}\">{words}</a></li>\n");
    let mut out = format!(
        "<nav aria-label=\"Contents\">\n<ul>\n{}{}</ul>\n",
        entry("about", "About"),
        entry("authentication", "Authentication")
    );
    for tag in document.tags.iter().flatten() {
        let routes = tagged(document, &tag.name);
        let routes: String =
            routes.iter().map(|route| entry(&escape(route.id()), &escape(route.summary()))).collect();
        out += &format!("<h2>{}</h2>\n<ul>\n{routes}</ul>\n", escape(&tag.name));
    }
    let names: String =
        components.schemas.keys().map(|name| entry(&schemas::id(name), &escape(name))).collect();
    out + &format!(
        "<h2>Reference</h2>\n<ul>\n{}</ul>\n<details>\n<summary>Schemas</summary>\n<ul>\n{names}</ul>\n</details>\n</nav>\n",
        entry("headers", "Headers of answers")
    )
}

fn authentication(components: &Components) -> String {
    let keys = components.security_schemes.iter().filter_map(|(name, scheme)| match scheme {
        RefOr::T(SecurityScheme::Http(http)) => Some(vec![
            format!("<code>{}</code>", escape(name)),
            prose(http.description.as_deref().unwrap_or_default()),
        ]),
        _ => None,
    });
    format!(
        "<section id=\"authentication\">\n<h2>Authentication</h2>\n\
         <p>A key goes in the header <code>Authorization: Bearer …</code> of every request to a billing route; the routes \
         that operate the server need none, but <code>/metrics</code> does. Keys are of three kinds: <em>admin</em> reads, \
         <em>ingest</em> records, <em>inference</em> neither, so it opens no route here.</p>\n{}\
         <p>The examples on this page take two variables, which <code>billing export</code> takes too. The key that \
         records is in the file <code>ingest-key</code>.</p>\n\
         <pre><code>export BILLING_BASE_URL=…/api/v1   # where this server is\n\
         export BILLING_API_KEY=…           # an admin key</code></pre>\n</section>\n",
        table(&["Key", "What it may do"], keys),
    )
}

fn routes(document: &OpenApi, components: &Components) -> String {
    let mut out = String::new();
    for tag in document.tags.iter().flatten() {
        let sections: String =
            tagged(document, &tag.name).iter().map(|route| operations::section(route, components)).collect();
        out += &format!(
            "<section class=\"part\">\n<h2>{}</h2>\n{}{sections}</section>\n",
            escape(&tag.name),
            prose(tag.description.as_deref().unwrap_or_default())
        );
    }
    out
}

fn headers(components: &Components) -> String {
    let rows = components.headers.iter().filter_map(|(name, header)| match header {
        RefOr::T(header) => Some(vec![
            format!("<code>{}</code>", escape(name)),
            header.schema.as_ref().map(schemas::kind).unwrap_or_default(),
            prose(header.description.as_deref().unwrap_or_default()),
        ]),
        RefOr::Ref(_) => None,
    });
    format!(
        "<section id=\"headers\" class=\"part\">\n<h2>Headers of answers</h2>\n{}</section>\n",
        table(&["Header", "Type", "Description"], rows)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tags of the page, `/` before those that close.
    fn tags(html: &str) -> impl Iterator<Item = &str> {
        html.split('<').skip(1).map(|rest| rest.split([' ', '>', '\n']).next().unwrap())
    }

    #[test]
    fn every_tag_is_closed_where_it_belongs() {
        let mut open = Vec::new();
        for tag in tags(html()) {
            match tag.strip_prefix('/') {
                Some(closed) => assert_eq!(open.pop(), Some(closed), "inside {open:?}"),
                None if ["!doctype", "meta", "br"].contains(&tag) => {}
                None => open.push(tag),
            }
        }
        assert!(open.is_empty(), "{open:?} are never closed");
    }

    #[test]
    fn nothing_comes_from_elsewhere_and_nothing_runs() {
        let page = html();
        let forbidden = [
            "http://",
            "https://",
            "=\"//",
            "url(",
            "@import",
            "<script",
            "<img",
            "<link",
            "<iframe",
            "javascript:",
        ];
        for text in forbidden {
            assert!(!page.contains(text), "{text}");
        }
        for attribute in ["src=", "onclick=", "onload=", "style="] {
            assert!(!page.contains(&format!(" {attribute}")), "{attribute}");
        }
    }

    /// A browser applies a style only when the policy has the digest of its text.
    #[test]
    fn the_policy_lets_in_the_one_style_and_nothing_else() {
        let (_, rest) = html().split_once("<style>").unwrap();
        let (style, rest) = rest.split_once("</style>").unwrap();
        assert!(style.contains("--ground") && !rest.contains("<style"));
        let digest = BASE64.encode(Sha256::digest(style));
        let policy = policy();
        let mut directives = policy.to_str().unwrap().split("; ");
        assert_eq!(directives.next(), Some("default-src 'none'"));
        assert_eq!(directives.next(), Some(&*format!("style-src 'sha256-{digest}'")));
        assert!(directives.all(|directive| directive.ends_with(" 'none'")));
    }

    #[test]
    fn every_link_leads_to_a_place_on_the_page() {
        let page = html();
        for target in page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            match target.strip_prefix('#') {
                Some(id) => assert_eq!(page.matches(&format!(" id=\"{id}\"")).count(), 1, "{target}"),
                None => assert_eq!(target, "openapi.json"),
            }
        }
    }

    #[test]
    fn every_operation_is_there_with_all_that_it_takes_and_answers() {
        let document = openapi::document();
        let mut count = 0;
        for (path, item) in &document.paths.paths {
            for operation in [&item.get, &item.post].into_iter().flatten() {
                count += 1;
                let id = operation.operation_id.as_deref().unwrap();
                let section = html().split(&format!("<section id=\"{id}\"")).nth(1).unwrap();
                let section = section.split("</section>").next().unwrap();
                assert!(section.contains(&format!(">{path}</")), "{path}");
                assert!(section.contains("curl "), "{id}");
                for parameter in operation.parameters.iter().flatten() {
                    let RefOr::T(parameter) = parameter else { panic!("{id} has a parameter elsewhere") };
                    assert!(
                        section.contains(&format!("<code>{}</code>", parameter.name)),
                        "{}",
                        parameter.name
                    );
                }
                for status in operation.responses.responses.keys() {
                    assert!(section.contains(&format!(">{status}</")), "{id} {status}");
                }
            }
        }
        assert_eq!(count, 10);
    }

    #[test]
    fn whatever_comes_in_is_escaped() {
        let mut document = openapi::document();
        document.info.title = "<script>alert('&')</script>".to_owned();
        let operation = document.paths.paths[0].get.as_mut().unwrap();
        operation.description = Some("`<b>` \"&\" <i>".to_owned());
        let page = page(&document);
        assert!(page.contains("<h1>&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;</h1>"));
        assert!(page.contains("<p><code>&lt;b&gt;</code> &quot;&amp;&quot; &lt;i&gt;</p>"));
        assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains("<i>"));
    }
}
