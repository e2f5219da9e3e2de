//! Whether a program wrote what was expected, by the strictness that the job asked for.

use super::job::{Checker, Expect};

/// Compares the whole output of a run with what was expected. Output that was cut short is never as expected.
pub fn as_expected(expect: &Expect, stdout: &[u8], truncated: bool) -> bool {
    let expected = expect.stdout.as_bytes();
    !truncated
        && match expect.checker {
            Checker::Exact => stdout == expected,
            Checker::TrailingSpace => trimmed_lines(stdout).eq(trimmed_lines(expected)),
            Checker::Tokens => tokens(stdout).eq(tokens(expected)),
            Checker::Floats { absolute_tolerance, relative_tolerance } => {
                let close =
                    |found: &[u8], wanted: &[u8]| same_token(found, wanted, absolute_tolerance, relative_tolerance);
                all_pairs(tokens(stdout), tokens(expected), close)
            }
        }
}

/// Lines without the blanks at their ends, and without the empty lines at the end of the text.
fn trimmed_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.trim_ascii_end().split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end)
}

fn tokens(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|token| !token.is_empty())
}

fn all_pairs<'a>(
    mut found: impl Iterator<Item = &'a [u8]>,
    mut wanted: impl Iterator<Item = &'a [u8]>,
    same: impl Fn(&[u8], &[u8]) -> bool,
) -> bool {
    loop {
        match (found.next(), wanted.next()) {
            (None, None) => return true,
            (Some(found), Some(wanted)) if same(found, wanted) => {}
            _ => return false,
        }
    }
}

/// The same bytes, or two numbers that differ by no more than one of the tolerances. Only the expected number sets the
/// scale, so that a wild answer cannot excuse itself.
fn same_token(found: &[u8], wanted: &[u8], absolute: f64, relative: f64) -> bool {
    if found == wanted {
        return true;
    }
    match (number(found), number(wanted)) {
        (Some(found), Some(wanted)) => {
            let difference = (found - wanted).abs();
            difference <= absolute || difference <= relative * wanted.abs()
        }
        _ => false,
    }
}

/// A finite decimal number. Words that only look like one to a parser ("inf", "nan") are compared as words.
fn number(token: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(token).ok()?;
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::content::Content;

    const FLOATS: Checker = Checker::Floats { absolute_tolerance: 1e-6, relative_tolerance: 1e-3 };

    #[track_caller]
    fn check(checker: Checker, expected: &str, found: &str, good: bool) {
        let expect = Expect { stdout: Content::from(expected), checker };
        assert_eq!(as_expected(&expect, found.as_bytes(), false), good, "{checker:?} {expected:?} {found:?}");
    }

    #[test]
    fn exact_is_byte_for_byte() {
        check(Checker::Exact, "1\n", "1\n", true);
        check(Checker::Exact, "1\n", "1", false);
        check(Checker::Exact, "", "", true);
    }

    #[test]
    fn trailing_space_ignores_blanks_at_line_ends_and_empty_lines_at_the_end() {
        check(Checker::TrailingSpace, "a b\nc\n", "a b  \nc\r\n\n\n", true);
        check(Checker::TrailingSpace, "a\n\nb", "a\nb", false);
        check(Checker::TrailingSpace, "a", " a", false);
        check(Checker::TrailingSpace, "", "\n \n", true);
    }

    #[test]
    fn tokens_ignore_all_blanks_and_nothing_else() {
        check(Checker::Tokens, "1 2 3", "1\n2\t 3\n", true);
        check(Checker::Tokens, "1 2", "12", false);
        check(Checker::Tokens, "1 2", "1 2 3", false);
        check(Checker::Tokens, "1 2", "1", false);
    }

    #[test]
    fn floats_differ_by_no_more_than_a_tolerance() {
        check(FLOATS, "1.0 x", "1.0005 x", true);
        check(FLOATS, "1.0", "1.002", false);
        check(FLOATS, "0", "0.0000005", true);
        check(FLOATS, "0", "0.00001", false);
        check(FLOATS, "1e3", "1000", true);
        check(FLOATS, "1", "one", false);
        check(FLOATS, "1", "inf", false);
        check(FLOATS, "nan", "nan", true);
        check(FLOATS, "1", "nan", false);
        check(FLOATS, "1 2", "1", false);
    }

    #[test]
    fn output_that_was_cut_short_is_never_as_expected() {
        let expect = Expect { stdout: Content::from("1"), checker: Checker::Exact };
        assert!(!as_expected(&expect, b"1", true));
    }
}
