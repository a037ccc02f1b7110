//! Stores that each break one rule: the contract suite catches every one of them and names the
//! method and the rule.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

use hipflask_core::time::UnixTime;
use hipflask_store::memory::MemoryStore;
use hipflask_store::{
    Created, Deleted, DeletedIf, Description, Key, Page, Replaced, Scan, Store, StoreError, StoreFuture,
    Stored, Touched,
};
use hipflask_testkit::contract::{block_on, store_contract};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breach {
    None,
    LoadFindsExpired,
    LoadReportsNoExpiry,
    OpenFindsDeleted,
    CreateOverwrites,
    CreateCutsData,
    CreateDoublesTtl,
    CreateKeepsZeroForLong,
    CreateInTwoSteps,
    KeysIgnoreCase,
    ReplaceIgnoresExpected,
    ReplaceCreates,
    ReplaceKeepsExpiry,
    ReplaceConflictIsStale,
    ReplaceInTwoSteps,
    TouchCreates,
    TouchOnlyExtends,
    TouchDoesNothing,
    TouchWritesBack,
    DeleteDoesNothing,
    DeleteAlwaysSucceeds,
    DeleteIfIgnoresExpected,
    DeleteIfConflictIsStale,
    ScanIgnoresPrefix,
    ScanReportsNoExpiry,
    ScanListsRecordsExpiringNow,
    ScanReportsWrongLength,
    ScanSkipsRecords,
    ScanAlwaysReturnsData,
    PurgeTakesRecordsThatExpireSoon,
    PurgeCountsLiveRecords,
    DebugShowsKeys,
}

/// The message of the suite for each.
const CAUGHT: [(Breach, &str); 31] = [
    (Breach::LoadFindsExpired, "load: an expired record is missing"),
    (Breach::LoadReportsNoExpiry, "load: a record that expires has an expiry"),
    (Breach::OpenFindsDeleted, "open: finds what load finds, after delete"),
    (Breach::CreateOverwrites, "create: an existing record is reported as existing"),
    (Breach::CreateCutsData, "create: the data comes back byte for byte"),
    (Breach::CreateDoublesTtl, "create: the record expires at"),
    (Breach::CreateKeepsZeroForLong, "create: a time to live of zero is one second"),
    (Breach::CreateInTwoSteps, "create: exactly one caller succeeds"),
    (Breach::KeysIgnoreCase, "create: a new key is reported as created"),
    (Breach::ReplaceIgnoresExpected, "replace: other data than expected is a conflict"),
    (Breach::ReplaceCreates, "replace: a missing record is reported as gone"),
    (Breach::ReplaceKeepsExpiry, "replace: the time to live is the new one"),
    (Breach::ReplaceConflictIsStale, "replace: a conflict returns the current record"),
    (Breach::ReplaceInTwoSteps, "replace: exactly one caller succeeds"),
    (Breach::TouchCreates, "touch: a missing record is reported as gone"),
    (Breach::TouchOnlyExtends, "touch: the time to live counts from now"),
    (Breach::TouchDoesNothing, "touch: a longer time to live is set"),
    (Breach::TouchWritesBack, "replace, touch: a record that was deleted meanwhile is not re-created"),
    (Breach::DeleteDoesNothing, "load: the deleted key"),
    (Breach::DeleteAlwaysSucceeds, "delete: a missing record is reported as gone"),
    (Breach::DeleteIfIgnoresExpected, "delete_if: other data than expected is a conflict"),
    (Breach::DeleteIfConflictIsStale, "delete_if: a conflict returns the current record"),
    (Breach::ScanIgnoresPrefix, "scan: lists only keys with the prefix"),
    (Breach::ScanReportsNoExpiry, "scan: reports the expiry"),
    (Breach::ScanListsRecordsExpiringNow, "scan: a record is not listed from the second of its expiry"),
    (Breach::ScanReportsWrongLength, "scan: reports the length of the data"),
    (Breach::ScanSkipsRecords, "scan: lists every live record"),
    (Breach::ScanAlwaysReturnsData, "scan: returns data only on request"),
    (
        Breach::PurgeTakesRecordsThatExpireSoon,
        "purge_expired: keeps a live record, even one that expires soon",
    ),
    (Breach::PurgeCountsLiveRecords, "purge_expired: leaves nothing for the next one"),
    (Breach::DebugShowsKeys, "Debug: shows no key"),
];

