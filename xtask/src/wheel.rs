//! Builds the wheels of the Python package, installs them into an empty environment and tests them there.

use std::fs;
use std::process::Command;

use crate::debian::{self, UnpackedPython};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::flask;
use crate::python;
use crate::workspace::{Workspace, read, run};

/// Which of the two wheels is installed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Choice {
    /// The one for this very Python, which pip prefers.
    Pip,
    /// The one for every CPython from 3.9 on.
    Abi3,
}

/// Builds both wheels and installs one of them into [`ENVIRONMENT`], which it creates if it is missing.
pub(crate) fn build_and_install(workspace: &Workspace, choice: Choice) -> Result<String, Failure> {
    let wheels = build_both(workspace)?;
    build_service(workspace)?;
    if !ENVIRONMENT.is_ready(workspace) {
        install_into_new_environment(workspace, &wheels.abi3)?;
    }
    let installed = install(workspace, &wheels, choice)?;
    Ok(format!(
        "built {}, for every CPython from 3.9 on,\n  and {}, for this Python alone, which pip prefers\n\
         installed {installed} into {}",
        wheels.abi3, wheels.own, ENVIRONMENT.folder
    ))
}

/// The step of `test`: each wheel installs what it needs into an empty environment, and its tests pass there.
///
/// The wheel that pip chooses runs all of them, and the other those of [`WHERE_WHEELS_DIFFER`]:
/// only the code that reads and creates Python's objects differs.
pub(crate) fn works_where_it_is_installed(workspace: &Workspace) -> Result<String, Failure> {
    let wheels = build_both(workspace)?;
    build_service(workspace)?;
    install_into_new_environment(workspace, &wheels.abi3)?;
    // The one that pip chooses is last and stays installed, for benches and other steps.
    for choice in [Choice::Abi3, Choice::Pip] {
        install(workspace, &wheels, choice)?;
        let tests: Vec<String> = match choice {
            Choice::Abi3 => WHERE_WHEELS_DIFFER.iter().map(|test| format!("{TESTS}/{test}")).collect(),
            Choice::Pip => vec![TESTS.to_owned()],
        };
        let mut pytest = ENVIRONMENT.python(workspace);
        run(pytest.args(["-m", "pytest"]).args(tests))?;
    }
    Ok("both wheels".to_owned())
}

/// Tests sessions in the databases that are not in the default wheel, and panics in every entry
/// point, which no other wheel can plant.
///
/// This wheel is not optimized: the tests of the stores have already compiled most of it that way.
pub(crate) fn works_with_every_store(workspace: &Workspace) -> Result<String, Failure> {
    let _ = fs::remove_dir_all(workspace.path(FULL_WHEELS));
    build(workspace, FULL_WHEELS, &["--profile", "dev", "--features", "full,planted-panics"])?;
    let wheel = wheels_in(workspace, FULL_WHEELS)
        .pop()
        .ok_or_else(|| Failure::new(format!("maturin left no wheel in {FULL_WHEELS}")))?;
    if !ENVIRONMENT.is_ready(workspace) {
        install_into_new_environment(workspace, &wheel)?;
    }
    let _ = fs::remove_dir_all(workspace.path(FULL));
    ENVIRONMENT.pip_install(workspace, &["--target", FULL, "--no-deps", &wheel])?;
    let mut pytest = ENVIRONMENT.python(workspace);
    pytest.env("PYTHONPATH", workspace.path(FULL)).args(["-m", "pytest", "--stores", DATABASES]);
    run(pytest.args(STORE_TESTS.map(|test| format!("{TESTS}/{test}"))))?;
    Ok(format!("on {DATABASES}"))
}

