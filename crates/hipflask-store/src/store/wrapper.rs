//! Stores that wrap another store.

use core::fmt;

use hipflask_core::time::UnixTime;

use super::{Description, Key, Store, StoreFuture, Stored};

/// A method of [`Store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the method with its name")]
#[non_exhaustive]
pub enum StoreMethod {
    /// [`Store::load`] and [`Store::open`].
    Load,
    Create,
    Replace,
    Touch,
    Delete,
    DeleteIf,
    Scan,
    PurgeExpired,
    Ready,
}

macro_rules! wrapped_call {
    ($this:ident, $method:ident, $name:ident($($argument:ident),*)) => {
        $this.around(StoreMethod::$method, $this.inner().$name($($argument),*))
    };
}

macro_rules! wrapper_method {
    ($this:ident, $method:ident, $name:ident($($argument:ident),*)) => {
        StoreWrapper::$name($this, $($argument),*)
    };
}

/// A store in front of another one: to count calls, measure them, log them, or fail them in tests.
///
/// Every type that implements this is a [`Store`]. Each method calls the same method of
/// [`inner`](Self::inner), through [`around`](Self::around); a wrapper overrides those that it
/// changes. [`Store::create_many`] calls [`create`](Self::create) for each record.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use hipflask_store::{Store, StoreFuture, StoreMethod, StoreWrapper, memory::MemoryStore};
///
/// #[derive(Debug)]
/// struct Counted {
///     inner: MemoryStore,
///     calls: AtomicU64,
/// }
///
/// impl StoreWrapper for Counted {
///     fn inner(&self) -> &dyn Store {
///         &self.inner
///     }
///
///     fn around<'a, T: Send + 'a>(&'a self, _: StoreMethod, call: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
///         self.calls.fetch_add(1, Ordering::Relaxed);
///         call
///     }
/// }
///
/// let store: Box<dyn Store> = Box::new(Counted { inner: MemoryStore::new(), calls: AtomicU64::new(0) });
/// assert_eq!(store.describe().kind, "memory");
/// ```
#[allow(missing_docs, reason = "each method is that of `Store`")]
pub trait StoreWrapper: fmt::Debug + Send + Sync {
    /// Returns the store that is wrapped.
    fn inner(&self) -> &dyn Store;

    /// Wraps a call to the inner store, which has not begun. Returns it unchanged by default.
    fn around<'a, T: Send + 'a>(
        &'a self,
        method: StoreMethod,
        call: StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        let _ = method;
        call
    }

    fn open<'a>(&'a self, key: &'a Key, enough: UnixTime, now: UnixTime) -> StoreFuture<'a, Option<Stored>> {
        self.around(StoreMethod::Load, self.inner().open(key, enough, now))
    }

    crate::__store_methods!(wrapped_call);
}

impl<W: StoreWrapper> Store for W {
    fn open<'a>(&'a self, key: &'a Key, enough: UnixTime, now: UnixTime) -> StoreFuture<'a, Option<Stored>> {
        StoreWrapper::open(self, key, enough, now)
    }

    crate::__store_methods!(wrapper_method);

    fn skipped(&self) -> u64 {
        self.inner().skipped()
    }

    fn describe(&self) -> Description {
        self.inner().describe()
    }
}
