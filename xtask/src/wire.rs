//! `cargo xtask wire`: recordings of real Flask.

use crate::failure::Failure;
use crate::flask;
use crate::workspace::{Workspace, run};

/// Makes the recordings again. The same Flask makes the same bytes.
pub(crate) fn record(workspace: &Workspace) -> Result<String, Failure> {
    flask::setup(workspace)?;
    run(flask::FLASK.python(workspace).arg("wire/make.py"))?;
    Ok("Read what changed with `git diff --stat wire/`.".to_owned())
}
