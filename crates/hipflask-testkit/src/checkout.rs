//! Where Hipflask's checkout is, seen from a running test.

use std::path::PathBuf;

/// The nearest directory above the current one that has the judge in it. Cargo starts tests in their package.
pub(crate) fn checkout() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().find(|place| place.join(JUDGE).is_file()).map(PathBuf::from)
}

/// The program that answers for real Flask, from the checkout.
pub(crate) const JUDGE: &str = "wire/oracle.py";
