mod asker;
mod cost;
mod exclusion;
mod keeping;
mod properties;
mod widening;
