//! Jobs that are compiled first, in the profiles of examples/profiles/c-and-cpp.toml.

use tester_worker::domain::content::Content;
use tester_worker::domain::evidence::MemoryPeakSource;
use tester_worker::domain::limits::LimitsPatch;
use tester_worker::domain::verdict::{LimitHit, Status};
use tester_worker::protocol::job_writer::{CaseClaims, CheckerName, ExpectClaims};

use crate::job::Job;

fn c(code: &str) -> Job {
    Job::of("c").file("main.c", code)
}

const DOUBLE: &str = r#"
#include <stdio.h>
int main(void) { int n; if (scanf("%d", &n) != 1) return 3; printf("%d\n", 2 * n); return 0; }"#;

#[test]
fn a_c_program_is_compiled_and_run_and_the_compiler_has_a_record_of_its_own() {
    let ran = c(DOUBLE).stdin(*b"21").run();
    assert_eq!(ran.printed(), "42\n");
    let compile = ran.0.outcome.compile.as_ref().unwrap();
    assert_eq!((compile.status, compile.exit_code), (Status::Ok, Some(0)));
    assert!(compile.usage.unwrap().cpu_seconds > 0.0 && compile.evidence.is_some(), "{compile:?}");
}

#[test]
fn a_cpp_program_with_its_own_headers_is_compiled_and_run() {
    let main = "#include <iostream>\n#include <map>\n#include \"lib/twice.hpp\"\n\
        int main() { std::map<int, int> m{{1, twice(4)}}; std::cout << m[1] << std::endl; }";
    let ran = Job::of("cpp")
        .file("main.cpp", main)
        .file("lib/twice.hpp", "#pragma once\ninline int twice(int n) { return 2 * n; }")
        .run();
    assert_eq!(ran.printed(), "8\n");
}

#[test]
fn a_program_that_does_not_compile_is_a_compile_error_with_the_compilers_words() {
    let ran = c("int main(void) { return undeclared; }").run();
    assert_eq!((ran.status(), ran.limit(), ran.exit()), (Status::CompileError, None, (Some(1), None)));
    let compile = ran.0.outcome.compile.as_ref().unwrap();
    let said = String::from_utf8_lossy(compile.stderr.content.as_bytes()).into_owned();
    assert!(said.contains("main.c:1:") && said.contains("undeclared"), "{said}");
    assert_eq!(ran.stderr(), said);
}

#[test]
fn a_compiler_that_meets_a_limit_is_a_compile_error_that_names_it() {
    // A source that includes itself without a guard, many times over, keeps the preprocessor busy for minutes.
    let endless = "#if __INCLUDE_LEVEL__ < 190\n#include \"main.c\"\n#include \"main.c\"\n#endif\n\
        #if __INCLUDE_LEVEL__ == 0\nint main(void) { return 0; }\n#endif";
    let mut job = c(endless);
    job.profile().compile_limits.wall_seconds = Some(1.0);
    let ran = job.run();
    assert_eq!((ran.status(), ran.limit()), (Status::CompileError, Some(LimitHit::Wall)));
    assert_eq!(ran.0.outcome.compile.as_ref().unwrap().status, Status::CompileError);
}

#[test]
fn a_program_that_does_not_fit_its_scratch_folder_is_a_compile_error_that_says_so() {
    // A static program of gcc takes some 800 kB.
    let mut job = c("int main(void) { return 0; }").limit("scratch_bytes", 100_000.0);
    job.profile().compile = ["gcc", "-static", "-o", "program", "{entry}"].map(str::to_owned).to_vec();
    let ran = job.run();
    assert_eq!((ran.status(), ran.exit()), (Status::CompileError, (Some(0), None)));
    let text = ran.0.outcome.run.message.unwrap();
    assert!(text.contains("but the scratch folder of a run has") && text.contains("100000"), "{text}");
}

