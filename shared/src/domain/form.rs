//! Stub until the rules land.

/// A field that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// Its name.
    pub field: &'static str,
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}
