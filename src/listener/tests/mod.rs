//! Whole-door tests on loopback.
