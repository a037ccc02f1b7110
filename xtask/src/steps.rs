//! The steps of `check`, `test` and `full`. A new step is one entry in a list and a function.

use std::process::Command;

use crate::failure::Failure;
use crate::report::Step;
use crate::workspace::run;
use crate::{
    book, cargo_tools, deb, documents, flask, fuzz, mutants, packages, rings, rules, tools, wheel, words,
};

/// The quick steps, which need nothing but Rust.
pub(crate) const CHECK: &[Step] =
    &[FORMAT, LINTS, DOCS, DOCUMENTS, RULES, RINGS, WORDS, TESTS_WITHOUT_FLASK, DOC_TESTS_WITHOUT_STORES];

/// All steps that CI runs.
pub(crate) const TEST: &[Step] = &[
    FORMAT,
    SETUP,
    TOOLS,
    LINTS,
    DOCS,
    DOCUMENTS,
    RULES,
    RINGS,
    WORDS,
    DEPENDENCIES,
    RUST_VERSIONS,
    PACKAGES,
    BOOK,
    TESTS,
    TESTS_STOCK_ZLIB,
    TESTS_STORES,
    DOC_TESTS,
    PYTHON,
    PYTHON_STORES,
    FEATURES,
    MUTANTS,
    FUZZ,
    INSTRUCTIONS,
];

/// The long runs, which `test` leaves out or runs in a short form. They add to `test` and do not repeat it.
pub(crate) const FULL: &[Step] = &[
    SETUP,
    TOOLS,
    LONG_TESTS,
    LONG_FUZZ,
    STORE_MUTANTS,
    FEATURE_PAIRS,
    PACKAGES_ALONE,
    DEBIAN_PACKAGE,
    PYTHON_SERVERS,
    PYTHON_VERSIONS,
];

const FORMAT: Step = Step {
    name: "format",
    remedy: "run `cargo fmt --all` and look at what it changed",
    run: |workspace| {
        passes(&mut workspace.cargo("fmt --all --check"))?;
        passes(&mut workspace.cargo("fmt --manifest-path fuzz/Cargo.toml --check"))?;
        passes(&mut workspace.cargo("fmt --manifest-path wasm/Cargo.toml --check"))
    },
};

const SETUP: Step = Step {
    name: "setup",
    remedy: "read the lines above; then `cargo xtask setup` tries again",
    run: flask::setup,
};

const TOOLS: Step = Step {
    name: "programs",
    remedy: "read the lines above; then `cargo xtask setup` tries again",
    run: tools::setup,
};

const LINTS: Step = Step {
    name: "lints",
    remedy: "change what clippy names, or write `#[expect(lint, reason = \"..\")]` at the line",
    run: |workspace| {
        passes(&mut workspace.cargo("clippy --workspace --all-targets --all-features --quiet -- -D warnings"))
    },
};

const DOCS: Step = Step {
    name: "docs",
    remedy: "fix the doc comment that rustdoc names",
    run: |workspace| {
        let mut command = workspace.cargo("doc --workspace --no-deps --all-features --quiet");
        passes(command.env("RUSTDOCFLAGS", "-D warnings"))
    },
};

const BOOK: Step = Step { name: "book", remedy: "run it alone: `cargo xtask book`", run: book::build };

const DOCUMENTS: Step = Step {
    name: "documents",
    remedy: "fix the link, or name the test in the row of COMPATIBILITY.md",
    run: documents::check,
};

const RULES: Step = Step {
    name: "dependencies of core",
    remedy: "keep that crate out of hipflask-core: it decides with values and does no I/O (ARCHITECTURE.md)",
    run: rules::core_is_free_of_io,
};

const RUST_VERSIONS: Step = Step {
    name: "rust versions",
    remedy: "raise `rust-version` in the package's Cargo.toml and in its README",
    run: rules::rust_versions_are_true,
};

const RINGS: Step = Step {
    name: "rings of modules",
    remedy: "move what both need into a module below them (ARCHITECTURE.md)",
    run: rings::no_crate_has_one,
};

const WORDS: Step = Step {
    name: "plain English",
    remedy: "rewrite the sentence (CONTRIBUTING.md), or write `wording:` and the reason in a comment at the line",
    run: words::are_plain,
};

const DEPENDENCIES: Step = Step {
    name: "dependencies",
    remedy: "choose another crate, or change deny.toml if our users can live with it",
    run: cargo_tools::dependencies_are_allowed,
};

const PACKAGES: Step = Step {
    name: "packages",
    remedy: "run it alone: `cargo package --workspace --no-verify --allow-dirty`",
    run: packages::are_complete,
};

const PACKAGES_ALONE: Step = Step {
    name: "packages alone",
    remedy: "a package may use nothing outside its folder: see `exclude` in its Cargo.toml",
    run: packages::work_alone,
};

const DEBIAN_PACKAGE: Step = Step {
    name: "debian package",
    remedy: "run xtask/debian/installed.sh by hand: `chroot target/debian/bare sh -x /installed.sh`",
    run: deb::works_where_it_is_installed,
};

const TESTS: Step = Step {
    name: "tests",
    remedy: "run the failing test alone: `cargo test -p CRATE NAME_OF_THE_TEST`",
    run: |workspace| {
        // TESTS_STORES runs the three packages with stores, with all features and compiled once.
        passes(&mut workspace.cargo(
            "test --workspace --exclude hipflask-store --exclude hipflask --exclude hipflask-cli \
             --lib --bins --tests --examples --no-fail-fast",
        ))
    },
};

