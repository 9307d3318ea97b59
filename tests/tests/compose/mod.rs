//! The stack as its files say it; `script/stack` starts it.

mod config;
mod containers;
mod model;
mod servers;
mod settings;
