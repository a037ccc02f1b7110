//! The part of `impl Store` that only boxes what a type's own async methods of the same names do.

// A method that the type does not have would call itself: the contract suite overflows its stack then.
macro_rules! by_own_methods {
    () => {
        fn load<'a>(&'a self, key: &'a Key, now: UnixTime) -> StoreFuture<'a, Option<Stored>> {
            Box::pin(self.load(key, now))
        }

        fn create<'a>(
            &'a self,
            key: &'a Key,
            data: &'a [u8],
            ttl: Duration,
            now: UnixTime,
        ) -> StoreFuture<'a, Created> {
            Box::pin(self.create(key, data, ttl, now))
        }

        fn replace<'a>(
            &'a self,
            key: &'a Key,
            expected: &'a Stored,
            data: &'a [u8],
            ttl: Duration,
            now: UnixTime,
        ) -> StoreFuture<'a, Replaced> {
            Box::pin(self.replace(key, expected, data, ttl, now))
        }

        fn touch<'a>(&'a self, key: &'a Key, ttl: Duration, now: UnixTime) -> StoreFuture<'a, Touched> {
            Box::pin(self.touch(key, ttl, now))
        }

        fn delete<'a>(&'a self, key: &'a Key, now: UnixTime) -> StoreFuture<'a, Deleted> {
            Box::pin(self.delete(key, now))
        }

        fn delete_if<'a>(
            &'a self,
            key: &'a Key,
            expected: &'a Stored,
            now: UnixTime,
        ) -> StoreFuture<'a, DeletedIf> {
            Box::pin(self.delete_if(key, expected, now))
        }

        fn scan<'a>(&'a self, scan: &'a Scan, now: UnixTime) -> StoreFuture<'a, Page> {
            Box::pin(self.scan(scan, now))
        }

        fn ready(&self) -> StoreFuture<'_, ()> {
            Box::pin(self.ready())
        }
    };
}

pub(crate) use by_own_methods;
