//! The bot service.

pub mod render;
pub mod words;
