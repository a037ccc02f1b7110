//! `value.signature` and `value.timestamp.signature` for the classes of `hipflask.itsdangerous`.

use hipflask_core::signing::{Age, KeyRing, Signer, TimestampSigner};
use hipflask_core::time::UnixTime;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::guard::entry;

/// A signer whose keys are derived once. It does not read a clock, and leaves it to Python to raise
/// the right exception.
#[pyclass(frozen, module = "hipflask._native")]
pub(crate) struct NativeSigner(TimestampSigner);

#[pymethods]
impl NativeSigner {
    /// Takes `secret_keys` in itsdangerous' order: the last signs. An empty key is refused, as
    /// everywhere in Hipflask.
    #[new]
    fn new(
        py: Python<'_>,
        secret_keys: Vec<Vec<u8>>,
        salt: &[u8],
        separator: u8,
        key_derivation: &str,
        digest: &str,
    ) -> PyResult<Self> {
        entry(py, "NativeSigner", || {
            let mut newest_first = secret_keys.into_iter().rev();
            let newest =
                newest_first.next().ok_or_else(|| PyValueError::new_err("a signer needs a secret key"))?;
            let keys = newest_first.fold(KeyRing::new(newest), |keys, key| keys.accept(key));
            let signer = Signer::builder(keys)
                .salt(salt)
                .separator(separator)
                .derivation(key_derivation.parse().map_err(refused)?)
                .digest(digest.parse().map_err(refused)?)
                .build();
            signer.map(|signer| Self(TimestampSigner::new(signer))).map_err(refused)
        })
    }

    /// Returns the signature alone, in base64.
    fn signature<'py>(&self, py: Python<'py>, value: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        entry(py, "NativeSigner.signature", || {
            Ok(PyBytes::new(py, self.signer().signature(value).as_bytes()))
        })
    }

    /// Returns `true` if one of the keys makes this signature of `value`.
    fn verify(&self, py: Python<'_>, value: &[u8], signature: &[u8]) -> PyResult<bool> {
        entry(py, "NativeSigner.verify", || Ok(self.signer().verify(value, signature).is_some()))
    }

    fn sign<'py>(&self, py: Python<'py>, value: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        entry(py, "NativeSigner.sign", || Ok(PyBytes::new(py, &self.signer().sign(value))))
    }

    /// Returns the value that was signed; `None` if the signature is bad.
    fn unsign<'py>(&self, py: Python<'py>, signed: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
        entry(py, "NativeSigner.unsign", || {
            Ok(self.signer().unsign(signed).ok().map(|unsigned| PyBytes::new(py, unsigned.value)))
        })
    }

    /// Signs with a time, in seconds since 1970.
    fn sign_at<'py>(&self, py: Python<'py>, value: &[u8], seconds: u64) -> PyResult<Bound<'py, PyBytes>> {
        entry(py, "NativeSigner.sign_at", || {
            Ok(PyBytes::new(py, &self.0.sign_bytes(value, UnixTime::from_secs(seconds))))
        })
    }

    /// Returns the value and the time that were signed; `None` if the signature is bad.
    fn unsign_timed<'py>(
        &self,
        py: Python<'py>,
        signed: &[u8],
    ) -> PyResult<Option<(Bound<'py, PyBytes>, u64)>> {
        entry(py, "NativeSigner.unsign_timed", || {
            let unsigned = self.0.unsign(signed, UnixTime::from_secs(0), Age::any()).ok();
            Ok(unsigned
                .and_then(|unsigned| Some((PyBytes::new(py, unsigned.value), unsigned.issued_at?.as_secs()))))
        })
    }
}

impl NativeSigner {
    const fn signer(&self) -> &Signer {
        self.0.signer()
    }
}

fn refused(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}
