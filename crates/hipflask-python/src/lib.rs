//! The Python package `hipflask`: Flask's session interfaces on Hipflask's engine.
//!
//! This crate only translates: Python's objects to values and back, Flask's settings to those of
//! the engine, our errors to the exceptions that Flask code catches. It is the module `_native`;
//! the public package is in `python/hipflask/`.

mod changes;
mod connection;
mod convert;
mod cookie_sessions;
mod cookies;
mod flask;
mod fork_guard;
mod greenlets;
mod guard;
mod json_reader;
mod json_writer;
mod key_cache;
mod msgpack;
mod object_cache;
mod records;
mod save_request;
mod settings;
mod signing;
mod stored;
mod stored_session;
mod tagged;
mod text;

/// The module `hipflask._native`.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use crate::changes::SessionChanges;
    #[pymodule_export]
    use crate::cookie_sessions::SecureCookieSessions;
    #[pymodule_export]
    use crate::cookies::SessionCookies;
    #[cfg(feature = "planted-panics")]
    #[pymodule_export]
    use crate::guard::planted::plant_panic;
    #[pymodule_export]
    use crate::records::dump_value;
    #[pymodule_export]
    use crate::signing::NativeSigner;
    #[pymodule_export]
    use crate::stored::StoredSessions;
    #[pymodule_export]
    use crate::stored_session::StoredSession;
    #[pymodule_export]
    use crate::tagged::{dump_tagged, load_tagged};

    /// The version of the package.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's spelling")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// Looks up Python's types before a test can replace them (a frozen clock has its own
    /// `datetime`), and registers the fork hooks.
    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        crate::convert::look_up_types(module.py())?;
        crate::fork_guard::register(module.py())
    }
}
