//! The commands of this workspace. `cargo xtask` alone lists them.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a person")]

mod book;
mod cargo_tools;
mod deb;
mod debian;
mod documents;
mod environment;
mod failure;
mod flask;
mod fuzz;
mod help;
mod mutants;
mod packages;
mod python;
mod release;
mod report;
mod rings;
mod rules;
mod shared_login;
mod steps;
mod tools;
mod wheel;
mod wire;
mod words;
mod workspace;

use std::process::ExitCode;

use failure::Failure;
use report::AfterFailure;
use workspace::Workspace;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let workspace = Workspace::find();
    match words.as_slice() {
        ["step", name] => run_step(name, &workspace),
        ["setup"] => finish(set_up(&workspace)),
        ["check", options @ ..] if is_keep_going(options) => run("check", steps::CHECK, options, &workspace),
        ["test", options @ ..] if is_keep_going(options) => run("test", steps::TEST, options, &workspace),
        ["full", options @ ..] if is_keep_going(options) => run("full", steps::FULL, options, &workspace),
        ["wheel"] => finish(install_wheel(&workspace, wheel::Choice::Pip)),
        ["wheel", "--abi3"] => finish(install_wheel(&workspace, wheel::Choice::Abi3)),
        ["release", "--dry-run"] => finish(release::dry_run(&workspace).map(|note| println!("{note}"))),
        ["words"] => finish(words::are_plain(&workspace).map(|note| println!("{note}"))),
        ["deb"] => finish(deb::build(&workspace).map(|note| println!("{note}"))),
        ["book"] => finish(book::build(&workspace).map(|note| println!("{note}"))),
        ["release"] => {
            misuse(Some("`cargo xtask release` publishes nothing itself and needs --dry-run".into()))
        }
        ["shared-login"] => finish(shared_login::serve(&workspace, shared_login::Half::Axum)),
        ["shared-login", "--actix"] => finish(shared_login::serve(&workspace, shared_login::Half::Actix)),
        ["wire"] => finish(wire::record(&workspace).map(|note| println!("{note}"))),
        ["help" | "--help" | "-h"] => {
            println!("{}", help::text());
            ExitCode::SUCCESS
        }
        [command, "--help" | "-h"] if help::knows(command) => {
            println!("{}", help::of(command));
            ExitCode::SUCCESS
        }
        [] => misuse(None),
        [command, rest @ ..] => misuse(Some(help::complaint(command, rest))),
    }
}

/// Returns `true` if `options` are none or `--keep-going`.
fn is_keep_going(options: &[&str]) -> bool {
    matches!(options, [] | ["--keep-going"])
}

fn run(command: &str, steps: &[report::Step], options: &[&str], workspace: &Workspace) -> ExitCode {
    let after_failure = if options.is_empty() { AfterFailure::Stop } else { AfterFailure::Continue };
    report::run_steps(command, steps, after_failure, workspace)
}

/// Runs the only step of `test` or `full` whose name contains `name`.
fn run_step(name: &str, workspace: &Workspace) -> ExitCode {
    let all = || steps::TEST.iter().chain(steps::FULL);
    let found: Vec<&report::Step> = all().filter(|step| step.name.contains(name)).collect();
    match found.iter().find(|step| step.name == name).or(found.first()) {
        Some(step) if found.len() == 1 || step.name == name => {
            finish((step.run)(workspace).map(|note| println!("{}: ok {note}", step.name)))
        }
        Some(_) => misuse(Some(format!("`{name}` is in the names of: {}", names(found.into_iter())))),
        None => misuse(Some(format!("`{name}` is in no name of a step: {}", names(all())))),
    }
}

fn names<'s>(steps: impl Iterator<Item = &'s report::Step>) -> String {
    steps.map(|step| step.name).collect::<Vec<_>>().join("; ")
}

/// Installs what `test` needs in addition to Rust.
fn set_up(workspace: &Workspace) -> Result<(), Failure> {
    println!("{}", flask::setup(workspace)?);
    tools::setup(workspace)?;
    println!("browser, servers, compiler and valgrind are installed");
    Ok(())
}

fn install_wheel(workspace: &Workspace, choice: wheel::Choice) -> Result<(), Failure> {
    println!("{}", wheel::build_and_install(workspace, choice)?);
    Ok(())
}

fn finish(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\n{failure}");
            ExitCode::FAILURE
        }
    }
}

fn misuse(complaint: Option<String>) -> ExitCode {
    if let Some(complaint) = complaint {
        eprintln!("{complaint}\n");
    }
    eprintln!("{}", help::text());
    ExitCode::from(2)
}
