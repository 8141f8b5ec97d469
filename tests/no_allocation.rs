//! The relay core forwards data without the heap: counted by the allocator itself.
#![allow(unsafe_code, reason = "an allocator that counts is one")]

#[path = "../benches/world/mod.rs"]
mod world;

use std::alloc::GlobalAlloc;
use std::alloc::Layout;
use std::alloc::System;
use std::cell::Cell;

use world::operations::Operations;

thread_local! {
    /// Calls of this thread for memory.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting what is asked of it.
struct Counting;

fn count() {
    // A thread that ends has no counter any more.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call goes to the system's allocator unchanged; the counter is beside it and needs no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, len) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

type Operation = fn(&mut Operations);

/// How often the heap is called by two thousand runs of an operation, after a few that may warm it up.
fn calls(operations: &mut Operations, operation: Operation) -> u64 {
    (0..32).for_each(|_| operation(operations));
    let before = CALLS.get();
    (0..2000).for_each(|_| operation(operations));
    CALLS.get() - before
}

#[test]
fn data_is_relayed_without_the_heap() {
    let mut operations = Operations::new();
    let ways: [(&str, Operation); 6] = [
        ("ChannelData to a peer", Operations::channel_data_to_peer),
        ("a peer's data to ChannelData", Operations::peer_to_channel_data),
        ("a Send indication to a peer", Operations::send_indication_to_peer),
        ("a peer's data to a Data indication", Operations::peer_to_data_indication),
        ("data from one client to another", Operations::hand_over),
        ("a Binding request", Operations::binding),
    ];
    for (name, operation) in ways {
        assert_eq!(calls(&mut operations, operation), 0, "{name}");
    }
}

#[test]
fn the_counter_counts() {
    let mut operations = Operations::new();
    let calls = calls(&mut operations, Operations::allocate_and_delete);
    assert!(calls >= 2000, "{calls}");
}
