//! The one integration test binary: each module is about one promise.

mod conformance;
mod counted;
mod faults;
mod housekeeping;
mod joins;
mod kills;
mod live;
mod refusals;
mod reminders;
mod schedule;
mod services;
mod signals;
mod store;
mod stories;
mod tidy;
mod web;
