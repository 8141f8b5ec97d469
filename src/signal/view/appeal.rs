//! Appeals as those who make them and moderators see them.
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use crate::signal::protocol::words;
use crate::signal::view::BanView;
use crate::signal::view::sanctions;
use crate::time::UnixMillis;

/// A ban or lesser sanction as whoever it holds against sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Sanction)]
pub(crate) struct SanctionView<'a> {
    /// What an appeal names.
    pub(crate) ban: &'a str,
    #[schema(schema_with = sanctions)]
    pub(crate) action: &'static str,
    pub(crate) reason: &'a str,
    pub(crate) at: UnixMillis,
    /// Its end; null: for good.
    #[schema(required = true)]
    pub(crate) until: Option<UnixMillis>,
    /// The appeal against it, if there was one.
    #[schema(required = true)]
    pub(crate) appeal: Option<&'a str>,
}

/// What became of an appeal.
#[derive(Serialize, ToSchema)]
#[schema(as = VerdictTaken)]
pub(crate) struct VerdictView<'a> {
    #[schema(schema_with = verdicts)]
    pub(crate) decision: &'static str,
    /// Who decided; whoever appealed is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) by: Option<&'a str>,
    pub(crate) at: UnixMillis,
    /// For whoever appealed.
    pub(crate) note: &'a str,
}

/// An appeal.
#[derive(Serialize, ToSchema)]
#[schema(as = Appeal)]
pub(crate) struct AppealView<'a> {
    pub(crate) appeal: &'a str,
    /// The decision that it is against: the report, or the ban itself.
    pub(crate) decision: &'a str,
    /// All that followed from that decision.
    pub(crate) bans: Vec<&'a str>,
    /// Who appeals.
    pub(crate) user: &'a str,
    pub(crate) text: &'a str,
    pub(crate) at: UnixMillis,
    /// Null: nobody has decided yet.
    #[schema(required = true)]
    pub(crate) verdict: Option<VerdictView<'a>>,
}

/// An appeal that waits for a verdict.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenAppeal)]
pub(crate) struct OpenAppealView<'a> {
    #[serde(flatten)]
    pub(crate) appeal: AppealView<'a>,
    /// What of it is still in force.
    pub(crate) sanctions: Vec<BanView<'a>>,
}

/// What is in force against oneself, and one's appeals, the newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnAppeals)]
pub(crate) struct OwnAppealsView<'a> {
    pub(crate) sanctions: Vec<SanctionView<'a>>,
    pub(crate) appeals: Vec<AppealView<'a>>,
}

/// A page of appeals without a verdict, the oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Appeals)]
pub(crate) struct AppealsView<'a> {
    pub(crate) appeals: Vec<OpenAppealView<'a>>,
    /// The `after` of the next page.
    #[schema(required = true)]
    pub(crate) next: Option<String>,
}

fn verdicts() -> Object {
    words(["lift", "keep"])
}
