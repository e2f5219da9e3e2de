//! Paths of a job: what is let in stays below the folder, by the judgement of the standard library.

use std::path::{Component, Path};

use proptest::prelude::*;
use tester_worker::domain::path::{JobPath, PathBounds};

use crate::spoil::config;

const BOUNDS: PathBounds = PathBounds { bytes_max: 64, depth_max: 6 };

fn check(text: &str) -> Result<(), TestCaseError> {
    let Ok(path) = JobPath::parse(text, BOUNDS) else { return Ok(()) };
    prop_assert_eq!(path.as_str(), text);
    prop_assert!(text.len() <= BOUNDS.bytes_max && !text.contains('\0'));
    let names: Vec<Component<'_>> = Path::new(text).components().collect();
    prop_assert!(!names.is_empty() && names.len() <= BOUNDS.depth_max);
    prop_assert!(names.iter().all(|name| matches!(name, Component::Normal(_))), "{:?}", names);
    // The same path again: nothing in it was passed over in silence.
    prop_assert_eq!(names.iter().map(|name| name.as_os_str().to_str().unwrap()).collect::<Vec<_>>().join("/"), text);
    for folder in path.parents() {
        prop_assert!(JobPath::parse(folder, BOUNDS).is_ok(), "{}", folder);
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn text_that_looks_like_a_path(text in "([a.]{0,3}[/\\\\\\x00]{0,2}){0,8}") {
        check(&text)?;
    }
}
