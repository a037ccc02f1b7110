//! The Python package `hipflask`: Flask's session interfaces on Hipflask's engine.
//!
//! Only translates: Python's objects to values and back, Flask's settings to a codec's, our errors to the exceptions that
//! Flask code already catches. What is public in Python stands in `python/hipflask/`; this is its module `_native`.

mod convert;
mod cookies;
mod flask;
mod forks;
mod greenlets;
mod guard;
mod interface;
mod keys;
mod live;
mod raw;
mod read;
mod recent;
mod records;
mod settings;
mod signing;
mod stored;
mod tagged;
mod text;
mod write;

/// What `hipflask._native` holds.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use crate::cookies::SessionCookies;
    #[cfg(feature = "planted-panics")]
    #[pymodule_export]
    use crate::guard::planted::plant_panic;
    #[pymodule_export]
    use crate::interface::SecureCookieSessions;
    #[pymodule_export]
    use crate::records::dump_value;
    #[pymodule_export]
    use crate::signing::NativeSigner;
    #[pymodule_export]
    use crate::stored::{StoredSession, StoredSessions};
    #[pymodule_export]
    use crate::tagged::{dump_tagged, load_tagged};

    /// The version of the package.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's spelling")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// Looks Python's types up before anybody puts others in their place: a frozen clock has a `datetime` of its own. And
    /// asks to be told of forks.
    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        crate::convert::look_types_up(module.py())?;
        crate::forks::watch(module.py())
    }
}
