//! The one integration test binary: each module is about one promise.

mod commands;
mod conformance;
mod counted;
mod counted_interactions;
mod faults;
mod housekeeping;
mod interactions;
mod joins;
mod kills;
mod refusals;
mod reminders;
mod schedule;
mod services;
mod signals;
mod store;
mod stories;
mod tidy;
mod web;
