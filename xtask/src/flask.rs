//! Real Flask, which tests compare with.

use crate::environment::Environment;
use crate::failure::Failure;
use crate::workspace::Workspace;

/// The packages of these tests, each with its version.
pub(crate) const REQUIREMENTS: &str = "xtask/python/requirements.txt";

/// Tests start the interpreter of this environment.
pub(crate) const FLASK: Environment<'static> =
    Environment { folder: "target/flask-venv", lists: &[REQUIREMENTS] };

/// Makes [`FLASK`] ready.
pub(crate) fn setup(workspace: &Workspace) -> Result<String, Failure> {
    let is_new = FLASK.ensure(workspace)?;
    Ok(format!("{} {} with real Flask", if is_new { "created" } else { "found" }, FLASK.folder))
}
