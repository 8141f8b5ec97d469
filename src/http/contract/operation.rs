//! One operation: what it takes, what it gives, whom it refuses.
use std::collections::BTreeMap;

use hyper::Method;
use hyper::StatusCode;
use serde_json::Value;
use serde_json::json;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::schema::Schema;

use crate::http::idempotency::gives_secrets;
use crate::http::problem;
use crate::signal::ErrorCode;

/// Who may ask.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Everybody, unknown.
    Anybody,
    /// Everybody; who brings an access token is known by it.
    Maybe,
    /// Whoever has an access token.
    User,
    /// Moderators and admins.
    Staff,
    /// Admins.
    Admin,
}

impl Who {
    /// The roles that may, as `x-roles` tells them; `none` is without an access token.
    const fn roles(self) -> &'static [&'static str] {
        match self {
            Who::Anybody | Who::Maybe => &["none", "guest", "user", "moderator", "admin"],
            Who::User => &["guest", "user", "moderator", "admin"],
            Who::Staff => &["moderator", "admin"],
            Who::Admin => &["admin"],
        }
    }

    fn security(self) -> Value {
        match self {
            Who::Anybody => json!([]),
            Who::Maybe => json!([{}, {"bearer": []}]),
            Who::User | Who::Staff | Who::Admin => json!([{"bearer": []}]),
        }
    }
}

/// A schema by its name.
pub(super) type NamedSchema = (String, RefOr<Schema>);

/// An operation, as it is told.
#[derive(Clone)]
pub(crate) struct Operation {
    method: Method,
    path: &'static str,
    aliases: &'static [&'static str],
    tag: &'static str,
    id: &'static str,
    summary: &'static str,
    about: &'static str,
    who: Who,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    refusals: BTreeMap<u16, Vec<(&'static str, &'static str)>>,
    schemas: Vec<NamedSchema>,
}

impl Operation {
    /// An operation for everybody that takes nothing but what stands in the path.
    pub(crate) fn new(
        method: Method,
        path: &'static str,
        tag: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        let operation = Self {
            method,
            path,
            aliases: &[],
            tag,
            id,
            summary,
            about: "",
            who: Who::Anybody,
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            refusals: BTreeMap::new(),
            schemas: Vec::new(),
        };
        operation.limited().with_path_parameters()
    }

    /// Further paths of the same.
    pub(crate) fn also_at(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Sentences beyond the summary.
    pub(crate) fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// Who may ask; everybody else is refused.
    pub(crate) fn by(mut self, who: Who) -> Self {
        self.who = who;
        if who != Who::Anybody {
            self = self
                .refuses(ErrorCode::Unauthorized, "the access token is missing, wrong or expired")
                .refuses(ErrorCode::Banned, "its user is banned")
                .refuses(ErrorCode::Unavailable, "the node stops, or cannot read or store now");
        }
        if self.method == Method::POST && who != Who::Anybody && !gives_secrets(self.path) {
            self = self.with_idempotency();
        }
        if matches!(who, Who::Staff | Who::Admin) {
            self = self.refuses(ErrorCode::Forbidden, "the role does not give this right");
        }
        self
    }

    /// Whoever is banned may ask, too.
    pub(crate) fn even_if_banned(mut self) -> Self {
        self.refusals.retain(|_, refusals| {
            refusals.retain(|(code, _)| *code != ErrorCode::Banned.as_str());
            !refusals.is_empty()
        });
        self
    }

    /// It is asked by those who watch the node, and has no budget.
    pub(crate) fn unlimited(mut self) -> Self {
        self.refusals.remove(&StatusCode::TOO_MANY_REQUESTS.as_u16());
        self
    }

    /// Takes a JSON body.
    pub(crate) fn takes<T: ToSchema>(self) -> Self {
        self.with_body::<T>(true)
    }

    /// Takes a JSON body that may be missing.
    pub(crate) fn may_take<T: ToSchema>(self) -> Self {
        self.with_body::<T>(false)
    }

    /// Takes bytes as they are.
    pub(crate) fn takes_bytes(mut self) -> Self {
        let schema = json!({"type": "string", "format": "binary"});
        self.body = Some(json!({"required": true, "content": {"application/octet-stream": {"schema": schema}}}));
        self
    }

    /// Takes parameters behind the `?`.
    pub(crate) fn asks<T: IntoParams>(mut self) -> Self {
        let parameters = T::into_params(|| Some(ParameterIn::Query));
        self.parameters.extend(parameters.iter().map(|parameter| json!(parameter)));
        self.refuses(ErrorCode::BadRequest, "a parameter is not what is expected")
    }

    /// Looks at a header of the request.
    pub(crate) fn reads_header(mut self, name: &str, about: &str, schema: Value) -> Self {
        self.parameters.push(json!({"name": name, "in": "header", "description": about, "schema": schema}));
        self
    }

    /// Gives JSON.
    pub(crate) fn gives<T: ToSchema>(self, status: StatusCode, about: &str) -> Self {
        self.gives_with_headers::<T>(status, about, json!({}))
    }

    /// Gives JSON with headers of its own.
    pub(crate) fn gives_with_headers<T: ToSchema>(mut self, status: StatusCode, about: &str, headers: Value) -> Self {
        let schema = self.reference::<T>();
        self.with_answer(status, about, json!({"application/json": {"schema": schema}}), headers)
    }

    /// Gives something else, or with headers of its own.
    pub(crate) fn gives_content(self, status: StatusCode, about: &str, media_types: &[&str], headers: Value) -> Self {
        let content = media_types.iter().map(|media_type| {
            let schema = json!({"type": "string"});
            ((*media_type).to_owned(), json!({"schema": schema}))
        });
        let content = Value::Object(content.collect());
        self.with_answer(status, about, content, headers)
    }

    /// Gives a status alone.
    pub(crate) fn gives_nothing(self, status: StatusCode, about: &str) -> Self {
        self.with_answer(status, about, json!({}), json!({}))
    }

    /// Refuses with the status of that code.
    pub(crate) fn refuses(self, code: ErrorCode, when: &'static str) -> Self {
        self.refuses_with(problem::status(code), code, when)
    }

    /// Refuses with another status than that of the code.
    pub(crate) fn refuses_with(mut self, status: StatusCode, code: ErrorCode, when: &'static str) -> Self {
        let refusals = self.refusals.entry(status.as_u16()).or_default();
        if !refusals.contains(&(code.as_str(), when)) {
            refusals.push((code.as_str(), when));
        }
        self
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// The path, then those that stand for it.
    pub(super) fn paths(&self) -> impl Iterator<Item = &'static str> + use<> {
        [self.path].into_iter().chain(self.aliases.iter().copied())
    }

    pub(super) fn schemas(&self) -> &[NamedSchema] {
        &self.schemas
    }

    /// The operation object. OpenAPI 3.1 §4.8.10.
    pub(super) fn told_at(&self, path: &str) -> Value {
        let is_alias = path != self.path;
        let mut responses = self.answers.clone();
        responses.extend(self.refusals.iter().map(|(status, refusals)| (*status, refusal_told(*status, refusals))));
        let responses = responses.into_iter().map(|(status, told)| (status.to_string(), told));
        let about =
            if is_alias { format!("The same as {} {}.", self.method, self.path) } else { self.about.to_owned() };
        let mut told = json!({
            "tags": [self.tag],
            "operationId": if is_alias { format!("{}Alias", self.id) } else { self.id.to_owned() },
            "summary": self.summary,
            "responses": Value::Object(responses.collect()),
            "security": self.who.security(),
            "x-roles": self.who.roles(),
        });
        if !about.is_empty() {
            told["description"] = json!(about);
        }
        if !self.parameters.is_empty() {
            told["parameters"] = json!(self.parameters);
        }
        if let Some(body) = &self.body {
            told["requestBody"] = body.clone();
        }
        told
    }

    fn with_idempotency(self) -> Self {
        self.reads_header(
            "idempotency-key",
            "Repeated with its key, the request has one effect and one answer",
            json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^(\"[!#-~]+\"|[!#-~]+)$"}),
        )
        .refuses(ErrorCode::BadRequest, "the `Idempotency-Key` is none")
        .refuses_with(StatusCode::REQUEST_TIMEOUT, ErrorCode::BadRequest, "the body took too long")
        .refuses(ErrorCode::Conflict, "a request with this `Idempotency-Key` is worked on")
        .refuses(ErrorCode::TooLarge, "the body, or something in it, is too large")
        .refuses_with(
            StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::BadRequest,
            "this `Idempotency-Key` was used for another request",
        )
    }

