//! What people with rights ask over REST.
use serde_json::Value;

use crate::signal::protocol::BanRequest;
use crate::signal::protocol::DecisionRequest;
use crate::signal::protocol::Refusal;
use crate::signal::protocol::VerdictRequest;

/// Something about reports, bans, live calls, accounts or the audit, from somebody whose token is verified; whether it has the rights is the
/// hub's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModerationAsk {
    /// Reports, the open ones first.
    Reports {
        /// Only `open` or only `decided` ones.
        state: Option<String>,
        /// The `next` of the page before.
        after: Option<String>,
        /// Reports, at most.
        limit: Option<usize>,
    },
    /// One report with all that proves it.
    Report {
        /// Which.
        report: String,
    },
    /// To be given a file that a report keeps.
    ReportFile {
        /// Which report.
        report: String,
        /// Which file.
        file: String,
    },
    /// To work on a report, so that others leave it alone.
    Claim {
        /// Which.
        report: String,
    },
    /// To leave a report to others again.
    Release {
        /// Which.
        report: String,
    },
    /// A remark for other moderators.
    Note {
        /// About which.
        report: String,
        /// What.
        text: String,
    },
    /// A legal hold, or the end of it.
    Hold {
        /// Of which.
        report: String,
        /// Whether it is held from now on.
        is_held: bool,
    },
    /// What becomes of a report.
    Decide {
        /// Of which.
        report: String,
        /// What.
        decision: DecisionRequest,
    },
    /// Bans and lesser sanctions in force, the newest first.
    Bans {
        /// The `next` of the page before.
        after: Option<String>,
        /// Bans, at most.
        limit: Option<usize>,
    },
    /// A new one.
    Ban(BanRequest),
    /// The end of one.
    Lift {
        /// Which.
        ban: String,
    },
    /// Live calls, the newest first.
    Calls {
        /// The `next` of the page before.
        after: Option<String>,
        /// Calls, at most.
        limit: Option<usize>,
    },
    /// Those who wait for a partner, who came first first.
    Waiting {
        /// The `next` of the page before.
        after: Option<u64>,
        /// People, at most.
        limit: Option<usize>,
    },
    /// The end of a live call.
    EndCall {
        /// Which.
        session: String,
        /// Why, for the audit.
        reason: Option<String>,
    },
    /// Rooms with somebody in them, groups among them.
    OpenRooms {
        /// The `next` of the page before.
        after: Option<String>,
        /// Rooms, at most.
        limit: Option<usize>,
    },
    /// To put everybody out of a room.
    ClearRoom {
        /// Which.
        room: String,
        /// Why, for the audit.
        reason: Option<String>,
    },
    /// Accounts in the order of their names.
    Accounts {
        /// Which, and which page of them.
        search: AccountSearch,
        /// Accounts, at most.
        limit: Option<usize>,
    },
    /// Another role for an account, or whether it is disabled.
    AlterAccount {
        /// Whose.
        user: String,
        /// What becomes different.
        changes: AccountChanges,
    },
    /// Something that was done elsewhere, for the audit.
    Done {
        /// What, in one word.
        action: &'static str,
        /// To whom or what.
        subject: String,
        /// The rest.
        details: Value,
    },
    /// Appeals without a verdict, the oldest first.
    Appeals {
        /// The `next` of the page before.
        after: Option<String>,
        /// Appeals, at most.
        limit: Option<usize>,
    },
    /// What becomes of an appeal.
    JudgeAppeal {
        /// Which.
        appeal: String,
        /// What.
        verdict: VerdictRequest,
    },
    /// What people with rights did, the last first.
    Audit {
        /// Only what is older than that number.
        before: Option<u64>,
        /// Deeds, at most.
        limit: Option<usize>,
    },
}

/// Which accounts are looked for; what is not given does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountSearch {
    /// The `next` of the page before.
    pub after: Option<String>,
    /// A part of the name, or the whole id.
    pub text: Option<String>,
    /// The role.
    pub role: Option<String>,
    /// Whether it is disabled.
    pub disabled: Option<bool>,
}

/// What becomes different about an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountChanges {
    /// The role.
    pub role: Option<String>,
    /// Whether it is disabled.
    pub disabled: Option<bool>,
}

/// Where the answer goes; called once, by the hub, and must not wait.
pub(crate) type ModerationAnswer = Box<dyn FnOnce(Result<Value, Refusal>) + Send>;
