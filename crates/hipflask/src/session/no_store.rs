//! Sessions in a store, in a build without stores: no [`Stored`] exists, so none of this ever runs.

use std::sync::Arc;

use hipflask_core::session::{EntryError, SessionDict};
use hipflask_core::value::{Text, Value};

use super::state::{Finish, Shared};
use crate::engine::Stored;
use crate::error::SessionError;

pub(crate) mod saves {
    use crate::error::SessionError;

    /// The part of a request's state that only sessions in a store have.
    #[derive(Debug, Default)]
    pub(crate) struct StoredState;

    #[allow(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "has the methods of the one with stores"
    )]
    impl StoredState {
        pub(crate) const fn is_to_change(&self) -> bool {
            false
        }

        pub(crate) const fn check_writable(&self) -> Result<(), SessionError> {
            Ok(())
        }
    }
}

pub(crate) async fn load(_: &Shared, stored: &Stored) -> Result<(), SessionError> {
    match *stored {}
}

pub(crate) fn finish(_: &Arc<Shared>, stored: &Stored) -> Finish {
    match *stored {}
}

pub(crate) async fn save_now(_: &Arc<Shared>, stored: &Stored) -> Result<(), SessionError> {
    match *stored {}
}

pub(crate) const fn regenerate(_: &Shared, stored: &Stored) -> Result<(), SessionError> {
    match *stored {}
}

pub(crate) const fn destroy(_: &Shared, stored: &Stored) -> Result<(), SessionError> {
    match *stored {}
}

pub(crate) const fn empty(stored: &Stored, _: &mut SessionDict) {
    match *stored {}
}

pub(crate) const fn admit(stored: &Stored, _: &Text, _: &Value) -> Result<(), SessionError> {
    match *stored {}
}

pub(crate) async fn transact<R>(
    _: &Arc<Shared>,
    stored: &Stored,
    _: impl FnMut(&mut SessionDict) -> Result<R, EntryError>,
) -> Result<R, SessionError> {
    match *stored {}
}

#[cfg(feature = "inspector")]
impl Shared {
    pub(crate) const fn record(&self) -> Option<super::record::RecordSeen> {
        None
    }
}