#[test]
fn every_broken_store_is_caught_by_its_rule() {
    // Each waits for records to expire, so all run at once.
    let verdicts: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = CAUGHT.iter().map(|(breach, _)| scope.spawn(|| verdict(*breach))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for ((breach, rule), verdict) in CAUGHT.iter().zip(verdicts) {
        let verdict = verdict.unwrap_or_else(|| panic!("{breach:?} is not caught"));
        assert!(verdict.contains(rule), "{breach:?} is caught by another rule: {verdict}");
    }
    assert_eq!(verdict(Breach::None), None, "nothing is broken");
}

/// The message of the suite; `None` if it passes.
fn verdict(breach: Breach) -> Option<String> {
    let inner = MemoryStore::new();
    let make = async || Broken { inner: inner.clone(), breach, seen: Mutex::default() };
    let panic = catch_unwind(AssertUnwindSafe(|| block_on(store_contract(make)))).err()?;
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).or_else(|| Some(String::new()))
}

struct Broken {
    inner: MemoryStore,
    breach: Breach,
    /// The records that have been opened.
    seen: Mutex<HashMap<Key, Stored>>,
}

impl Broken {
    fn is(&self, breach: Breach) -> bool {
        self.breach == breach
    }

    fn key(&self, key: &Key) -> Key {
        match self.breach {
            Breach::KeysIgnoreCase if !key.is_at_rest() => {
                Key::new("", &key.as_str().to_lowercase()).unwrap()
            }
            _ => key.clone(),
        }
    }
}

