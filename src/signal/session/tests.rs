use super::*;
use crate::signal::protocol::Body;
use crate::signal::protocol::Incoming;
use crate::signal::protocol::Request;

fn at(secs: u64) -> Now {
    Now::default().plus(Duration::from_secs(1_000_000 + secs))
}

fn session(limit_secs: Option<u64>) -> Session {
    let participant = |name: &str| Participant::new(UserId(name.into()), Preferences::default());
    Session::new([participant("ann"), participant("bob")], limit_secs.map(Duration::from_secs), at(0))
}

/// What a session demands, and at which second, up to its end.
fn dues(session: &mut Session) -> Vec<(u64, Due)> {
    let mut dues = Vec::new();
    loop {
        let due = session.next_due().expect("there is a deadline");
        let now = at(0).plus(due.saturating_since(at(0).mono));
        let demanded = session.take_due(now).expect("something is due");
        dues.push((due.saturating_since(at(0).mono).as_secs(), demanded));
        if demanded == Due::End {
            return dues;
        }
    }
}

fn request(kind: &str, data: &str) -> Request {
    let text = format!(r#"{{"type":"{kind}","data":{data}}}"#);
    match Incoming::parse(&text).expect("an object").body {
        Body::Request(request) => request.expect("is valid"),
        other => panic!("{other:?}"),
    }
}

fn quality(score: u8) -> Quality {
    match request("rtc.quality", &format!(r#"{{"session":"s","score":{score}}}"#)) {
        Request::Quality(quality) => quality.body,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rule_32_only_warnings_below_the_limit_come() {
    let warning = |secs| Due::Warning(Duration::from_secs(secs));
    assert_eq!(dues(&mut session(Some(300))), [(240, warning(60)), (290, warning(10)), (300, Due::End)]);
    assert_eq!(dues(&mut session(Some(60))), [(50, warning(10)), (60, Due::End)]);
    assert_eq!(dues(&mut session(Some(20))), [(10, warning(10)), (20, Due::End)]);
    assert_eq!(dues(&mut session(Some(10))), [(10, Due::End)]);
    assert_eq!(session(None).next_due(), None);
}

#[test]
fn a_warning_comes_once_and_a_missed_one_not_at_all() {
    let (mut watched, mut late) = (session(Some(300)), session(Some(300)));
    assert_eq!(watched.take_due(at(239)), None);
    assert_eq!(watched.take_due(at(240)), Some(Due::Warning(Duration::from_secs(60))));
    assert_eq!(watched.take_due(at(241)), None);
    assert_eq!(late.take_due(at(295)), Some(Due::Warning(Duration::from_secs(10))));
    assert_eq!(late.take_due(at(296)), None);
}

#[test]
fn warnings_come_again_after_an_extension() {
    let mut session = session(Some(300));
    assert!(session.take_due(at(245)).is_some());
    for side in Side::BOTH {
        assert!(session.extend(side).is_ok());
    }
    let warning = |secs| Due::Warning(Duration::from_secs(secs));
    assert_eq!(dues(&mut session), [(540, warning(60)), (590, warning(10)), (600, Due::End)]);
}

#[test]
fn rule_30_the_deadline_moves_by_one_limit_once_both_ask() {
    let mut session = session(Some(300));
    assert_eq!(session.extend(Side::A), Ok(Extension::Asked));
    assert_eq!(session.extend(Side::A), Ok(Extension::AskedBefore));
    assert_eq!(session.deadline, Some(at(300)));
    assert_eq!(session.extend(Side::B), Ok(Extension::Agreed));
    assert_eq!(session.deadline, Some(at(600)));
    assert_eq!(session.extend(Side::B), Ok(Extension::Asked));
    assert_eq!(session.extend(Side::A), Ok(Extension::Agreed));
    assert_eq!(session.deadline, Some(at(900)));
}

#[test]
fn a_session_without_limit_cannot_be_extended() {
    assert_eq!(session(None).extend(Side::A).map_err(|refusal| refusal.code), Err(ErrorCode::Conflict));
}

#[test]
fn rule_27_only_the_other_sides_alias_is_a_receiver() {
    let session = session(Some(300));
    let alias = |side| session.participant(side).alias.as_str();
    assert_eq!(session.check_receiver(Side::A, None), Ok(()));
    assert_eq!(session.check_receiver(Side::A, Some(alias(Side::B))), Ok(()));
    for wrong in [alias(Side::A), "somebody", ""] {
        let refused = session.check_receiver(Side::A, Some(wrong)).map_err(|refusal| refusal.code);
        assert_eq!(refused, Err(ErrorCode::NotFound));
    }
}

#[test]
fn rule_29_one_quality_passes_per_five_seconds_and_the_latest_waits() {
    let mut gate = QualityGate::default();
    assert!(matches!(gate.admit(quality(1), at(0).mono), Gate::Pass(_)));
    assert!(matches!(gate.admit(quality(2), at(1).mono), Gate::HeldUntil(until) if until == at(5).mono));
    assert!(matches!(gate.admit(quality(3), at(2).mono), Gate::Replaced));
    let released = gate.release(at(5).mono).expect("one waits");
    assert_eq!(serde_json::to_value(released).expect("serializes")["score"], 3);
    assert!(gate.release(at(5).mono).is_none());
    assert!(matches!(gate.admit(quality(4), at(9).mono), Gate::HeldUntil(until) if until == at(10).mono));
}
