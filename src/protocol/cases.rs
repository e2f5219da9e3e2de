//! The cases of a job: runs of the same program with other input.

use super::claims::{arguments, bounded_name};
use super::fields::{At, ClaimError, Fields, content};
use super::strict::Json;
use crate::domain::content::Content;
use crate::domain::job::{Checker, Expect};
use crate::domain::limits::LimitsPatch;

/// Cases of one job.
const CASES_MAX: usize = 1000;
/// The tolerance of the checker `floats` where the job names none.
const TOLERANCE_DEFAULT: f64 = 1e-9;

/// One case as the job states it.
#[derive(Debug)]
pub(in crate::protocol) struct CaseClaims {
    pub(in crate::protocol) name: String,
    pub(in crate::protocol) stdin: Content,
    pub(in crate::protocol) args: Vec<String>,
    pub(in crate::protocol) limits: LimitsPatch,
    pub(in crate::protocol) expect: Option<Expect>,
}

/// Reads every case.
pub(in crate::protocol) fn read(list: Vec<Json>) -> Result<Vec<CaseClaims>, ClaimError> {
    if list.len() > CASES_MAX {
        let text = format_args!("the job has {} cases, but {CASES_MAX} is the most", list.len());
        return Err(ClaimError::malformed(text));
    }
    let at = At::Member(&At::Top, "cases");
    list.into_iter().enumerate().map(|(index, case)| read_case(At::Item(&at, index), case)).collect()
}

fn read_case(at: At<'_>, value: Json) -> Result<CaseClaims, ClaimError> {
    let mut fields = Fields::open(at, value, &["name", "stdin", "args", "limits", "expect"])?;
    let name = bounded_name(&At::Member(&at, "name").to_string(), fields.need_string("name")?)?;
    let stdin = fields.content("stdin")?;
    let args = arguments(&At::Member(&at, "args").to_string(), fields.list("args")?)?;
    let limits = fields.limits("limits")?;
    let expect = fields.take("expect").map(|value| read_expect(At::Member(&at, "expect"), value)).transpose()?;
    Ok(CaseClaims { name, stdin, args, limits, expect })
}

fn read_expect(at: At<'_>, value: Json) -> Result<Expect, ClaimError> {
    let mut fields = Fields::open(at, value, &["stdout", "checker", "absolute_tolerance", "relative_tolerance"])?;
    let stdout = content(At::Member(&at, "stdout"), fields.need("stdout")?)?;
    let absolute_tolerance = fields.number("absolute_tolerance")?.unwrap_or(TOLERANCE_DEFAULT);
    let relative_tolerance = fields.number("relative_tolerance")?.unwrap_or(TOLERANCE_DEFAULT);
    let checker = match fields.string("checker")?.as_deref() {
        None | Some("exact") => Checker::Exact,
        Some("trailing_space") => Checker::TrailingSpace,
        Some("tokens") => Checker::Tokens,
        Some("floats") => Checker::Floats { absolute_tolerance, relative_tolerance },
        Some(_) => {
            let text = format_args!("{at}.checker must be \"exact\", \"trailing_space\", \"tokens\" or \"floats\"");
            return Err(ClaimError::malformed(text));
        }
    };
    Ok(Expect { stdout, checker })
}