#[test]
fn a_jobs_limits_hold_for_its_program_and_not_for_the_compiler() {
    let ran = c("int main(void) { for (;;) ; }").limit("cpu_seconds", 0.05).run();
    assert_eq!((ran.status(), ran.limit()), (Status::TimeLimit, Some(LimitHit::Cpu)));
    assert_eq!(ran.0.outcome.compile.as_ref().unwrap().status, Status::Ok);
}

#[test]
fn a_job_is_compiled_once_and_each_case_starts_from_what_the_compiler_left_and_nothing_else() {
    // It counts how often it ran in this folder, and looks for the file of another case.
    let code = r#"
#include <stdio.h>
int main(void) {
    FILE *f = fopen("seen", "r"); puts(f ? "seen" : "fresh"); fclose(fopen("seen", "w")); fclose(fopen("/tmp/x", "w"));
    int n; if (scanf("%d", &n) == 1) printf("%d\n", n + 1);
    return 0;
}"#;
    let case = |name: &str, stdin: &str, stdout: &str| CaseClaims {
        name: name.to_owned(),
        stdin: Content::from(stdin),
        expect: Some(ExpectClaims {
            stdout: Content::from(stdout),
            checker: CheckerName::Exact,
            ..ExpectClaims::default()
        }),
        ..CaseClaims::default()
    };
    let mut job = c(code);
    let mut cases = vec![case("1", "1", "fresh\n2\n"), case("2", "2", "fresh\n3\n"), case("3", "3", "fresh\n5\n")];
    // Other memory than the others: the sandbox is changed, or exchanged.
    cases[1].limits = LimitsPatch { memory_bytes: Some(200_000_000), ..LimitsPatch::default() };
    job.draft.cases = cases;
    let outcome = job.run().0.outcome;
    let statuses: Vec<Status> = outcome.cases.iter().map(|case| case.run.status).collect();
    assert_eq!(statuses, [Status::Ok, Status::Ok, Status::WrongAnswer]);
    assert_eq!(outcome.compile.unwrap().status, Status::Ok);
    // What the compiler used is not said of the program.
    let evidence = outcome.cases[0].run.evidence.unwrap();
    assert_eq!(evidence.memory_peak_source, MemoryPeakSource::Rusage);
    assert!(outcome.cases[0].run.usage.unwrap().memory_peak_bytes < 8 << 20, "{:?}", outcome.cases[0].run.usage);
}

#[test]
fn a_compiler_that_makes_no_program_blames_the_job_and_one_that_is_missing_blames_the_profile() {
    let mut job = c(DOUBLE);
    job.profile().compile = vec!["gcc".to_owned(), "-fsyntax-only".to_owned(), "{entry}".to_owned()];
    let ran = job.run();
    assert_eq!((ran.status(), ran.exit()), (Status::RuntimeError, (Some(127), None)));
    job.profile().compile = vec!["no-such-compiler".to_owned()];
    assert!(job.try_run().unwrap_err().to_string().contains("no-such-compiler"));
}

#[test]
fn what_a_compiler_starts_in_the_background_is_gone_before_the_program_runs() {
    let mut job =
        Job::of("python").file("main.py", "import os\nprint(sorted(os.listdir('/box'), key=len), os.listdir('/tmp'))");
    let shell = "sleep 1000 & echo 1 >/tmp/left; echo compiled >made";
    job.profile().compile = ["sh", "-c", shell].map(str::to_owned).to_vec();
    let ran = job.run();
    assert_eq!(ran.printed(), "['made', 'main.py'] []\n");
    assert_eq!(ran.0.outcome.compile.as_ref().unwrap().evidence.unwrap().processes_killed, 1);
}

#[test]
fn a_compiler_that_leaves_more_than_can_be_carried_is_a_compile_error_that_says_how_much() {
    let mut job = Job::of("python").file("main.py", "").profile_limit("memory_bytes", 400_000_000);
    job.profile().compile = ["sh", "-c", "head -c 60000000 /dev/zero >big"].map(str::to_owned).to_vec();
    let ran = job.run();
    assert_eq!(ran.status(), Status::CompileError);
    let message = ran.0.outcome.run.message.clone().unwrap();
    assert!(message.contains("60000000"), "{message}");
}
