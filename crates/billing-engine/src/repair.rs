//! Which days and which blocks a repair makes anew. An engine makes them, of the entries that it has.

mod days;
mod parts;

pub use days::{Coarse, DAYS_PER_SLOT, Days};
pub use parts::{Anew, BlockRow, Parts};
