//! The one integration test binary: each module is about one promise.

mod conformance;
mod counted;
mod ends;
mod faults;
mod housekeeping;
mod joins;
mod kills;
mod refusals;
mod reminders;
mod schedule;
mod sdk;
mod services;
mod signals;
mod store;
mod stories;
mod tidy;
mod variables;
mod web;