/// Builds the wheels and the source distribution of a release, for every Linux since 2014, and
/// returns their paths.
pub(crate) fn for_release(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    RELEASE_TOOLS.ensure(workspace)?;
    let _ = fs::remove_dir_all(workspace.path(RELEASE));
    for options in [&[][..], &["--no-default-features"]] {
        let mut maturin = release_maturin(workspace, "build")?;
        maturin.args(["--quiet", "--compatibility", "manylinux2014", "--zig", "--interpreter"]);
        run(maturin.arg(RELEASE_TOOLS.program(workspace, "python")).args(options))?;
    }
    run(&mut release_maturin(workspace, "sdist")?)?;
    let files = files_in(workspace, RELEASE);
    for file in &files {
        let size = fs::metadata(workspace.path(file)).map_or(0, |file| file.len());
        println!("{file}: {:.2} MB", size as f64 / 1e6);
        if file.ends_with(".whl") && size > WHEEL_SIZE {
            return Err(Failure::new(format!("{file} is larger than {:.1} MB", WHEEL_SIZE as f64 / 1e6)));
        }
    }
    Ok(files)
}

/// The Zig linker is found on `PATH`.
fn release_maturin(workspace: &Workspace, command: &str) -> Result<Command, Failure> {
    let tools = workspace.path(RELEASE_TOOLS.folder).join("bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tools.clone()).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders)
        .map_err(|error| Failure::new(format!("PATH cannot be extended: {error}")))?;
    let mut maturin = workspace.command(tools.join("maturin"));
    maturin.env("PATH", path).args([command, "--manifest-path", MANIFEST, "--out", RELEASE]);
    Ok(maturin)
}

/// A step of `full`: loads, reloads and kills real servers, and counts lost updates.
pub(crate) fn serves_under_load(workspace: &Workspace) -> Result<String, Failure> {
    build_and_install(workspace, Choice::Pip)?;
    run(ENVIRONMENT.python(workspace).arg(MATRIX))?;
    Ok("no update lost".to_owned())
}

/// A step of `full`: the twins, the odd values and the races on each Python of this machine, with
/// the newest packages for it.
pub(crate) fn works_on_every_python(workspace: &Workspace) -> Result<String, Failure> {
    let wheel = build_both(workspace)?.abi3;
    let pythons = python::all(workspace);
    for (version, program) in &pythons {
        let folder = format!("{}-{version}", ENVIRONMENT.folder);
        let environment = Environment { folder: &folder, lists: &[] };
        environment.create_with(workspace, program)?;
        environment.pip_install(workspace, &[&[wheel.as_str()], ON_EVERY_PYTHON].concat())?;
        run(quick_tests(&mut environment.python(workspace)))?;
    }
    let mut tested: Vec<_> = pythons.into_keys().collect();
    for suite in debian::SUITES {
        tested.push(match UnpackedPython::of_suite(workspace, suite) {
            Ok(python) => works_on_unpacked(workspace, &wheel, suite, &python)?,
            Err(failure) => format!("{suite} SKIPPED ({failure})"),
        });
    }
    Ok(format!("Python {}", tested.join(", ")))
}

/// The packages come from pip of another Python, which takes their wheels for this one.
fn works_on_unpacked(
    workspace: &Workspace,
    wheel: &str,
    suite: &str,
    python: &UnpackedPython,
) -> Result<String, Failure> {
    let site = format!("target/debian/{suite}/site");
    let _ = fs::remove_dir_all(workspace.path(&site));
    let choice = ["--target", &site, "--only-binary=:all:", "--python-version", &python.version, wheel];
    TOOLS.pip_install(workspace, &[&choice[..], ON_EVERY_PYTHON].concat())?;
    run(quick_tests(&mut python.command(workspace, &workspace.path(&site))))?;
    Ok(format!("{} of Debian {suite}", python.version))
}

fn quick_tests(python: &mut Command) -> &mut Command {
    python.env("HIPFLASK_TWINS", "100").args(["-m", "pytest"]);
    python.args(QUICK_TESTS.map(|test| format!("{TESTS}/{test}")))
}

/// The paths of the two wheels, from the root.
#[derive(Debug)]
struct Wheels {
    abi3: String,
    /// For the Python that built it, and no other.
    own: String,
}

/// Builds both after each other, so that the crates that they share are compiled once.
fn build_both(workspace: &Workspace) -> Result<Wheels, Failure> {
    // pip must find only these two in the folder.
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

/// Replaces the installed wheel by the chosen one, and checks that pip took it.
fn install(workspace: &Workspace, wheels: &Wheels, choice: Choice) -> Result<String, Failure> {
    let (wanted, mut what) = match choice {
        Choice::Pip => (&wheels.own, vec!["--no-index", "--find-links", WHEELS, "hipflask"]),
        Choice::Abi3 => (&wheels.abi3, vec![wheels.abi3.as_str()]),
    };
    what.extend(["--force-reinstall", "--no-deps"]);
    ENVIRONMENT.pip_install(workspace, &what)?;
    let tag = read(ENVIRONMENT.python(workspace).args(["-c", PRINT_TAG]))?;
    if wanted.contains(&format!("-{}-", tag.trim())) {
        return Ok(wanted.clone());
    }
    Err(Failure::new(format!("{wanted} was to be installed, but pip took the wheel for {}", tag.trim())))
}

/// Adds a wheel to those in `folder`.
fn build(workspace: &Workspace, folder: &str, options: &[&str]) -> Result<(), Failure> {
    TOOLS.ensure(workspace)?;
    let mut maturin = workspace.command(TOOLS.program(workspace, "maturin"));
    maturin.args(["build", "--quiet", "--manifest-path", MANIFEST, "--out", folder]).args(options);
    run(maturin.arg("--interpreter").arg(TOOLS.program(workspace, "python")))
}

fn wheels_in(workspace: &Workspace, folder: &str) -> Vec<String> {
    files_in(workspace, folder).into_iter().filter(|name| name.ends_with(".whl")).collect()
}

/// The paths of the files in `folder`, from the root.
fn files_in(workspace: &Workspace, folder: &str) -> Vec<String> {
    let files = fs::read_dir(workspace.path(folder)).into_iter().flatten().flatten();
    files.map(|file| format!("{folder}/{}", file.file_name().to_string_lossy())).collect()
}

/// Builds the Rust service that the tests run next to Flask, with the features that the tests of
/// the stores have built.
fn build_service(workspace: &Workspace) -> Result<(), Failure> {
    run(&mut workspace.cargo(
        "build --quiet -p hipflask-store -p hipflask -p hipflask-cli --all-features --example beside_flask",
    ))
}

/// Installs the wheel with its own requirements first, so that a missing one is noticed; then those
/// of its tests.
fn install_into_new_environment(workspace: &Workspace, wheel: &str) -> Result<(), Failure> {
    ENVIRONMENT.create(workspace)?;
    ENVIRONMENT.pip_install(workspace, &[wheel])?;
    run(ENVIRONMENT.python(workspace).args(["-W", "error", "-c", "import hipflask"]))?;
    ENVIRONMENT.install_lists(workspace)
}

/// The tests of the wheel run in this one.
const ENVIRONMENT: Environment<'static> = Environment {
    folder: "target/wheel-venv",
    lists: &[flask::REQUIREMENTS, "xtask/python/wheel-tests.txt"],
};
const TOOLS: Environment<'static> =
    Environment { folder: "target/wheel-tools-venv", lists: &["xtask/python/wheel-tools.txt"] };
const RELEASE_TOOLS: Environment<'static> =
    Environment { folder: "target/release-tools-venv", lists: &["xtask/python/release-tools.txt"] };
const RELEASE: &str = "target/release-wheels";
/// Bytes of a wheel in a release.
const WHEEL_SIZE: u64 = 3_500_000;
const WHEELS: &str = "target/wheels";
/// Prints the Python and the interface for which the installed wheel was built: `cp311-cp311`.
const PRINT_TAG: &str = "import email, importlib.metadata
wheel = email.message_from_string(importlib.metadata.distribution('hipflask').read_text('WHEEL'))
print(wheel['Tag'].rpartition('-')[0])";
/// The wheel with every store; it is unpacked into [`FULL`], which precedes the environment on the path.
const FULL_WHEELS: &str = "target/wheels-full";
const FULL: &str = "target/wheel-full";
const DATABASES: &str = "postgres,mariadb,mongodb,dynamodb";
const STORE_TESTS: [&str; 4] =
    ["test_flask_session_facts.py", "test_panics.py", "test_stored_sessions.py", "test_stored_twins.py"];
const WHERE_WHEELS_DIFFER: [&str; 9] = [
    "test_shared_with_rust.py",
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
/// The packages that those tests import, without versions: some have no version for every Python.
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
