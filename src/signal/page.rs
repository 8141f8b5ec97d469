//! Lists page by page: what a client asks for, and where a page ends. Pure.
use std::fmt::Display;

use crate::signal::protocol::Refusal;
use crate::time::UnixMillis;

/// Entries of one page, whatever the list.
pub(crate) const PAGE_MAX: usize = 100;

/// Which part of a list: every list that can grow is read in this way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageAsk {
    /// The `next` of the page before; `None`: from the beginning.
    pub after: Option<String>,
    /// Entries, at most.
    pub limit: Option<usize>,
}

/// How many entries of a page are asked for.
///
/// # Errors
///
/// `bad_request`
pub(crate) fn page_size(limit: Option<usize>, default: usize) -> Result<usize, Refusal> {
    let limit = limit.unwrap_or(default);
    if (1..=PAGE_MAX).contains(&limit) {
        Ok(limit)
    } else {
        Err(Refusal::bad_request("limit is a number from 1 to 100"))
    }
}

/// Where a page ends in a list that is in the order of moments; clients send it back as they got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) at: UnixMillis,
    pub(crate) name: String,
}

impl Mark {
    pub(crate) fn text(at: UnixMillis, name: impl Display) -> String {
        format!("{}.{name}", at.0)
    }

    /// Reads what [`Mark::text`] wrote.
    ///
    /// # Errors
    ///
    /// `bad_request`
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let parts = text.split_once('.').and_then(|(at, name)| Some((at.parse().ok()?, name)));
        let (at, name) = parts.ok_or(Refusal::bad_request("after is the next of an earlier page"))?;
        Ok(Self { at: UnixMillis(at), name: name.to_owned() })
    }
}

/// A page of a list as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) after: Option<Mark>,
    pub(crate) limit: usize,
}

impl Span {
    /// # Errors
    ///
    /// `bad_request`
    pub(crate) fn new(ask: &PageAsk, default: usize) -> Result<Self, Refusal> {
        let after = ask.after.as_deref().map(Mark::parse).transpose()?;
        Ok(Self { after, limit: page_size(ask.limit, default)? })
    }

    /// Leaves of a list what is on the page; where the next one begins, if there is one.
    pub(crate) fn cut<T>(&self, list: &mut Vec<T>, mark: impl Fn(&T) -> String) -> Option<String> {
        if list.len() <= self.limit {
            return None;
        }
        list.truncate(self.limit);
        list.last().map(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_and_nothing_else_is_one() {
        let mark = Mark { at: UnixMillis(7), name: "a.b".to_owned() };
        assert_eq!(Mark::parse(&Mark::text(mark.at, &mark.name)), Ok(mark));
        for bad in ["", "7", "x.a", "-1.a", ".a"] {
            assert!(Mark::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_has_1_to_100_entries_and_says_where_the_next_begins() {
        let size = |limit| page_size(limit, 50).ok();
        assert_eq!([None, Some(1), Some(100)].map(size), [Some(50), Some(1), Some(100)]);
        assert_eq!([Some(0), Some(101)].map(size), [None, None]);
        let span = |limit| Span { after: None, limit };
        let mut list = vec![1, 2, 3];
        assert_eq!(span(3).cut(&mut list, i32::to_string), None);
        assert_eq!((span(2).cut(&mut list, i32::to_string), list), (Some("2".to_owned()), vec![1, 2]));
    }
}
