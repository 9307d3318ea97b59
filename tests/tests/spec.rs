//! The one integration test binary: each module is about one promise.

mod commands;
mod conformance;
mod counted;
mod counted_interactions;
mod edges;
mod faults;
mod housekeeping;
mod interactions;
mod joins;
mod kills;
mod live;
mod measures;
mod promotions;
mod parked;
mod refusals;
mod reminders;
mod sabotage;
mod schedule;
mod services;
mod signals;
mod store;
mod stories;
mod stories_failures;
mod tidy;
mod weaver;
mod web;
