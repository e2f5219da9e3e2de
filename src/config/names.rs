//! Finds the name that was probably meant.

/// The nearest of `names`, if one is near enough to be what was meant.
pub(in crate::config) fn nearest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    names
        .into_iter()
        .map(|name| (distance(&given, name), name))
        .filter(|(distance, name)| *distance <= allowed(&given, name))
        .min()
        .map(|(_, name)| name)
}

/// A third of the longer name may differ; a name that begins with the other is near in any case.
fn allowed(given: &str, name: &str) -> usize {
    let longer = given.chars().count().max(name.chars().count());
    if given.len() >= 3 && (name.starts_with(given) || given.starts_with(name)) { longer } else { longer.div_ceil(3) }
}

/// Insertions, deletions and replacements from one to the other (Levenshtein), one row of the table at a time.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (at, left) in from.chars().enumerate() {
        let mut diagonal = at;
        let mut before = at + 1;
        let mut next = vec![before];
        for (right, above) in to.chars().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(left != right);
            before = replaced.min(above + 1).min(before + 1);
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_textbook() {
        for (from, to, expected) in [("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("a", "a", 0)] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn a_slip_is_recognised_and_something_else_is_not() {
        let names = ["urls", "topology", "heartbeat_seconds", "classes"];
        assert_eq!(nearest("url", names), Some("urls"));
        assert_eq!(nearest("Topolgy", names), Some("topology"));
        assert_eq!(nearest("heartbeat", names), Some("heartbeat_seconds"));
        assert_eq!(nearest("colour", names), None);
    }
}
