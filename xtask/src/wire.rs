//! `cargo xtask wire`: recordings of real Flask.

use crate::failure::Failure;
use crate::python;
use crate::workspace::{Workspace, run};

/// Makes the recordings again. The same Flask makes the same bytes.
pub(crate) fn record(workspace: &Workspace) -> Result<String, Failure> {
    python::setup(workspace)?;
    run(workspace.command(workspace.path(python::INTERPRETER)).arg("wire/make.py"))?;
    Ok("Read what changed with `git diff --stat wire/`.".to_owned())
}
