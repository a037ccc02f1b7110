//! The bounds that every fuzz target for records checks.

use allocation_counter::{AllocationInfo, measure};
use hipflask_store::record::{Format, Record, RecordError};

/// Bytes that any record may take, whatever its length.
const FLOOR: u64 = 2 << 20;

/// Bytes in use at once for each byte of a record: the bound of the readers, twice, because a vector that grows is copied.
const IN_USE: u64 = 2 * 320 + 2;

/// Bytes allocated in all for each byte of a record: what grows is allocated several times.
const IN_ALL: u64 = 3 * IN_USE;

/// Reads a record in every way and checks that it stays within its bounds of memory and steps; `None` if it is refused.
pub fn read(data: &[u8]) -> Option<Record> {
    let (mut read, mut opened) = (Err(RecordError::Empty), Ok(()));
    within_bounds(data.len(), measure(|| read = Format::read(data)));
    within_bounds(data.len(), measure(|| opened = Format::open(data).map(drop)));
    assert_eq!(read.is_ok(), opened.is_ok(), "opened early and read late");
    let record = read.ok()?;
    let (session, _) = Format::open(data).expect("as above");
    assert_eq!(session.to_dict(), record.dict);
    assert!(session.keys().eq(record.dict.keys()), "the order of keys");
    Some(record)
}

/// Writes a record in a format and checks that it can be read back and is then written alike; `None` if it cannot hold it.
pub fn write(format: Format, record: &Record, read_from: usize) -> Option<Vec<u8>> {
    let mut written = Ok(Vec::new());
    let info = measure(|| written = format.write_with(&record.dict, &record.kept));
    // Texts may be shared in memory and are not in the record.
    let data = written.ok()?;
    within_bounds(read_from + data.len(), info);
    let again = Format::read(&data).expect("what was written can be read");
    assert_eq!(format.write_with(&again.dict, &again.kept).as_ref(), Ok(&data), "written alike");
    let keys: Vec<_> = record.dict.keys().collect();
    let differences = || keys.iter().filter(|key| again.kept.differs(&record.kept, key)).count();
    within_bounds(
        read_from + data.len(),
        measure(|| assert_eq!(differences(), 0, "originals that come back")),
    );
    Some(data)
}

fn within_bounds(length: usize, info: AllocationInfo) {
    let length = length as u64;
    assert!(info.bytes_max <= FLOOR + IN_USE * length, "{length} bytes take {} at once", info.bytes_max);
    assert!(info.bytes_total <= FLOOR + IN_ALL * length, "{length} bytes take {} in all", info.bytes_total);
    // A step that is repeated allocates, or copies; there is at most one allocation for each byte that is read.
    assert!(info.count_total <= 1000 + 8 * length, "{length} bytes take {} allocations", info.count_total);
}