// Tests that talk to real Flask have `real_flask` in their names, those in a browser
// `real_browser`, those with servers `real_server`: see CONTRIBUTING.md.
const TESTS_WITHOUT_FLASK: Step = Step {
    name: "tests without Flask",
    remedy: TESTS.remedy,
    run: |workspace| {
        passes(
            &mut workspace
                .cargo("test --workspace --lib --bins --tests --quiet --no-fail-fast -- --skip real_flask --skip real_browser --skip real_server"),
        )
    },
};

const TESTS_STOCK_ZLIB: Step = Step {
    name: "tests, feature stock-zlib",
    remedy: "run it alone: `cargo test -p hipflask-core --features stock-zlib`",
    run: |workspace| {
        passes(
            &mut workspace.cargo("test -p hipflask-core --features stock-zlib --lib --tests --no-fail-fast"),
        )
    },
};

const TESTS_STORES: Step = Step {
    name: "tests, stores and web",
    remedy: "run it alone: `cargo test -p hipflask-store -p hipflask -p hipflask-cli --all-features NAME_OF_THE_TEST`",
    run: |workspace| {
        // Tests start these two as programs.
        passes(&mut workspace.cargo(
            "build -p hipflask-store -p hipflask -p hipflask-cli --all-features --quiet \
             --example shared_login --example shared_login_actix",
        ))?;
        passes(&mut workspace.cargo(
            "test -p hipflask-store -p hipflask -p hipflask-cli --all-features \
             --lib --bins --tests --examples --no-fail-fast",
        ))
    },
};

// Tests for `full` are ignored by default and their names begin with `long_`: see CONTRIBUTING.md.
const LONG_TESTS: Step = Step {
    name: "long tests",
    remedy: "run it alone: `cargo test -p CRATE --all-features -- --ignored NAME_OF_THE_TEST`",
    run: |workspace| {
        passes(&mut workspace.cargo(
            "test -p hipflask-core -p hipflask-store -p hipflask -p hipflask-cli --all-features --lib --bins --tests \
             --no-fail-fast -- --ignored --nocapture long_",
        ))
    },
};

const DOC_TESTS: Step = Step {
    name: "examples in docs",
    remedy: "run it alone: `cargo test --doc`",
    run: |workspace| {
        passes(&mut workspace.cargo("test -p hipflask-core -p hipflask-testkit --doc --quiet"))?;
        passes(&mut workspace.cargo("test -p hipflask-store -p hipflask --all-features --doc --quiet"))
    },
};

const DOC_TESTS_WITHOUT_STORES: Step =
    Step { run: |workspace| passes(&mut workspace.cargo("test --workspace --doc --quiet")), ..DOC_TESTS };

const PYTHON: Step = Step {
    name: "python package",
    remedy: "run it alone: `cargo xtask wheel`, with `--abi3` if pytest was testing that one, then `target/wheel-venv/bin/python -m pytest crates/hipflask-python/tests`",
    run: wheel::works_where_it_is_installed,
};

const PYTHON_STORES: Step = Step {
    name: "python package, every store",
    remedy: "run it alone: `cargo xtask step 'every store'`",
    run: wheel::works_with_every_store,
};

const PYTHON_SERVERS: Step = Step {
    name: "python package, servers under load",
    remedy: "run it alone: `cargo xtask wheel`, then `target/wheel-venv/bin/python bench/python/matrix.py`",
    run: wheel::serves_under_load,
};

const PYTHON_VERSIONS: Step = Step {
    name: "python package, other Pythons",
    remedy: "run it alone with the interpreter that failed: target/wheel-venv-VERSION/bin/python -m pytest",
    run: wheel::works_on_every_python,
};

const FEATURES: Step = Step {
    name: "each feature alone",
    remedy: "run the command that failed; a feature must build without the others",
    run: |workspace| {
        let packages = cargo_tools::each_feature_builds(workspace)?;
        // The lints see the package as it is for every Python. For a single one PyO3 must be shown which.
        let mut for_one_python =
            workspace.cargo("clippy --quiet -p hipflask-python --no-default-features -- -D warnings");
        passes(for_one_python.env("PYO3_PYTHON", flask::FLASK.program(workspace, "python")))?;
        Ok(packages)
    },
};

const FEATURE_PAIRS: Step = Step {
    name: "pairs of features",
    remedy: FEATURES.remedy,
    run: cargo_tools::each_pair_of_features_builds,
};

const INSTRUCTIONS: Step = Step {
    name: "instruction counts",
    remedy: "make it cheaper again, or accept it with a reason: see bench/README.md",
    run: |workspace| {
        tools::need(workspace, "valgrind")?;
        let mut gate = workspace
            .cargo("run --release --quiet --no-default-features --manifest-path bench/Cargo.toml -- gate");
        passes(gate.env("CARGO_TARGET_DIR", workspace.path("target/bench")))
    },
};

const MUTANTS: Step = Step {
    name: "mutants",
    remedy: "run it alone: `cargo xtask step mutants`",
    run: mutants::all_are_noticed,
};

const FUZZ: Step =
    Step { name: "fuzz", remedy: "run it alone: `cargo xtask step fuzz`", run: fuzz::every_parser };

const STORE_MUTANTS: Step = Step {
    name: "mutants of the memory store",
    remedy: "run it alone: `cargo xtask step 'memory store'`",
    run: mutants::store::all_are_noticed,
};

const LONG_FUZZ: Step = Step { name: "long fuzz", remedy: FUZZ.remedy, run: fuzz::every_parser_at_length };

fn passes(command: &mut Command) -> Result<String, Failure> {
    run(command).map(|()| String::new())
}
