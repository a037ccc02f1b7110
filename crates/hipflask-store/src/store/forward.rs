//! Macros for implementations of `Store` that only forward their calls.

/// Implements the methods of [`Store`](crate::Store) with async methods of the type.
///
/// The type has inherent methods `load`, `create`, `replace`, `touch`, `delete`, `delete_if`,
/// `scan`, `purge_expired` and `ready`. They take the same arguments as those of the trait, but
/// without its lifetimes, and return `Result<_, StoreError>`. Inside `impl Store` the macro boxes
/// their futures; `describe` is left to write.
///
/// A missing method would call itself; the compiler warns about that (`unconditional_recursion`).
///
/// ```
/// use std::time::Duration;
/// use hipflask_core::time::UnixTime;
/// use hipflask_store::{
///     Created, Deleted, DeletedIf, Description, ErrorKind, Key, Page, Replaced, Scan, Store,
///     StoreError, Stored, Touched,
/// };
///
/// /// A store that is always empty and takes nothing.
/// #[derive(Debug)]
/// struct Empty;
///
/// impl Empty {
///     async fn load(&self, _: &Key, _: UnixTime) -> Result<Option<Stored>, StoreError> {
///         Ok(None)
///     }
///     async fn create(&self, _: &Key, _: &[u8], _: Duration, _: UnixTime) -> Result<Created, StoreError> {
///         Err(StoreError::new("empty", ErrorKind::Full, "nothing fits"))
///     }
///     // And so on.
/// #   async fn replace(
/// #       &self, _: &Key, _: &Stored, _: &[u8], _: Duration, _: UnixTime,
/// #   ) -> Result<Replaced, StoreError> {
/// #       Ok(Replaced::Gone)
/// #   }
/// #   async fn touch(&self, _: &Key, _: Duration, _: UnixTime) -> Result<Touched, StoreError> { Ok(Touched::Gone) }
/// #   async fn delete(&self, _: &Key, _: UnixTime) -> Result<Deleted, StoreError> { Ok(Deleted::Gone) }
/// #   async fn delete_if(&self, _: &Key, _: &Stored, _: UnixTime) -> Result<DeletedIf, StoreError> {
/// #       Ok(DeletedIf::Gone)
/// #   }
/// #   async fn scan(&self, _: &Scan, _: UnixTime) -> Result<Page, StoreError> { Ok(Page::default()) }
/// #   async fn purge_expired(&self, _: UnixTime) -> Result<u64, StoreError> { Ok(0) }
/// #   async fn ready(&self) -> Result<(), StoreError> { Ok(()) }
/// }
///
/// impl Store for Empty {
///     hipflask_store::async_store_methods!();
///
///     fn describe(&self) -> Description {
///         Description::new("empty", "empty:")
///     }
/// }
/// ```
#[macro_export]
macro_rules! async_store_methods {
    () => {
        $crate::__store_methods!($crate::__boxed_call);
    };
}

/// Writes each method of [`Store`](crate::Store) with a body from the macro `$body`, which gets
/// `self`, the [`StoreMethod`](crate::StoreMethod) and the call. `open`, `create_many`, `skipped`
/// and `describe` are left to write.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_methods {
    ($($body:tt)+) => {
        fn load<'a>(
            &'a self,
            key: &'a $crate::Key,
            now: $crate::UnixTime,
        ) -> $crate::StoreFuture<'a, Option<$crate::Stored>> {
            $($body)+!(self, Load, load(key, now))
        }

        fn create<'a>(
            &'a self,
            key: &'a $crate::Key,
            data: &'a [u8],
            ttl: ::core::time::Duration,
            now: $crate::UnixTime,
        ) -> $crate::StoreFuture<'a, $crate::Created> {
            $($body)+!(self, Create, create(key, data, ttl, now))
        }

        fn replace<'a>(
            &'a self,
            key: &'a $crate::Key,
            expected: &'a $crate::Stored,
            data: &'a [u8],
            ttl: ::core::time::Duration,
            now: $crate::UnixTime,
        ) -> $crate::StoreFuture<'a, $crate::Replaced> {
            $($body)+!(self, Replace, replace(key, expected, data, ttl, now))
        }

        fn touch<'a>(
            &'a self,
            key: &'a $crate::Key,
            ttl: ::core::time::Duration,
            now: $crate::UnixTime,
        ) -> $crate::StoreFuture<'a, $crate::Touched> {
            $($body)+!(self, Touch, touch(key, ttl, now))
        }

        fn delete<'a>(
            &'a self,
            key: &'a $crate::Key,
            now: $crate::UnixTime,
        ) -> $crate::StoreFuture<'a, $crate::Deleted> {
            $($body)+!(self, Delete, delete(key, now))
        }

        fn delete_if<'a>(
            &'a self,
            key: &'a $crate::Key,
            expected: &'a $crate::Stored,
            now: $crate::UnixTime,
        ) -> $crate::StoreFuture<'a, $crate::DeletedIf> {
            $($body)+!(self, DeleteIf, delete_if(key, expected, now))
        }

        fn scan<'a>(
            &'a self,
            scan: &'a $crate::Scan,
            now: $crate::UnixTime,
        ) -> $crate::StoreFuture<'a, $crate::Page> {
            $($body)+!(self, Scan, scan(scan, now))
        }

        fn purge_expired(&self, now: $crate::UnixTime) -> $crate::StoreFuture<'_, u64> {
            $($body)+!(self, PurgeExpired, purge_expired(now))
        }

        fn ready(&self) -> $crate::StoreFuture<'_, ()> {
            $($body)+!(self, Ready, ready())
        }
    };
}

/// Boxes the future of an inherent method.
#[doc(hidden)]
#[macro_export]
macro_rules! __boxed_call {
    ($this:ident, $method:ident, $name:ident($($argument:ident),*)) => {
        Box::pin($this.$name($($argument),*))
    };
}
