//! The library every service uses.
