//! Reads Rust source as text, well enough to see what it imports.
#![expect(clippy::string_slice, reason = "every index comes from a search in the same text, and a test may panic")]

/// Source without comments and without what is in string literals. Lines stay lines.
pub(crate) fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest, out.chars().next_back()) {
            length
        } else if first == '"' {
            plain_string(rest)
        } else if let Some(length) = character(rest) {
            length
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        out.push(' ');
        out.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
        rest = &rest[skipped..];
    }
    out
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a raw string that begins here, if one does: `r"…"`, `r#"…"#`, `br"…"`.
fn raw_string(text: &str, before: Option<char>) -> Option<usize> {
    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix("cr")).or_else(|| text.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(text.len() - body.len() + length)
}

fn plain_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// The length of a character literal that begins here; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    let inner = if body.starts_with('\\') { 2 + body.get(2..)?.find('\'')? } else { body.chars().next()?.len_utf8() };
    body.get(inner..)?.starts_with('\'').then_some(inner + 2)
}

/// Code before the first `#[cfg(test)]` module with a body. Ours stand at the end of a file.
pub(crate) fn without_tests(code: &str) -> &str {
    let is_module = |at: &usize| {
        let after = code[*at..].split_once(']').map_or("", |(_, after)| after).trim_start();
        after.starts_with("mod ") && after.find('{') < after.find(';').or(Some(usize::MAX))
    };
    let found = code.match_indices("#[cfg(test)]").map(|(at, _)| at).find(is_module);
    found.map_or(code, |at| &code[..at])
}

/// Every path that code takes from the crate's root: `crate::a::b` and each leaf of `use crate::{a, b::{c, d}}`, and
/// the same by `super` where a module of this depth (`crate::a` has 1) reaches the root with it.
pub(crate) fn crate_modules(code: &str, depth: usize) -> Vec<String> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let supers = tokens[at..].chunks(2).take_while(|pair| pair[0] == "super" && pair.len() == 2).count();
        if tokens[at] == "crate" && tokens.get(at + 1).is_some_and(|token| token == "::") {
            at = path(&tokens, at + 2, "", &mut found);
        } else if supers > 0 && supers == depth {
            at = path(&tokens, at + 2 * supers, "", &mut found);
        } else {
            at += 1 + 2 * supers.saturating_sub(1);
        }
    }
    found
}

/// Names and the signs that matter between them.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            let mut word = c.to_string();
            while let Some(next) = chars.next_if(|next| next.is_alphanumeric() || *next == '_') {
                word.push(next);
            }
            tokens.push(word);
        } else if c == ':' && chars.next_if_eq(&':').is_some() {
            tokens.push("::".to_owned());
        } else if !c.is_whitespace() {
            tokens.push(c.to_string());
        }
    }
    tokens
}

/// Reads a path or a group from `at`, adds its leaves, and says where it ends.
fn path(tokens: &[String], mut at: usize, prefix: &str, found: &mut Vec<String>) -> usize {
    let mut full = prefix.to_owned();
    while let Some(token) = tokens.get(at) {
        if token == "{" {
            return group(tokens, at + 1, &full, found);
        }
        let name = token.strip_prefix("r#").unwrap_or(token);
        if name != "self" {
            full = if full.is_empty() { name.to_owned() } else { format!("{full}::{name}") };
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token != "::") {
            break;
        }
        at += 1;
    }
    found.push(full);
    at
}

fn group(tokens: &[String], mut at: usize, prefix: &str, found: &mut Vec<String>) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "}" => return at + 1,
            "," => at += 1,
            // `a as b`: the new name is no path.
            "as" => at += 2,
            _ => at = path(tokens, at, prefix, found),
        }
    }
    at
}

/// Whether code names a library: as the first part of a path, in `use`, or in `extern crate`.
pub(crate) fn names_crate(code: &str, library: &str) -> bool {
    let tokens = tokens(code);
    tokens.iter().enumerate().any(|(at, token)| {
        let before = at.checked_sub(1).map(|at| tokens[at].as_str());
        let after = tokens.get(at + 1).map(String::as_str);
        let first = before != Some("::") || at.checked_sub(2).is_none_or(|at| !is_name(&tokens[at]));
        let in_use = matches!(before, Some("use" | "crate")) && matches!(after, Some(";" | "as"));
        token == library && first && (after == Some("::") || in_use)
    })
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_') && token != "use"
}

/// Whether a file begins with its own documentation.
pub(crate) fn has_module_doc(text: &str) -> bool {
    text.lines().find(|line| !line.trim().is_empty()).is_some_and(|line| line.starts_with("//! "))
}

#[test]
fn comments_and_literals_are_no_code() {
    let text = "a // crate::x\n/* crate::y /* z */ */ b \"crate::\\\"w\" c r#\"crate::\"v\"# d '\"' e 'x' 'a";
    let words: Vec<_> = tokens(&code(text)).into_iter().filter(|token| token != "'").collect();
    assert_eq!(words, ["a", "b", "c", "d", "e", "a"]);
}

#[test]
fn paths_and_groups_are_found_leaf_by_leaf() {
    let code = "use crate::{a, b::{self, c as d, e::*}, f}; fn g() -> crate::h::i<crate::j> {}";
    assert_eq!(crate_modules(code, 2), ["a", "b", "b::c", "b::e::*", "f", "h::i", "j"]);
    assert!(crate_modules("pub(crate) fn f() {} pub(in crate::x) fn g() {}", 2).contains(&"x".to_owned()));
}

#[test]
fn the_crates_root_is_reached_by_super_too() {
    let code = "use super::{a, b::c}; super::super::d::e(); super::super::super::f();";
    assert_eq!(crate_modules(code, 1), ["a", "b::c"]);
    assert_eq!(crate_modules(code, 2), ["d::e"]);
}

#[test]
fn libraries_are_found_as_libraries_only() {
    for code in [
        "use tar::Builder;",
        "let x = tar::Header::new();",
        "use tar as t;",
        "extern crate tar;",
        "<tar::X>::y",
        "::tar::x()",
    ] {
        assert!(names_crate(code, "tar"), "{code}");
    }
    for code in ["use crate::tar::x;", "let tar = 1;", "mod tar;", "star::x()", "self::tar::x()", "tar.x()", "f(tar)"] {
        assert!(!names_crate(code, "tar"), "{code}");
    }
}

#[test]
fn a_test_module_is_not_the_modules_own_code() {
    let code = "use a;\n#[cfg(test)]\nmod tests;\nuse b;\n#[cfg(test)]\nmod tests {\n use c;\n}";
    assert_eq!(without_tests(code), "use a;\n#[cfg(test)]\nmod tests;\nuse b;\n");
}

#[test]
fn a_file_without_documentation_is_seen() {
    assert!(has_module_doc("\n//! Says it.\n"));
    assert!(!has_module_doc("use x;\n//! Too late.\n"));
    assert!(!has_module_doc("/// Of an item.\n"));
}
