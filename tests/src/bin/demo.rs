//! Plays one session end to end.

fn main() {}
