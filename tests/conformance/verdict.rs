//! What a probe says about a statement.
use std::fmt::Debug;

/// Why a statement is not seen to hold.
#[derive(Clone, Debug)]
pub enum Unmet {
    /// The server does otherwise; how.
    Fails(String),
    /// The server has nothing that the statement could be about; what is missing.
    NotOffered(String),
}

pub type Seen<T> = Result<T, Unmet>;

pub fn fails(how: impl Into<String>) -> Unmet {
    Unmet::Fails(how.into())
}

pub fn not_offered(what: impl Into<String>) -> Unmet {
    Unmet::NotOffered(what.into())
}

/// Demands a condition; `else_how` says what is the case if it does not hold.
pub fn ensure(condition: bool, else_how: impl Into<String>) -> Seen<()> {
    if condition { Ok(()) } else { Err(fails(else_how)) }
}

/// Demands that what came is what should come.
pub fn same<T: PartialEq + Debug>(what: &str, came: T, due: T) -> Seen<()> {
    if came == due { Ok(()) } else { Err(fails(format!("{what}: {}, not {}", brief(&came), brief(&due)))) }
}

fn brief(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    if text.chars().count() <= 60 { text } else { format!("{}...", text.chars().take(60).collect::<String>()) }
}
