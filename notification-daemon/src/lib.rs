//! The notification-daemon service.
