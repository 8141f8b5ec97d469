//! Signaling's refusals as REST tells them. Rule 41.
use crate::http::Code;
use crate::http::Problem;
use crate::signal::ErrorCode;
use crate::signal::Refusal;

pub(super) fn problem(refusal: &Refusal) -> Problem {
    let code = match refusal.code {
        ErrorCode::BadRequest | ErrorCode::UnknownType => Code::BadRequest,
        ErrorCode::Unauthorized => Code::Unauthorized,
        ErrorCode::Forbidden => Code::Forbidden,
        ErrorCode::NotFound | ErrorCode::NotInSession => Code::NotFound,
        ErrorCode::Conflict | ErrorCode::AlreadyQueued => Code::Conflict,
        ErrorCode::TooLarge => Code::TooLarge,
        ErrorCode::RateLimited => Code::RateLimited,
        ErrorCode::QueueFull | ErrorCode::Unavailable => Code::Unavailable,
    };
    let problem = Problem::new(code, refusal.message.clone());
    match refusal.retry_after {
        Some(wait) => problem.retry_after(wait),
        None => problem,
    }
}
