//! The kinds of values in requests and answers, as schemas, with their examples.

use utoipa::openapi::schema::{Object, SchemaType, Type};
use utoipa::openapi::{
    Array, ArrayBuilder, Content, ContentBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, Schema,
    SchemaFormat,
};

/// A text, described.
pub(super) fn text(description: &str) -> ObjectBuilder {
    of(Type::String).description(Some(description))
}

/// A text or null, described.
pub(super) fn text_or_null(description: &str) -> ObjectBuilder {
    or_null(Type::String).description(Some(description))
}

/// A number, described: a decimal with all its digits.
pub(super) fn number(description: &str) -> ObjectBuilder {
    of(Type::Number).description(Some(description))
}

/// A number or null, described.
pub(super) fn number_or_null(description: &str) -> ObjectBuilder {
    or_null(Type::Number).description(Some(description))
}

/// A whole number from `least` on.
pub(super) fn count_from(least: usize, description: &str) -> ObjectBuilder {
    of(Type::Integer).format(format(KnownFormat::Int64)).minimum(Some(least)).description(Some(description))
}

/// A whole number between two limits of the model's.
pub(super) fn count_between(least: u32, greatest: u32, description: &str) -> ObjectBuilder {
    let wide = i32::try_from(greatest).is_err();
    let width = if wide { KnownFormat::Int64 } else { KnownFormat::Int32 };
    of(Type::Integer)
        .format(format(width))
        .minimum(Some(least))
        .maximum(Some(greatest))
        .description(Some(description))
}

/// One of a few words.
pub(super) fn one_of<'a>(words: impl IntoIterator<Item = &'a str>, description: &str) -> ObjectBuilder {
    text(description).enum_values(Some(words))
}

/// A text of a form that has a name and a pattern.
pub(super) fn formed(known: KnownFormat, pattern: impl Into<String>, description: &str) -> ObjectBuilder {
    text(description).format(format(known)).pattern(Some(pattern))
}

pub(super) fn of(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind)
}

pub(super) fn or_null(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null]))
}

pub(super) fn list(items: impl Into<RefOr<Schema>>, description: &str) -> ArrayBuilder {
    ArrayBuilder::from(Array::new(items)).description(Some(description))
}

/// An object with these fields, all of which are there.
pub(super) fn object<const N: usize>(description: &str, fields: [(&str, RefOr<Schema>); N]) -> ObjectBuilder {
    fields.into_iter().fold(of(Type::Object).description(Some(description)), |object, (name, schema)| {
        object.property(name, schema).required(name)
    })
}

/// A schema of `components`.
pub(super) fn named(schema: &str) -> RefOr<Schema> {
    Ref::from_schema_name(schema).into()
}

/// A JSON body of a schema of `components`, with an example.
pub(super) fn json_body(schema: &str, example: &str) -> Content {
    body(named(schema), example)
}

/// A JSON body, with an example. The text of the example is JSON.
pub(super) fn body(schema: RefOr<Schema>, example: &str) -> Content {
    ContentBuilder::new().schema(Some(schema)).example(serde_json::from_str(example).ok()).build()
}

/// A body that is text to JSON Schema, with an example.
pub(super) fn text_body(description: &str, example: &str) -> Content {
    ContentBuilder::new().schema(Some(text(description))).example(Some(example.into())).build()
}

/// A schema for headers, whose description stands beside it.
pub(super) fn plain(kind: Type) -> Object {
    Object::with_type(kind)
}

fn format(known: KnownFormat) -> Option<SchemaFormat> {
    Some(SchemaFormat::KnownFormat(known))
}
