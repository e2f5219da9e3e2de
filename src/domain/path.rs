//! Paths inside a job's folder.

use std::fmt;

/// A relative path that stays inside the job's folder: no empty, `.` or `..` component, no NUL, not absolute.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobPath(String);

/// How long and deep a path may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathBounds {
    /// Bytes of the whole path.
    pub bytes_max: usize,
    /// Components.
    pub depth_max: usize,
}

/// Why a path was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Nothing at all.
    #[error("a path is empty")]
    Empty,
    /// Begins with a slash.
    #[error("the path {0:?} is absolute")]
    Absolute(String),
    /// A component that leads elsewhere, or to nothing.
    #[error("the path {path:?} has the component {component:?}")]
    Component {
        /// The whole path.
        path: String,
        /// The component.
        component: String,
    },
    /// A NUL byte.
    #[error("the path {0:?} has a NUL byte")]
    Nul(String),
    /// Longer than allowed.
    #[error("a path has {bytes} bytes, but {bytes_max} is the most")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// Deeper than allowed.
    #[error("the path {path:?} has {depth} components, but {depth_max} is the most")]
    TooDeep {
        /// The whole path.
        path: String,
        /// Its components.
        depth: usize,
        /// The bound.
        depth_max: usize,
    },
}

impl JobPath {
    /// Checks a path.
    ///
    /// # Errors
    /// [`PathError`] says what is wrong with it.
    pub fn parse(path: &str, bounds: PathBounds) -> Result<Self, PathError> {
        if path.is_empty() {
            return Err(PathError::Empty);
        }
        // Length first: the other messages quote the path.
        if path.len() > bounds.bytes_max {
            return Err(PathError::TooLong { bytes: path.len(), bytes_max: bounds.bytes_max });
        }
        if path.contains('\0') {
            return Err(PathError::Nul(path.to_owned()));
        }
        if path.starts_with('/') {
            return Err(PathError::Absolute(path.to_owned()));
        }
        if let Some(component) = path.split('/').find(|part| matches!(*part, "" | "." | "..")) {
            return Err(PathError::Component { path: path.to_owned(), component: component.to_owned() });
        }
        let depth = path.split('/').count();
        if depth > bounds.depth_max {
            return Err(PathError::TooDeep { path: path.to_owned(), depth, depth_max: bounds.depth_max });
        }
        Ok(Self(path.to_owned()))
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Every folder that must exist above it, the outermost first.
    pub fn parents(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').filter_map(|(at, _)| self.0.get(..at))
    }
}

impl fmt::Display for JobPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: PathBounds = PathBounds { bytes_max: 255, depth_max: 16 };

    #[test]
    fn ordinary_paths_pass_unchanged() {
        for path in ["main.py", "a/b/c.txt", "...", ".hidden", "ünïcode/ñ", "with space", "a\nb", "-rf", "~"] {
            assert_eq!(JobPath::parse(path, BOUNDS).unwrap().as_str(), path);
        }
    }

    #[test]
    fn a_path_that_could_lead_elsewhere_is_refused() {
        for path in ["", "/etc/x", "../x", "a/../x", "a/..", ".", "./a", "a/./b", "a//b", "a/", "a\0b"] {
            assert!(JobPath::parse(path, BOUNDS).is_err(), "{path:?}");
        }
    }

    #[test]
    fn length_and_depth_are_bounded() {
        assert!(JobPath::parse(&"x".repeat(255), BOUNDS).is_ok());
        assert!(matches!(JobPath::parse(&"x".repeat(256), BOUNDS), Err(PathError::TooLong { .. })));
        assert!(JobPath::parse(&["d"; 16].join("/"), BOUNDS).is_ok());
        assert!(matches!(JobPath::parse(&["d"; 17].join("/"), BOUNDS), Err(PathError::TooDeep { .. })));
    }

    #[test]
    fn parents_come_outermost_first() {
        let path = JobPath::parse("a/b/c.txt", BOUNDS).unwrap();
        assert_eq!(path.parents().collect::<Vec<_>>(), ["a", "a/b"]);
    }
}
