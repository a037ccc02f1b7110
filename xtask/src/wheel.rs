//! The Python package: its wheels are built, installed where nothing else is, and tested there.

use std::fs;

use crate::failure::Failure;
use crate::python::{self, interpreter, make_environment, pip_install};
use crate::workspace::{Workspace, read, run};

/// Which of the two wheels is installed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Choice {
    /// What pip takes if it has both: the one for this very Python.
    Pip,
    /// The one for every CPython from 3.9 on.
    Abi3,
}

/// Builds both wheels and installs one of them into [`ENVIRONMENT`], which is made if it is not there.
pub(crate) fn build_and_install(workspace: &Workspace, choice: Choice) -> Result<String, Failure> {
    let wheels = build_both(workspace)?;
    build_service(workspace)?;
    if !is_ready(workspace) {
        install_into_new_environment(workspace, &wheels.abi3)?;
    }
    let installed = install(workspace, &wheels, choice)?;
    Ok(format!(
        "built {}, for every CPython from 3.9 on,\n  and {}, for this Python alone, which pip prefers\n\
         installed {installed} into {ENVIRONMENT}",
        wheels.abi3, wheels.own
    ))
}

/// The step of `test`: each wheel brings what it needs into an empty environment, and its tests pass there. The wheel that pip
/// chooses runs all of them, and the other those of [`WHERE_WHEELS_DIFFER`]: only how Python's objects are read and made is not
/// the same code in both.
pub(crate) fn works_where_it_is_installed(workspace: &Workspace) -> Result<String, Failure> {
    let wheels = build_both(workspace)?;
    build_service(workspace)?;
    install_into_new_environment(workspace, &wheels.abi3)?;
    // The one that pip chooses comes last, and stays for whoever uses the environment next.
    for choice in [Choice::Abi3, Choice::Pip] {
        install(workspace, &wheels, choice)?;
        let tests: Vec<String> = match choice {
            Choice::Abi3 => WHERE_WHEELS_DIFFER.iter().map(|test| format!("{TESTS}/{test}")).collect(),
            Choice::Pip => vec![TESTS.to_owned()],
        };
        let mut pytest = workspace.command(interpreter(workspace, ENVIRONMENT));
        run(pytest.args(["-m", "pytest"]).args(tests))?;
    }
    Ok("both wheels".to_owned())
}

