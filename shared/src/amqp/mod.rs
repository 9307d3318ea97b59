//! stub
pub mod relay {
    //! stub
    /// Hint
    #[derive(Clone, Debug, Default)]
    pub struct Hint;
    impl Hint { /// w
        pub fn wake(&self) {} }
}
