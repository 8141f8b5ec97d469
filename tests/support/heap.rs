//! The system's allocator, counting what is asked of it and what it gets back.
#![allow(unsafe_code, reason = "an allocator is")]
#![allow(dead_code, reason = "each test file uses its own part")]

use std::alloc::GlobalAlloc;
use std::alloc::Layout;
use std::alloc::System;
use std::cell::Cell;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use rustix::process::getpid;
use rustix::thread::gettid;

thread_local! {
    /// Calls of this thread; `None` if they are of no interest.
    static CALLS: Cell<Option<u64>> = const { Cell::new(Some(0)) };
    /// Bytes that this thread asked for, less those that it gave back.
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

/// Calls of all threads that are of interest.
static ALL: AtomicU64 = AtomicU64::new(0);

/// How often this thread asked for memory, or gave it back.
pub(crate) fn calls_of_this_thread() -> u64 {
    CALLS.get().unwrap_or(0)
}

/// How many bytes this thread asked for and has not given back.
pub(crate) fn live_bytes_of_this_thread() -> i64 {
    LIVE.get()
}

/// How often threads asked for memory or gave it back, but for the main one and those with [`leave_this_thread_out`].
pub(crate) fn calls_of_all_threads() -> u64 {
    ALL.load(Ordering::Relaxed)
}

/// Does not count what this thread asks for from now on.
pub(crate) fn leave_this_thread_out() {
    CALLS.set(None);
}

/// See the head of the file.
struct Counting;

fn count() {
    // A thread that ends has no counter any more.
    let _ = CALLS.try_with(|calls| {
        if let Some(count) = calls.get() {
            calls.set(Some(count + 1));
            // The main thread tells of tests that take long.
            if gettid() != getpid() {
                ALL.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
}

fn count_bytes(taken: usize, given_back: usize) {
    let _ = LIVE.try_with(|live| live.set(live.get() + taken as i64 - given_back as i64));
}

// SAFETY: every call goes to the system's allocator unchanged; the counters are beside it and need no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        count_bytes(layout.size(), 0);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        count_bytes(layout.size(), 0);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        count();
        count_bytes(len, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, len) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        count_bytes(0, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
