//! One operation: what it takes, what it answers, and how to try it.

use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::{Components, Content, RefOr, Required, Response};

use super::Route;
use super::markup::{classed_table, escape, folded, prose, table};
use super::schemas::kind;

/// The section of an operation.
pub(super) fn section(route: &Route<'_>, components: &Components) -> String {
    let operation = route.operation;
    let keys: Vec<String> = operation
        .security
        .iter()
        .flatten()
        // A requirement gives its names only as JSON.
        .filter_map(|requirement| serde_json::to_string(requirement).ok())
        .filter_map(|json| json.split('"').nth(1).map(|name| format!("<code>{}</code>", escape(name))))
        .collect();
    let key = match keys.as_slice() {
        [] => "<p class=\"quiet\">Needs no key.</p>\n".to_owned(),
        keys => {
            format!("<p class=\"quiet\">Needs <a href=\"#authentication\">{}</a>.</p>\n", keys.join(" or "))
        }
    };
    format!(
        "<section id=\"{id}\" class=\"operation\">\n<h3>{summary}</h3>\n\
         <p class=\"route\"><span class=\"method {method}\">{method}</span> <code>{path}</code></p>\n\
         {description}{key}{curl}{parameters}{body}{responses}</section>\n",
        id = escape(route.id()),
        summary = escape(route.summary()),
        method = route.method,
        path = escape(route.path),
        description = prose(operation.description.as_deref().unwrap_or_default()),
        curl = curl(route),
        parameters = parameters(route),
        body = match &operation.request_body {
            Some(RefOr::T(body)) => request_body(body),
            _ => String::new(),
        },
        responses = responses(route, components),
    )
}

fn curl(route: &Route<'_>) -> String {
    let samples = route.operation.extensions.as_ref().and_then(|extensions| extensions.get("x-codeSamples"));
    let line = samples.and_then(|samples| samples.get(0)?.get("source")?.as_str());
    line.map_or_else(String::new, |line| format!("<pre><code>{}</code></pre>\n", escape(line)))
}

fn parameters(route: &Route<'_>) -> String {
    let parameters = route.operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter_row(parameter)),
        RefOr::Ref(_) => None,
    });
    let rows = table(&["Parameter", "Type", "Required", "Description"], parameters);
    if rows.is_empty() { rows } else { format!("<h4>Parameters</h4>\n{rows}") }
}

fn parameter_row(parameter: &Parameter) -> Vec<String> {
    let place = match parameter.parameter_in {
        ParameterIn::Header => " <small>header</small>",
        _ => "",
    };
    vec![
        format!("<code>{}</code>{place}", escape(&parameter.name)),
        parameter.schema.as_ref().map(kind).unwrap_or_default(),
        if parameter.required == Required::True {
            "<strong>required</strong>"
        } else {
            "<small>optional</small>"
        }
        .to_owned(),
        prose(parameter.description.as_deref().unwrap_or_default()),
    ]
}

fn request_body(body: &RequestBody) -> String {
    let forms = body.content.iter().filter_map(|(form, content)| match content {
        RefOr::T(content) => Some(vec![format!("<code>{}</code>", escape(form)), form_of(content)]),
        RefOr::Ref(_) => None,
    });
    let contents = body.content.iter().map(|(form, content)| (form.as_str(), content));
    format!(
        "<h4>Body</h4>\n{}{}{}",
        prose(body.description.as_deref().unwrap_or_default()),
        table(&["Content-Type", "Body"], forms),
        examples("Example", contents),
    )
}

/// What a body is: its schema, or its description when the schema is only a text.
fn form_of(content: &Content) -> String {
    use utoipa::openapi::Schema;
    match &content.schema {
        Some(RefOr::T(Schema::Object(text))) if text.description.is_some() => {
            prose(text.description.as_deref().unwrap_or_default())
        }
        Some(schema) => kind(schema),
        None => String::new(),
    }
}

fn responses(route: &Route<'_>, components: &Components) -> String {
    let responses = route.operation.responses.responses.iter();
    let resolved: Vec<(&str, &Response)> = responses
        .filter_map(|(status, response)| Some((status.as_str(), resolve(response, components)?)))
        .collect();
    let everywhere: Vec<&str> = match resolved.split_first() {
        None => Vec::new(),
        Some(((_, first), others)) => {
            let names = first.headers.keys().map(String::as_str);
            names.filter(|name| others.iter().all(|(_, other)| other.headers.contains_key(*name))).collect()
        }
    };
    let rows = resolved.iter().map(|(status, response)| {
        let class = status.get(..1).unwrap_or_default();
        let special = response.headers.keys().map(String::as_str).filter(|name| !everywhere.contains(name));
        vec![
            format!("<span class=\"status s{class}\">{status}</span>"),
            prose(&response.description) + &names(special),
            bodies(response),
        ]
    });
    let good = resolved.iter().filter(|(status, _)| status.starts_with('2'));
    let examples: String = good
        .chain(resolved.iter().filter(|(status, _)| *status == "422"))
        .map(|(status, response)| {
            let contents = response.content.iter().map(|(form, content)| (form.as_str(), content));
            examples(&format!("Example of {status}"), contents)
        })
        .collect();
    let rows = classed_table("answers", &["Status", "Meaning, and headers of its own", "Body"], rows);
    format!(
        "<h4>Answers</h4>\n<p class=\"quiet\">With every one of them come these <a href=\"#headers\">headers</a>:</p>\n\
         {}{rows}{examples}",
        names(everywhere.into_iter()),
    )
}

fn resolve<'a>(response: &'a RefOr<Response>, components: &'a Components) -> Option<&'a Response> {
    match response {
        RefOr::T(response) => Some(response),
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next()?;
            match components.responses.get(name)? {
                RefOr::T(response) => Some(response),
                RefOr::Ref(_) => None,
            }
        }
    }
}

/// Names of headers, on a line of their own when there are any.
fn names<'a>(headers: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = headers.map(|name| format!("<code>{}</code>", escape(name))).collect();
    if names.is_empty() { String::new() } else { format!("<p class=\"headers\">{}</p>\n", names.join(" ")) }
}

fn bodies(response: &Response) -> String {
    let body = |(form, content): (&String, &RefOr<Content>)| match content {
        RefOr::T(content) => {
            let schema = match &content.schema {
                Some(schema @ RefOr::Ref(_)) => format!("{} as ", kind(schema)),
                _ => String::new(),
            };
            format!("<p>{schema}<code>{}</code></p>\n", escape(form))
        }
        RefOr::Ref(_) => String::new(),
    };
    response.content.iter().map(body).collect()
}

/// The examples of bodies, folded.
fn examples<'a>(title: &str, contents: impl Iterator<Item = (&'a str, &'a RefOr<Content>)>) -> String {
    contents
        .filter_map(|(form, content)| {
            let RefOr::T(content) = content else { return None };
            let value = content.example.as_ref()?;
            let text = match value.as_str() {
                Some(text) => text.to_owned(),
                None => serde_json::to_string_pretty(value).ok()?,
            };
            let summary = format!("{title}, <code>{}</code>", escape(form));
            Some(folded(&summary, &format!("<pre><code>{}</code></pre>\n", escape(text.trim_end()))))
        })
        .collect()
}
