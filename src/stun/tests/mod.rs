//! Tests of the wire format as a whole.

mod hostile;
mod round_trips;
mod vectors;
