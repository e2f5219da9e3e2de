//! Names from a message, made safe for an error message: escaped, and never long.

/// Characters of a quoted name at most.
const NAME_CHARS_MAX: usize = 200;
/// Characters of a whole message at most.
const MESSAGE_CHARS_MAX: usize = 600;

/// The name in quotation marks, with everything but printable characters escaped, cut after 200 characters.
pub(in crate::protocol) fn quote(name: &str) -> String {
    let escaped: String = name.chars().take(NAME_CHARS_MAX).flat_map(char::escape_debug).collect();
    let cut = bounded(&escaped, NAME_CHARS_MAX);
    if name.chars().nth(NAME_CHARS_MAX).is_some() && !cut.ends_with('…') {
        return format!("\"{cut}…\"");
    }
    format!("\"{cut}\"")
}

/// A message of bounded length.
pub(in crate::protocol) fn message(text: &str) -> String {
    bounded(text, MESSAGE_CHARS_MAX)
}

fn bounded(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_short() {
        assert_eq!(quote("a\n\u{1b}[0m\"ü"), "\"a\\n\\u{1b}[0m\\\"ü\"");
        assert_eq!(quote("\u{202e}x"), "\"\\u{202e}x\"");
        assert_eq!(quote(&"x".repeat(200)).chars().count(), 202);
        assert_eq!(quote(&"x".repeat(201)).chars().count(), 203);
        assert_eq!(quote(&"\n".repeat(100_000)).chars().count(), 203);
    }

    #[test]
    fn messages_are_short() {
        assert_eq!(message("all of it"), "all of it");
        assert_eq!(message(&"ü".repeat(5000)).chars().count(), 601);
    }
}
