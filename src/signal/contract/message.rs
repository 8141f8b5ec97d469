//! One message, as it is told.
use std::borrow::Cow;

use serde_json::Value;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::signal::protocol::ErrorCode;
use crate::signal::protocol::PushKind;
use crate::signal::protocol::TargetFields;
use crate::signal::view::live::DoneView;
use crate::signal::view::spoken::SenderShape;

/// A schema by its name.
pub(super) type NamedSchema = (String, RefOr<Schema>);

/// Codes that any request may be refused with.
const ANYTIME: [ErrorCode; 5] = [
    ErrorCode::BadRequest,
    ErrorCode::TooLarge,
    ErrorCode::Unauthorized,
    ErrorCode::RateLimited,
    ErrorCode::Unavailable,
];

/// What a message carries.
pub(super) struct Data {
    /// A reference into the document, or several.
    pub(super) schema: Value,
    pub(super) schemas: Vec<NamedSchema>,
    /// As JSON.
    pub(super) example: Cow<'static, str>,
}

impl Data {
    fn of<T: ToSchema>(example: impl Into<Cow<'static, str>>) -> Self {
        let mut schemas = Vec::new();
        let schema = reference::<T>(&mut schemas);
        Self { schema, schemas, example: example.into() }
    }

    /// The members of both.
    fn of_both<A: ToSchema, B: ToSchema>(example: &'static str) -> Self {
        let mut schemas = Vec::new();
        let schema = json!({"allOf": [reference::<A>(&mut schemas), reference::<B>(&mut schemas)]});
        Self { schema, schemas, example: example.into() }
    }

    /// One or the other.
    fn of_either<A: ToSchema, B: ToSchema>(example: &'static str) -> Self {
        let mut schemas = Vec::new();
        let schema = json!({"oneOf": [reference::<A>(&mut schemas), reference::<B>(&mut schemas)]});
        Self { schema, schemas, example: example.into() }
    }
}

/// What a client says, and what is answered.
pub(super) struct Request {
    pub(super) kind: &'static str,
    pub(super) summary: &'static str,
    pub(super) about: &'static str,
    pub(super) data: Data,
    /// `None`: an ok that says nothing more.
    pub(super) ok: Option<Data>,
    codes: Vec<ErrorCode>,
}

impl Request {
    /// A request with those members.
    pub(super) fn new<T: ToSchema>(kind: &'static str, summary: &'static str, example: &'static str) -> Self {
        Self { kind, summary, about: "", data: Data::of::<T>(example), ok: None, codes: Vec::new() }
    }

    /// A request that has nothing to say.
    pub(super) fn bare(kind: &'static str, summary: &'static str) -> Self {
        Self::new::<DoneView>(kind, summary, "{}")
    }

    /// A request with those members, and `session` or `room`.
    pub(super) fn there<T: ToSchema>(kind: &'static str, summary: &'static str, example: &'static str) -> Self {
        let data = Data::of_both::<TargetFields, T>(example);
        Self { data, ..Self::bare(kind, summary) }.refuses(&[ErrorCode::NotInSession])
    }

    /// Sentences beyond the summary.
    pub(super) fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// What its ok says.
    pub(super) fn gives<T: ToSchema>(self, example: &'static str) -> Self {
        Self { ok: Some(Data::of::<T>(example)), ..self }
    }

    /// Codes beside those that any request may be refused with.
    pub(super) fn refuses(mut self, codes: &[ErrorCode]) -> Self {
        self.codes.extend(codes);
        self
    }

    /// Every code that it may be refused with.
    pub(super) fn codes(&self) -> impl Iterator<Item = &'static str> {
        ErrorCode::ALL
            .into_iter()
            .filter(|code| ANYTIME.contains(code) || self.codes.contains(code))
            .map(ErrorCode::as_str)
    }
}

/// What the server says of its own accord.
pub(super) struct Push {
    pub(super) kind: PushKind,
    pub(super) summary: &'static str,
    pub(super) data: Data,
}

impl Push {
    /// A push with those members.
    pub(super) fn new<T: ToSchema>(
        kind: PushKind,
        summary: &'static str,
        example: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { kind, summary, data: Data::of::<T>(example) }
    }

    /// A push with the members of one or of the other.
    pub(super) fn either<A: ToSchema, B: ToSchema>(
        kind: PushKind,
        summary: &'static str,
        example: &'static str,
    ) -> Self {
        Self { kind, summary, data: Data::of_either::<A, B>(example) }
    }

    /// What somebody said, and `session` or `room`, and `from`.
    pub(super) fn from_peer<T: ToSchema>(kind: PushKind, summary: &'static str, example: &'static str) -> Self {
        Self { kind, summary, data: Data::of_both::<SenderShape<'_>, T>(example) }
    }
}

/// Adds a type's schemas, and tells where its own will be.
pub(super) fn reference<T: ToSchema>(schemas: &mut Vec<NamedSchema>) -> Value {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
    json!({"$ref": format!("#/components/schemas/{}", T::name())})
}