/// The tests of sessions in a store, on the databases that the wheel of most users is without, and of panics in every entry
/// point, which no other wheel can plant. Built without optimization, for most of it has been compiled so by the tests of the
/// stores.
pub(crate) fn works_with_every_store(workspace: &Workspace) -> Result<String, Failure> {
    let _ = fs::remove_dir_all(workspace.path(FULL_WHEELS));
    build(workspace, FULL_WHEELS, &["--profile", "dev", "--features", "full,planted-panics"])?;
    let wheel = wheels_in(workspace, FULL_WHEELS)
        .pop()
        .ok_or_else(|| Failure::new(format!("maturin left no wheel in {FULL_WHEELS}")))?;
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

/// A step of `full`: real servers are loaded, reloaded and killed, and no update is lost.
pub(crate) fn serves_under_load(workspace: &Workspace) -> Result<String, Failure> {
    build_and_install(workspace, Choice::Pip)?;
    run(workspace.command(interpreter(workspace, ENVIRONMENT)).arg(MATRIX))?;
    Ok("no update lost".to_owned())
}

/// A step of `full`: the twins, the odd values and the races on each Python that this machine has, with the newest packages
/// there.
pub(crate) fn works_on_every_python(workspace: &Workspace) -> Result<String, Failure> {
    let wheel = build_both(workspace)?.abi3;
    let pythons = python::all(workspace);
    for (version, program) in &pythons {
        let place = format!("{ENVIRONMENT}-{version}");
        run(workspace.command(program).args(["-m", "venv", "--clear"]).arg(workspace.path(&place)))?;
        pip_install(workspace, &place, &[&[wheel.as_str()], ON_EVERY_PYTHON].concat())?;
        let mut pytest = workspace.command(interpreter(workspace, &place));
        pytest.env("HIPFLASK_TWINS", "100").args(["-m", "pytest"]);
        run(pytest.args(QUICK_TESTS.map(|test| format!("{TESTS}/{test}"))))?;
    }
    let versions: Vec<_> = pythons.into_keys().collect();
    Ok(format!("Python {}", versions.join(", ")))
}

/// The paths of the two wheels, from the root.
#[derive(Debug)]
struct Wheels {
    abi3: String,
    /// For the Python that built it, and no other.
    own: String,
}

/// What both have in common is compiled once.
fn build_both(workspace: &Workspace) -> Result<Wheels, Failure> {
    // pip must find these two there, and no older one.
    let _ = fs::remove_dir_all(workspace.path(WHEELS));
    build(workspace, WHEELS, &[])?;
    build(workspace, WHEELS, &["--no-default-features"])?;
    let (abi3, own): (Vec<_>, Vec<_>) =
        wheels_in(workspace, WHEELS).into_iter().partition(|wheel| wheel.contains("-abi3-"));
    match (abi3.as_slice(), own.as_slice()) {
        ([abi3], [own]) => Ok(Wheels { abi3: abi3.clone(), own: own.clone() }),
        _ => Err(Failure::new(format!(
            "{WHEELS} should hold one wheel for abi3 and one without: {abi3:?}, {own:?}"
        ))),
    }
}

/// Puts the chosen wheel in the place of the one that is installed, and sees that it is this one.
fn install(workspace: &Workspace, wheels: &Wheels, choice: Choice) -> Result<String, Failure> {
    let (wanted, mut what) = match choice {
        Choice::Pip => (&wheels.own, vec!["--no-index", "--find-links", WHEELS, "hipflask"]),
        Choice::Abi3 => (&wheels.abi3, vec![wheels.abi3.as_str()]),
    };
    what.extend(["--force-reinstall", "--no-deps"]);
    pip_install(workspace, ENVIRONMENT, &what)?;
    let tag = read(workspace.command(interpreter(workspace, ENVIRONMENT)).args(["-c", PRINT_TAG]))?;
    if wanted.contains(&format!("-{}-", tag.trim())) {
        return Ok(wanted.clone());
    }
    Err(Failure::new(format!("{wanted} was to be installed, but pip took the wheel for {}", tag.trim())))
}

/// Adds a wheel to those in `place`.
fn build(workspace: &Workspace, place: &str, options: &[&str]) -> Result<(), Failure> {
    if fs::read_to_string(workspace.path(TOOLS_STAMP)).ok() != fs::read_to_string(workspace.path(TOOLS)).ok()
    {
        make_environment(workspace, TOOLS_ENVIRONMENT)?;
        pip_install(workspace, TOOLS_ENVIRONMENT, &["--requirement", TOOLS])?;
        stamp(workspace, TOOLS_STAMP, &[TOOLS])?;
    }
    let mut maturin = workspace.command(workspace.path(TOOLS_ENVIRONMENT).join("bin/maturin"));
    maturin.args(["build", "--quiet", "--manifest-path", MANIFEST, "--out", place]).args(options);
    run(maturin.arg("--interpreter").arg(interpreter(workspace, TOOLS_ENVIRONMENT)))
}

/// Their paths, from the root.
fn wheels_in(workspace: &Workspace, place: &str) -> Vec<String> {
    let files = fs::read_dir(workspace.path(place)).into_iter().flatten().flatten();
    let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".whl")).map(|name| format!("{place}/{name}")).collect()
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
/// For which Python and which of its interfaces the installed wheel was built: `cp311-cp311`.
const PRINT_TAG: &str = "import email, importlib.metadata
wheel = email.message_from_string(importlib.metadata.distribution('hipflask').read_text('WHEEL'))
print(wheel['Tag'].rpartition('-')[0])";
/// The wheel with every store, and where it is unpacked, to be found before the other.
const FULL_WHEELS: &str = "target/wheels-full";
const FULL: &str = "target/wheel-full";
const DATABASES: &str = "postgres,mariadb,mongodb,dynamodb";
const STORE_TESTS: [&str; 4] =
    ["test_flask_session_facts.py", "test_panics.py", "test_stored_sessions.py", "test_stored_twins.py"];
const WHERE_WHEELS_DIFFER: [&str; 9] = [
    "test_beside_rust.py",
    "test_convert.py",
    "test_cookie_sessions.py",
    "test_hypothesis_twins.py",
    "test_itsdangerous.py",
    "test_odd_values.py",
    "test_package.py",
    "test_panics.py",
    "test_stored_twins.py",
];
const MATRIX: &str = "bench/python/matrix.py";
const QUICK_TESTS: [&str; 3] = ["test_hypothesis_twins.py", "test_odd_values.py", "test_races.py"];
/// What those tests import, without versions: no one version of some of them is for every Python.
const ON_EVERY_PYTHON: &[&str] = &[
    "Flask-Session",
    "Flask-SQLAlchemy",
    "boto3",
    "cachelib",
    "freezegun",
    "hypothesis",
    "pymemcache",
    "pymongo",
    "pytest",
    "redis",
];
const MANIFEST: &str = "crates/hipflask-python/Cargo.toml";
const TESTS: &str = "crates/hipflask-python/tests";
const TOOLS: &str = "xtask/python/wheel-tools.txt";
const TEST_REQUIREMENTS: &str = "xtask/python/wheel-tests.txt";
