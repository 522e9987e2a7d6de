//! Schemas as words and tables.

use utoipa::openapi::schema::{AdditionalProperties, Array, ArrayItems, SchemaType, Type};
use utoipa::openapi::{Components, KnownFormat, Object, RefOr, Schema, SchemaFormat};

use super::markup::{escape, folded, prose, table};

/// Patterns up to this length stand in the open.
const SHORT_PATTERN: usize = 48;

/// The place of a schema on the page.
pub(super) fn id(name: &str) -> String {
    format!("schema-{}", escape(name))
}

/// Every schema of the document.
pub(super) fn sections(components: &Components) -> String {
    let sections: String = components
        .schemas
        .iter()
        .filter_map(|(name, schema)| match schema {
            RefOr::T(schema) => Some(section(name, schema)),
            RefOr::Ref(_) => None,
        })
        .collect();
    format!("<section class=\"part\">\n<h2>Schemas</h2>\n{sections}</section>\n")
}

fn section(name: &str, schema: &Schema) -> String {
    let mut rows = Vec::new();
    let inside = match schema {
        Schema::Object(object) => {
            add_rows(object, "", &mut rows);
            table(&["Field", "Type", "Description"], rows)
        }
        Schema::AnyOf(any_of) => {
            let kinds: String =
                any_of.items.iter().map(|item| format!("<li>{}</li>\n", kind(item))).collect();
            format!("<p>One of:</p>\n<ul>\n{kinds}</ul>\n")
        }
        other => format!("<div>{}</div>\n", kind(&RefOr::T(other.clone()))),
    };
    format!(
        "<section id=\"{id}\" class=\"schema\">\n<h3>{name}</h3>\n{description}{inside}</section>\n",
        id = id(name),
        name = escape(name),
        description = prose(description(schema)),
    )
}

/// A row for each field of an object, and for each field of the objects inside it.
fn add_rows(object: &Object, above: &str, rows: &mut Vec<Vec<String>>) {
    for (name, schema) in &object.properties {
        let path = format!("{above}{name}");
        let optional = if object.required.contains(name) { "" } else { " <small>optional</small>" };
        add_row(&path, optional, schema, rows);
    }
    if let Some(AdditionalProperties::RefOr(schema)) = object.additional_properties.as_deref() {
        add_row(&format!("{above}*"), " <small>any other name</small>", schema, rows);
    }
}

fn add_row(path: &str, note: &str, schema: &RefOr<Schema>, rows: &mut Vec<Vec<String>>) {
    let words = match schema {
        RefOr::T(schema) => prose(description(schema)),
        RefOr::Ref(reference) => prose(&reference.description),
    };
    rows.push(vec![format!("<code>{}</code>{note}", escape(path)), kind(schema), words]);
    match schema {
        RefOr::T(Schema::Object(object)) => add_rows(object, &format!("{path}."), rows),
        RefOr::T(Schema::Array(Array { items: ArrayItems::RefOrSchema(items), .. })) => {
            if let RefOr::T(Schema::Object(object)) = &**items {
                add_rows(object, &format!("{path}[]."), rows);
            }
        }
        _ => {}
    }
}

fn description(schema: &Schema) -> &str {
    let description = match schema {
        Schema::Object(object) => &object.description,
        Schema::Array(array) => &array.description,
        Schema::AnyOf(any_of) => &any_of.description,
        _ => &None,
    };
    description.as_deref().unwrap_or_default()
}

/// What a value of the schema is, and what it must be like.
pub(super) fn kind(schema: &RefOr<Schema>) -> String {
    match schema {
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
            format!("<a href=\"#{}\">{}</a>", id(name), escape(name))
        }
        RefOr::T(Schema::Array(array)) => list(array),
        RefOr::T(Schema::Object(object)) => value(object),
        RefOr::T(Schema::AnyOf(any_of)) => any_of.items.iter().map(kind).collect::<Vec<_>>().join(" or "),
        RefOr::T(_) => String::new(),
    }
}

fn list(array: &Array) -> String {
    let items = match &array.items {
        ArrayItems::RefOrSchema(items) => kind(items),
        ArrayItems::False => String::new(),
    };
    let length = match (array.min_items, array.max_items) {
        (Some(least), Some(most)) if least == most => format!("{most} of "),
        (_, Some(most)) => format!("up to {most} of "),
        _ => String::new(),
    };
    format!("list of {length}{items}")
}

fn value(object: &Object) -> String {
    if let Some(values) = &object.enum_values {
        let values =
            values.iter().map(|value| format!("<code>{}</code>", escape(&shown(value.as_str(), value))));
        return values.collect::<Vec<_>>().join(" ") + &default(object);
    }
    let mut words = vec![base(object)];
    words.extend(range(object));
    words.extend(length(object));
    let mut out = words.join(", ");
    out += &default(object);
    if let Some(pattern) = &object.pattern {
        let pattern = format!("<code class=\"pattern\">{}</code>", escape(pattern));
        let is_short = pattern.len() <= SHORT_PATTERN + "<code class=\"pattern\"></code>".len();
        out += &if is_short { format!("<br>{pattern}") } else { folded("pattern", &pattern) };
    }
    out
}

fn base(object: &Object) -> String {
    let name = |kind: &Type| match kind {
        Type::Object => "object",
        Type::String => "string",
        Type::Integer => "integer",
        Type::Number => "number",
        Type::Boolean => "true or false",
        Type::Array => "list",
        Type::Null => "null",
    };
    match (&object.schema_type, &object.format) {
        (SchemaType::Type(Type::String), Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))) => {
            "date-time".to_owned()
        }
        (SchemaType::Type(Type::String), Some(SchemaFormat::KnownFormat(KnownFormat::Date))) => {
            "date".to_owned()
        }
        (SchemaType::Type(kind), _) => name(kind).to_owned(),
        (SchemaType::Array(kinds), _) => kinds.iter().map(name).collect::<Vec<_>>().join(" or "),
        (SchemaType::AnyValue, _) => "anything".to_owned(),
    }
}

fn range(object: &Object) -> Option<String> {
    let number =
        |number: &Option<utoipa::Number>| number.as_ref().and_then(|n| serde_json::to_string(n).ok());
    match (number(&object.minimum), number(&object.maximum)) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}")),
        (Some(least), None) => Some(format!("from {least}")),
        (None, Some(most)) => Some(format!("up to {most}")),
        (None, None) => None,
    }
}

fn length(object: &Object) -> Option<String> {
    match (object.min_length, object.max_length) {
        (Some(least), Some(most)) => Some(format!("{least} to {most} characters")),
        (None, Some(most)) => Some(format!("up to {most} characters")),
        (Some(least), None) => Some(format!("from {least} characters")),
        (None, None) => None,
    }
}

fn default(object: &Object) -> String {
    object.default.as_ref().map_or_else(String::new, |value| {
        format!("<br><small>default</small> <code>{}</code>", escape(&shown(value.as_str(), value)))
    })
}

/// A value as it stands in a request: a text without quotes.
fn shown(text: Option<&str>, value: &impl ToString) -> String {
    text.map_or_else(|| value.to_string(), str::to_owned)
}
