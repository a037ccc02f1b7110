//! The Python package: its wheel is built, installed where nothing else is, and tested there.

use std::fs;
use std::path::PathBuf;

use crate::python::{self, interpreter, make_environment, pip_install};
use crate::report::Failure;
use crate::workspace::{Workspace, run};

/// Builds the wheel and installs it into [`ENVIRONMENT`], which is made if it is not there.
pub(crate) fn build_and_install(workspace: &Workspace) -> Result<String, Failure> {
    let wheel = build(workspace, WHEELS, &[])?;
    build_service(workspace)?;
    if is_ready(workspace) {
        pip_install(workspace, ENVIRONMENT, &["--force-reinstall", "--no-deps", &wheel])?;
    } else {
        install_into_new_environment(workspace, &wheel)?;
    }
    Ok(format!("installed {wheel} into {ENVIRONMENT}"))
}

/// The step of `test`: the wheel brings what it needs into an empty environment, and its tests pass there.
pub(crate) fn works_where_it_is_installed(workspace: &Workspace) -> Result<String, Failure> {
    let wheel = build(workspace, WHEELS, &[])?;
    build_service(workspace)?;
    install_into_new_environment(workspace, &wheel)?;
    let mut pytest = workspace.command(interpreter(workspace, ENVIRONMENT));
    run(pytest.args(["-m", "pytest", TESTS]))?;
    Ok(String::new())
}

/// The tests of sessions in a store, on the databases that the wheel of most users is without. Built without optimization,
/// for most of it has been compiled so by the tests of the stores.
pub(crate) fn works_with_every_store(workspace: &Workspace) -> Result<String, Failure> {
    let wheel = build(workspace, FULL_WHEELS, &["--profile", "dev", "--features", "full"])?;
    if !is_ready(workspace) {
        install_into_new_environment(workspace, &wheel)?;
    }
    let _ = fs::remove_dir_all(workspace.path(FULL));
    pip_install(workspace, ENVIRONMENT, &["--target", FULL, "--no-deps", &wheel])?;
    let mut pytest = workspace.command(interpreter(workspace, ENVIRONMENT));
    pytest.env("PYTHONPATH", workspace.path(FULL)).args(["-m", "pytest", "--stores", DATABASES]);
    run(pytest.args(STORE_TESTS.map(|test| format!("{TESTS}/{test}"))))?;
    Ok(format!("on {DATABASES}"))
}

/// The path of the wheel, from the root; it is the only one in `place`.
fn build(workspace: &Workspace, place: &str, options: &[&str]) -> Result<String, Failure> {
    if fs::read_to_string(workspace.path(TOOLS_STAMP)).ok() != fs::read_to_string(workspace.path(TOOLS)).ok()
    {
        make_environment(workspace, TOOLS_ENVIRONMENT)?;
        pip_install(workspace, TOOLS_ENVIRONMENT, &["--requirement", TOOLS])?;
        stamp(workspace, TOOLS_STAMP, &[TOOLS])?;
    }
    // One wheel must be found in the end.
    let _ = fs::remove_dir_all(workspace.path(place));
    let mut maturin = workspace.command(workspace.path(TOOLS_ENVIRONMENT).join("bin/maturin"));
    maturin.args(["build", "--quiet", "--manifest-path", MANIFEST, "--out", place]).args(options);
    run(maturin.arg("--interpreter").arg(interpreter(workspace, TOOLS_ENVIRONMENT)))?;
    let built = fs::read_dir(workspace.path(place)).into_iter().flatten().flatten();
    let name = built
        .map(|file| PathBuf::from(file.file_name()))
        .find(|name| name.extension().is_some_and(|extension| extension == "whl"));
    name.map(|name| format!("{place}/{}", name.display()))
        .ok_or_else(|| Failure::new(format!("maturin left no wheel in {place}")))
}

/// What the tests of the wheel run beside Flask, with the features that the tests of the stores have built.
fn build_service(workspace: &Workspace) -> Result<(), Failure> {
    run(&mut workspace.cargo("build --quiet --package hipflask --all-features --example beside_flask"))
}

/// First the wheel with what it asks for, so that something it forgot to ask for is noticed; then what its tests need.
fn install_into_new_environment(workspace: &Workspace, wheel: &str) -> Result<(), Failure> {
    let _ = fs::remove_file(workspace.path(STAMP));
    make_environment(workspace, ENVIRONMENT)?;
    pip_install(workspace, ENVIRONMENT, &[wheel])?;
    run(workspace.command(interpreter(workspace, ENVIRONMENT)).args([
        "-W",
        "error",
        "-c",
        "import hipflask",
    ]))?;
    pip_install(
        workspace,
        ENVIRONMENT,
        &["--requirement", python::REQUIREMENTS, "--requirement", TEST_REQUIREMENTS],
    )?;
    stamp(workspace, STAMP, &[python::REQUIREMENTS, TEST_REQUIREMENTS])
}

fn is_ready(workspace: &Workspace) -> bool {
    let wanted = lists(workspace, &[python::REQUIREMENTS, TEST_REQUIREMENTS]);
    fs::read_to_string(workspace.path(STAMP)).is_ok_and(|installed| installed == wanted)
}

fn stamp(workspace: &Workspace, stamp: &str, files: &[&str]) -> Result<(), Failure> {
    fs::write(workspace.path(stamp), lists(workspace, files))
        .map_err(|error| Failure::new(format!("{stamp} cannot be written: {error}")))
}

fn lists(workspace: &Workspace, files: &[&str]) -> String {
    files.iter().map(|file| fs::read_to_string(workspace.path(file)).unwrap_or_default()).collect()
}

/// Where the tests of the wheel run.
const ENVIRONMENT: &str = "target/wheel-venv";
const STAMP: &str = "target/wheel-venv/installed.txt";
const TOOLS_ENVIRONMENT: &str = "target/wheel-tools-venv";
const TOOLS_STAMP: &str = "target/wheel-tools-venv/installed.txt";
const WHEELS: &str = "target/wheels";
/// The wheel with every store, and where it is unpacked, to be found before the other.
const FULL_WHEELS: &str = "target/wheels-full";
const FULL: &str = "target/wheel-full";
const DATABASES: &str = "postgres,mariadb,mongodb,dynamodb";
const STORE_TESTS: [&str; 2] = ["test_stored_sessions.py", "test_stored_twins.py"];
const MANIFEST: &str = "crates/hipflask-python/Cargo.toml";
const TESTS: &str = "crates/hipflask-python/tests";
const TOOLS: &str = "xtask/python/wheel-tools.txt";
const TEST_REQUIREMENTS: &str = "xtask/python/wheel-tests.txt";
