//! Reports as moderators see them: pages of the queue, and one with all that proves it.
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::signal::protocol::Refusal;
use crate::signal::view::ClaimView;
use crate::signal::view::DecisionView;
use crate::signal::view::NoteView;
use crate::signal::view::ReportView;
use crate::signal::view::ReportsView;
use crate::signal::view::WholeReportView;
use crate::store::Case;
use crate::store::DecidedPlace;
use crate::store::Note;
use crate::store::OpenPlace;
use crate::store::Rank;
use crate::store::ReportId;
use crate::store::Store;
use crate::store::StoreError;
use crate::time::UnixMillis;

/// Which reports are listed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// The open ones, then those that are decided.
    All,
    Open,
    Decided,
}

impl Show {
    /// Reads the word of a query.
    ///
    /// # Errors
    ///
    /// `bad_request`
    pub(super) fn parse(word: Option<&str>) -> Result<Self, Refusal> {
        match word {
            None | Some("all") => Ok(Show::All),
            Some("open") => Ok(Show::Open),
            Some("decided") => Ok(Show::Decided),
            Some(_) => Err(Refusal::bad_request("state is open, decided or all")),
        }
    }
}

/// Where a page ends; clients send it back as they got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cursor {
    Open(OpenPlace),
    Decided(DecidedPlace),
}

impl Cursor {
    /// Reads what [`Cursor::text`] wrote.
    ///
    /// # Errors
    ///
    /// `bad_request`
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let wrong = || Refusal::bad_request("after is the next of an earlier page");
        let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).map(UnixMillis).ok_or_else(wrong);
        let (kind, rest) = text.split_once('.').ok_or_else(wrong)?;
        match kind {
            "o" => {
                let mut parts = rest.splitn(3, '.');
                let rank = parts.next().and_then(|rank| rank.parse().ok()).map(Rank).ok_or_else(wrong)?;
                let at = number(parts.next())?;
                let id = ReportId(parts.next().ok_or_else(wrong)?.into());
                Ok(Cursor::Open(OpenPlace { rank, at, id }))
            }
            "d" => {
                let mut parts = rest.splitn(2, '.');
                let at = number(parts.next())?;
                let id = ReportId(parts.next().ok_or_else(wrong)?.into());
                Ok(Cursor::Decided(DecidedPlace { at, id }))
            }
            _ => Err(wrong()),
        }
    }

    fn text(&self) -> String {
        match self {
            Cursor::Open(OpenPlace { rank, at, id }) => format!("o.{}.{}.{}", rank.0, at.0, id.0),
            Cursor::Decided(DecidedPlace { at, id }) => format!("d.{}.{}", at.0, id.0),
        }
    }

    /// The place of a report.
    fn of(case: &Case) -> Self {
        let id = case.report.id.clone();
        match &case.decision {
            None => Cursor::Open(OpenPlace { rank: case.report.rank, at: case.report.at, id }),
            Some(decision) => Cursor::Decided(DecidedPlace { at: decision.at, id }),
        }
    }
}

/// A page of reports, without their evidence.
///
/// # Errors
///
/// An accident.
pub(super) fn page(store: &dyn Store, show: Show, after: Option<Cursor>, limit: usize) -> Result<Value, StoreError> {
    let (open_after, decided_before) = match after {
        Some(Cursor::Open(place)) => (Some(place), None),
        Some(Cursor::Decided(place)) => (None, Some(place)),
        None => (None, None),
    };
    let mut cases = match show {
        Show::All | Show::Open if decided_before.is_none() => store.open_cases(open_after.as_ref(), limit)?,
        Show::All | Show::Open | Show::Decided => Vec::new(),
    };
    if show != Show::Open {
        cases.extend(store.decided_cases(decided_before.as_ref(), limit - cases.len())?);
    }
    let next = cases.last().filter(|_| cases.len() == limit).map(|last| Cursor::of(last).text());
    Ok(json!(ReportsView { reports: cases.iter().map(head).collect(), next }))
}

/// A report without its evidence.
pub(super) fn head(case: &Case) -> ReportView<'_> {
    let Case { report, decision, claim, is_held } = case;
    let decided = decision.as_ref().map(|decision| DecisionView {
        decision: if decision.is_accepted { "accept" } else { "reject" },
        by: &decision.by.0,
        at: decision.at,
        // What follows is our own JSON; should it be damaged the rest is still told.
        follows: serde_json::from_str::<Map<String, Value>>(&decision.action).unwrap_or_default().into(),
    });
    ReportView {
        report: &report.id.0,
        state: if decision.is_some() { "decided" } else { "open" },
        session: &report.session,
        reason: &report.reason,
        comment: &report.comment,
        at: report.at,
        rank: report.rank.0,
        reporter: &report.reporter.0,
        reported: &report.reported.user.0,
        device: report.reported.device.as_ref().map(|device| &*device.0),
        claim: claim.as_ref().map(|claim| ClaimView { by: &claim.by.0, at: claim.at }),
        held: *is_held,
        decision: decided,
    }
}

/// A report with everything.
pub(super) fn whole(case: &Case, notes: &[Note]) -> Value {
    json!(WholeReportView {
        head: head(case),
        evidence: serde_json::from_str(&case.report.evidence).unwrap_or_default(),
        notes: notes.iter().map(note).collect(),
    })
}

/// A remark of a moderator.
pub(super) fn note(note: &Note) -> NoteView<'_> {
    NoteView { by: &note.by.0, at: note.at, text: &note.text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_one() {
        for cursor in [
            Cursor::Open(OpenPlace { rank: Rank(7), at: UnixMillis(9), id: ReportId("a.b".into()) }),
            Cursor::Decided(DecidedPlace { at: UnixMillis(9), id: ReportId("x".into()) }),
        ] {
            assert_eq!(Cursor::parse(&cursor.text()), Ok(cursor));
        }
        for bad in ["", "o", "o.7.9", "o.x.9.a", "o.300.9.a", "d.9", "d.-1.a", "e.9.a"] {
            assert!(Cursor::parse(bad).is_err(), "{bad}");
        }
    }
}