    fn limited(self) -> Self {
        self.refuses(ErrorCode::RateLimited, "too many requests from this address")
    }

    fn with_path_parameters(mut self) -> Self {
        let names = self.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        for name in names {
            let about = if name == "peer" { "What the member is called in the room" } else { "Which" };
            let schema = json!({"type": "string", "minLength": 1});
            self.parameters
                .push(json!({"name": name, "in": "path", "required": true, "description": about, "schema": schema}));
        }
        if self.parameters.is_empty() { self } else { self.refuses(ErrorCode::BadRequest, "the path is not UTF-8") }
    }

    fn with_body<T: ToSchema>(mut self, is_required: bool) -> Self {
        let schema = self.reference::<T>();
        self.body = Some(json!({"required": is_required, "content": {"application/json": {"schema": schema}}}));
        self.refuses(ErrorCode::BadRequest, "the body is not what is expected")
            .refuses_with(StatusCode::REQUEST_TIMEOUT, ErrorCode::BadRequest, "the body took too long")
            .refuses(ErrorCode::TooLarge, "the body, or something in it, is too large")
            .refuses_with(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                ErrorCode::BadRequest,
                "the body is not declared as application/json",
            )
    }

    fn with_answer(mut self, status: StatusCode, about: &str, content: Value, mut headers: Value) -> Self {
        headers["x-request-id"] = json!({"$ref": "#/components/headers/x-request-id"});
        let mut told = json!({"description": about, "headers": headers});
        if content.as_object().is_some_and(|content| !content.is_empty()) {
            told["content"] = content;
        }
        self.answers.insert(status.as_u16(), told);
        self
    }

    fn reference<T: ToSchema>(&mut self) -> Value {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        json!({"$ref": format!("#/components/schemas/{}", T::name())})
    }
}

/// A response with a problem, and which codes it may carry when.
fn refusal_told(status: u16, refusals: &[(&str, &str)]) -> Value {
    let reasons = refusals.iter().map(|(code, when)| format!("`{code}`: {when}"));
    let mut headers = json!({"x-request-id": {"$ref": "#/components/headers/x-request-id"}});
    let mut more = |name: &str| headers[name] = json!({"$ref": format!("#/components/headers/{name}")});
    match status {
        401 => more("www-authenticate"),
        429 | 503 => more("retry-after"),
        _ => {}
    }
    json!({
        "description": format!("{}.", reasons.collect::<Vec<_>>().join("; ")),
        "headers": headers,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    })
}