/// Lets the other callers run once.
async fn give_way() {
    let mut given = false;
    poll_fn(|context| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Broken {
    async fn load(&self, key: &Key, now: UnixTime) -> Result<Option<Stored>, StoreError> {
        let now = if self.is(Breach::LoadFindsExpired) { UnixTime::from_secs(0) } else { now };
        let stored = self.inner.load(&self.key(key), now).await?;
        Ok(stored.map(|stored| Stored {
            expires: stored.expires.filter(|_| !self.is(Breach::LoadReportsNoExpiry)),
            ..stored
        }))
    }

    async fn create(
        &self,
        key: &Key,
        data: &[u8],
        ttl: Duration,
        now: UnixTime,
    ) -> Result<Created, StoreError> {
        let key = &self.key(key);
        let (mut data, mut ttl) = (data, ttl);
        match self.breach {
            Breach::CreateOverwrites => drop(self.inner.delete(key, now).await?),
            Breach::CreateCutsData => data = &data[..data.len().min(100)],
            Breach::CreateDoublesTtl => ttl *= 2,
            Breach::CreateKeepsZeroForLong if ttl.is_zero() => ttl = Duration::from_secs(60),
            Breach::CreateInTwoSteps if self.inner.load(key, now).await?.is_none() => {
                give_way().await;
                let _ = self.inner.delete(key, now).await?;
            }
            _ => {}
        }
        self.inner.create(key, data, ttl, now).await
    }

    async fn replace(
        &self,
        key: &Key,
        expected: &Stored,
        data: &[u8],
        ttl: Duration,
        now: UnixTime,
    ) -> Result<Replaced, StoreError> {
        let key = &self.key(key);
        let current = self.inner.load(key, now).await?;
        let (mut expected, mut ttl) = (expected.clone(), ttl);
        match (self.breach, current) {
            (Breach::ReplaceIgnoresExpected, Some(current)) => expected = current,
            (Breach::ReplaceCreates, None) if !key.is_at_rest() => {
                let _ = self.inner.create(key, data, ttl, now).await?;
                return Ok(Replaced::Replaced(expected.token));
            }
            (Breach::ReplaceKeepsExpiry, Some(current)) => {
                let left = current.expires.map_or(0, |expires| expires.as_secs() - now.as_secs());
                ttl = Duration::from_secs(left);
            }
            (Breach::ReplaceInTwoSteps, Some(current)) if current.data == expected.data => {
                give_way().await;
                let Some(newest) = self.inner.load(key, now).await? else { return Ok(Replaced::Gone) };
                expected = newest;
            }
            _ => {}
        }
        let replaced = self.inner.replace(key, &expected, data, ttl, now).await?;
        Ok(match replaced {
            Replaced::Conflict(_) if self.is(Breach::ReplaceConflictIsStale) => Replaced::Conflict(expected),
            replaced => replaced,
        })
    }

    async fn touch(&self, key: &Key, ttl: Duration, now: UnixTime) -> Result<Touched, StoreError> {
        let key = &self.key(key);
        let current = self.inner.load(key, now).await?;
        match (self.breach, current) {
            (Breach::TouchCreates, None) if !key.is_at_rest() => {
                let _ = self.inner.create(key, b"", ttl, now).await?;
                return Ok(Touched::Touched);
            }
            (Breach::TouchOnlyExtends, Some(current)) if current.expires > Some(now.saturating_add(ttl)) => {
                return Ok(Touched::Touched);
            }
            (Breach::TouchDoesNothing, Some(_)) => return Ok(Touched::Touched),
            (Breach::TouchWritesBack, Some(current)) => {
                give_way().await;
                let _ = self.inner.delete(key, now).await?;
                let _ = self.inner.create(key, &current.data, ttl, now).await?;
                return Ok(Touched::Touched);
            }
            _ => {}
        }
        self.inner.touch(key, ttl, now).await
    }

    async fn delete(&self, key: &Key, now: UnixTime) -> Result<Deleted, StoreError> {
        let key = &self.key(key);
        if self.is(Breach::DeleteDoesNothing) && self.inner.load(key, now).await?.is_some() {
            return Ok(Deleted::Deleted);
        }
        let deleted = self.inner.delete(key, now).await?;
        Ok(if self.is(Breach::DeleteAlwaysSucceeds) { Deleted::Deleted } else { deleted })
    }

    async fn delete_if(&self, key: &Key, expected: &Stored, now: UnixTime) -> Result<DeletedIf, StoreError> {
        let key = &self.key(key);
        let mut expected = expected.clone();
        if self.is(Breach::DeleteIfIgnoresExpected)
            && let Some(current) = self.inner.load(key, now).await?
        {
            expected = current;
        }
        Ok(match self.inner.delete_if(key, &expected, now).await? {
            DeletedIf::Conflict(_) if self.is(Breach::DeleteIfConflictIsStale) => {
                DeletedIf::Conflict(expected)
            }
            deleted => deleted,
        })
    }

    async fn scan(&self, scan: &Scan, now: UnixTime) -> Result<Page, StoreError> {
        let (mut scan, mut now) = (scan.clone(), now);
        match self.breach {
            Breach::ScanIgnoresPrefix => scan.prefix = "".into(),
            Breach::ScanListsRecordsExpiringNow => now = UnixTime::from_secs(now.as_secs() - 1),
            Breach::ScanAlwaysReturnsData => scan = scan.with_data(),
            _ => {}
        }
        let mut page = self.inner.scan(&scan, now).await?;
        for entry in &mut page.entries {
            match self.breach {
                Breach::ScanReportsNoExpiry => entry.expires = None,
                Breach::ScanReportsWrongLength => entry.bytes += 1,
                _ => {}
            }
        }
        if self.is(Breach::ScanSkipsRecords) && page.next.is_some() {
            page.entries.pop();
        }
        Ok(page)
    }

    async fn purge_expired(&self, now: UnixTime) -> Result<u64, StoreError> {
        let ahead = if self.is(Breach::PurgeTakesRecordsThatExpireSoon) { 100 } else { 0 };
        let purged = self.inner.purge_expired(now.saturating_add(Duration::from_secs(ahead))).await?;
        Ok(purged + u64::from(self.is(Breach::PurgeCountsLiveRecords)))
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.inner.ready().await
    }
}

impl Store for Broken {
    hipflask_store::async_store_methods!();

    fn open<'a>(&'a self, key: &'a Key, _: UnixTime, now: UnixTime) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(async move {
            let stored = self.load(key, now).await?;
            let mut seen = self.seen.lock().unwrap();
            match &stored {
                Some(stored) => drop(seen.insert(key.clone(), stored.clone())),
                None if self.is(Breach::OpenFindsDeleted) => return Ok(seen.get(key).cloned()),
                None => {}
            }
            Ok(stored)
        })
    }

    fn describe(&self) -> Description {
        self.inner.describe()
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is(Breach::DebugShowsKeys) {
            let page = block_on(self.inner.scan(&Scan::new("contract-"), UnixTime::from_secs(0)));
            return write!(f, "{:?}", page.map(|page| page.entries[0].key.as_str().to_owned()));
        }
        f.write_str("Broken")
    }
}
