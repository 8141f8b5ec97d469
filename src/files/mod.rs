//! Files that chat messages carry: asked for, put by a signed address, shown by a message, got by a signed address,
//! removed with the message.
//!
//! The store knows of every file before its bytes arrive and until they are gone, so nothing is ever left over that
//! nobody knows. The bytes are in a directory or in a bucket; they pass through in pieces, whatever their length.
mod arrival;
mod blobs;
mod collector;
mod desk;
mod name;
mod range;
mod sniff;
mod stats;
#[cfg(test)]
mod tests;

pub use arrival::Arrived;
pub use arrival::PutError;
pub use blobs::Blobs;
pub use blobs::BlobsError;
pub use blobs::Bucket;
pub use blobs::copy_directory;
pub use collector::collect;
pub use desk::Admitted;
pub use desk::Desk;
pub use desk::Given;
pub use desk::Limits;
pub use desk::Settings;
pub use desk::Wish;
pub use range::RangeError;
pub use range::requested;
pub use stats::Stats;
