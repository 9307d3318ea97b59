//! The status-daemon service.
