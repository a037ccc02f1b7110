//! Subcommands of cargo that come from elsewhere: cargo-deny and cargo-hack.

use std::process::Command;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::workspace::{Workspace, read, run};

/// The step `dependencies`: licences, banned crates, sources and, where its database can be had, advisories.
pub(crate) fn dependencies_are_allowed(workspace: &Workspace) -> Result<String, Failure> {
    run(tool(workspace, "deny")?.args(["--workspace", "check", "licenses", "bans", "sources"]))?;
    // The database is a repository on a public forge, which not every machine reaches.
    if read(tool(workspace, "deny")?.args(["fetch", "db"])).is_err() {
        return Ok("advisories SKIPPED: their database cannot be fetched from here".to_owned());
    }
    run(tool(workspace, "deny")?.args(["--workspace", "check", "--disable-fetch", "advisories"]))?;
    Ok("advisories included".to_owned())
}

/// The step `each feature`: every feature builds without the others. Features that only pass the
/// name of a store on to hipflask-store are checked there.
pub(crate) fn each_feature_builds(workspace: &Workspace) -> Result<String, Failure> {
    check_features(workspace, &["hipflask-core", "hipflask-store"], &["--each-feature"])?;
    check_features(workspace, &["hipflask"], &["--each-feature", "--exclude-features", STORES])?;
    Ok("of hipflask, hipflask-store and hipflask-core".to_owned())
}

/// The step of `full`: every feature and every pair of features builds, in all crates.
pub(crate) fn each_pair_of_features_builds(workspace: &Workspace) -> Result<String, Failure> {
    let packages = ["hipflask-core", "hipflask-store", "hipflask", "hipflask-cli"];
    check_features(workspace, &packages, &["--feature-powerset", "--depth", "2"])?;
    Ok(packages.join(", "))
}

fn check_features(workspace: &Workspace, packages: &[&str], which: &[&str]) -> Result<(), Failure> {
    let mut hack = tool(workspace, "hack")?;
    hack.args(["check", "--quiet"]);
    hack.args(packages.iter().flat_map(|package| ["--package", package]));
    run(hack.args(which))
}

/// The subcommand `name`: the one on the machine if there is one, otherwise the one in [`ENVIRONMENT`].
fn tool(workspace: &Workspace, name: &str) -> Result<Command, Failure> {
    let program = format!("cargo-{name}");
    let of_machine = || {
        let mut command = workspace.command(&program);
        command.arg(name);
        command
    };
    if read(of_machine().arg("--version")).is_ok() {
        return Ok(of_machine());
    }
    ENVIRONMENT.ensure(workspace)?;
    let mut command = workspace.command(ENVIRONMENT.program(workspace, &program));
    command.arg(name);
    Ok(command)
}

const STORES: &str = "dynamodb,file,memcached,mongodb,mysql,postgres,redis,redis-tls,sqlite";
const ENVIRONMENT: Environment<'static> =
    Environment { folder: "target/cargo-tools-venv", lists: &["xtask/python/cargo-tools.txt"] };
