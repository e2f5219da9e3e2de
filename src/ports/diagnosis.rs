//! What `doctor` finds, in a shape that every part can give.

use serde::Serialize;

/// How a finding is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// As it should be.
    Green,
    /// Works, but not as well as it could.
    Yellow,
    /// The worker cannot do its work like this.
    Red,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub colour: Colour,
    /// What was found.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn good(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), colour: Colour::Green, text, hint: None }
    }

    /// Works, but not as well as it could.
    pub fn doubtful(name: &str, text: String, hint: &str) -> Self {
        Self { name: name.to_owned(), colour: Colour::Yellow, text, hint: Some(hint.to_owned()) }
    }

    /// Cannot work like this.
    pub fn bad(name: &str, text: String, hint: &str) -> Self {
        Self { name: name.to_owned(), colour: Colour::Red, text, hint: Some(hint.to_owned()) }
    }
}
