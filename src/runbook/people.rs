//! Who is at work on a run: by what they say themselves, and by what the operating system says of them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A session that holds the controls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The operator's name.
    pub operator: String,
    /// Host name.
    pub host: String,
    /// Process.
    pub pid: u32,
    /// Version of the cockpit.
    pub version: String,
    /// The user of the operating system; older journals do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Person>,
}

/// Who asks for the controls, as they say it themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The operator's name.
    pub operator: String,
    /// Host name.
    pub host: String,
    /// Process.
    pub pid: u32,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} (process {})", self.operator, self.host, self.pid)
    }
}

/// A user of the operating system, as the system says it: not a name that anybody may type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Number of the user.
    pub uid: u32,
    /// Login name, where the system has one.
    pub name: String,
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (uid {})", self.name, self.uid)
    }
}
