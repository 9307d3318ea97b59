//! The Discord simulator: REST v10, OAuth2 and gateway on one port, strict, scriptable, with a memory.
//!
//! Everything people would see can be asked for, every slip a client makes is noted as a violation,
//! and faults are consumed in the order in which they were scripted. See [`Discord`] for the controls.

mod answers;
mod changes;
mod client;
mod control;
mod door;
mod faults;
mod gateway;
mod interactions;
mod limits;
mod line;
mod messages;
mod oauth;
mod objects;
mod page;
mod refusal;
mod rest;
mod server;
mod sessions;
mod setup;
mod state;
mod view;

#[cfg(test)]
mod specs;

pub use changes::{Change, GatewayFault};
pub use client::Discord;
pub use door::RequestRecord;
pub use faults::{Effect, Fault};
pub use interactions::{Choice, Pressed};
pub use server::Simulator;
pub use setup::{Application, Channel, Guild, Member, Role, Setup, User, ids, permissions};
pub use view::{Button, Letter, Message};
