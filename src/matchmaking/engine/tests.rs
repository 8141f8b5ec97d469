mod asker;
mod cost;
mod exclusion;
mod groups;
mod keeping;
mod properties;
mod widening;
