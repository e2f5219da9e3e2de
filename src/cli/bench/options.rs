//! The options of `bench`.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, printed as they are")]

use std::path::PathBuf;

use clap::Args;

use super::programs::Program;

/// `bench`
#[derive(Debug, Args)]
pub struct Bench {
    /// What to run (repeatable)
    #[arg(long = "program", value_name = "NAME", value_enum, default_values_t = [Program::Print, Program::Pytest, Program::Cases])]
    pub programs: Vec<Program>,
    /// Clients at once, one row of the report for each number
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [1, 2, 4, 8], value_parser = clients)]
    pub clients: Vec<usize>,
    /// Jobs of each row
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = jobs)]
    pub jobs: usize,
    /// Class of the jobs: the queue they go to
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub class: String,
    /// How long to wait for one result
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout_seconds: u64,
    /// The sender's Ed25519 key, PKCS#8 PEM [default: HS256 with WORKER_AUTH_TOKEN]
    #[arg(long, value_name = "FILE", requires = "kid")]
    pub key_file: Option<PathBuf>,
    /// `kid` of the sender's key
    #[arg(long, value_name = "KID", requires = "key_file")]
    pub kid: Option<String>,
    /// Who sends the jobs (`iss`) [default: the key's kid, or `submit` with the shared token]
    #[arg(long, value_name = "NAME")]
    pub iss: Option<String>,
    /// JWKS file with the workers' public keys [default: HS256 with WORKER_AUTH_TOKEN]
    #[arg(long, value_name = "FILE")]
    pub results_jwks: Option<PathBuf>,
    /// Print the report on stdout as one JSON document
    #[arg(long)]
    pub json: bool,
}

fn clients(text: &str) -> Result<usize, String> {
    whole(text, 256)
}

fn jobs(text: &str) -> Result<usize, String> {
    whole(text, 1_000_000)
}

fn whole(text: &str, most: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("it must be a whole number of 1 to {most}"))
}
