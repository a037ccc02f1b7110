//! The bounds of memory and steps that every fuzz target for records checks.

pub mod json;

use allocation_counter::{AllocationInfo, measure};
use hipflask_core::steps::{FLOOR, PER_BYTE, assert_steps, counted};
use hipflask_store::record::{Converted, Format, Record};

/// The bytes of memory that a record of any length may take.
const MEMORY_FLOOR: u64 = 2 << 20;

/// The bytes in use at once for each byte of a record: twice the limit of the readers, because a
/// growing vector is copied.
const IN_USE: u64 = 2 * 320 + 2;

/// The bytes allocated in all for each byte of a record: what grows is allocated several times.
const IN_ALL: u64 = 3 * IN_USE;

/// The further steps for a pickle, which may refer to one value many times: one for each byte that
/// its reader may allocate.
const SHARED_FLOOR: usize = 1 << 20;
const SHARED_PER_BYTE: usize = 320;

/// Reads a record in every way, each within its bounds of memory and steps. Returns `None` if the
/// record is refused.
pub fn read(data: &[u8]) -> Option<Record> {
    let format = Format::of(data);
    let (read, cost) = with_cost(|| Format::read(data));
    cost.assert_within("read", format, data.len());
    let (opened, cost) = with_cost(|| Format::open(data));
    cost.assert_within("open", format, data.len());
    assert_eq!(read.is_ok(), opened.is_ok(), "opened early and read late");
    let (record, (session, _)) = read.ok().zip(opened.ok())?;
    assert_eq!(session.to_dict(), record.dict);
    assert!(session.keys().eq(record.dict.keys()), "the order of keys");
    Some(record)
}

/// Writes a record that was read from `read_from` bytes, and checks that it is read back and then
/// written alike. Returns `None` if the format cannot hold it.
pub fn write(format: Format, record: &Record, read_from: usize) -> Option<Vec<u8>> {
    let (written, cost) = with_cost(|| format.write_with(&record.dict, &record.opaque));
    // Texts may be shared in memory and are not in the record.
    let data = written.ok()?;
    let length = read_from + data.len();
    cost.assert_within("write", format, length);
    let again = Format::read(&data).expect("what was written can be read");
    assert_eq!(format.write_with(&again.dict, &again.opaque).as_ref(), Ok(&data), "written alike");
    let keys: Vec<_> = record.dict.keys().collect();
    let (differences, cost) =
        with_cost(|| keys.iter().filter(|key| again.opaque.differs(&record.opaque, key)).count());
    cost.assert_within("differs", format, length);
    assert_eq!(differences, 0, "originals that come back");
    Some(data)
}

/// Converts a record and checks that the result can be read. Returns `None` if the format cannot
/// hold it.
pub fn convert(format: Format, data: &[u8]) -> Option<Converted> {
    let (converted, cost) = with_cost(|| format.convert(data));
    let converted = converted.ok()?;
    cost.assert_within("convert", Format::of(data), data.len() + converted.data.len());
    assert!(Format::read(&converted.data).is_ok());
    Some(converted)
}

/// The memory and the steps that some work took.
struct Cost {
    memory: AllocationInfo,
    steps: usize,
}

fn with_cost<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let mut done = None;
    let memory = measure(|| done = Some(counted(work)));
    let (result, steps) = done.expect("`measure` runs its closure");
    (result, Cost { memory, steps })
}

impl Cost {
    /// Checks the cost of `what` for a record of `length` bytes.
    fn assert_within(&self, what: &str, format: Format, length: usize) {
        let linear = FLOOR + PER_BYTE * length;
        let is_shared = format == Format::Pickle;
        let shared = if is_shared { SHARED_FLOOR + SHARED_PER_BYTE * length } else { 0 };
        assert_steps(what, length, self.steps, linear + shared);

        let (memory, bytes) = (&self.memory, length as u64);
        let (at_once, in_all) = (MEMORY_FLOOR + IN_USE * bytes, MEMORY_FLOOR + IN_ALL * bytes);
        assert!(memory.bytes_max <= at_once, "{what}: {bytes} bytes take {} at once", memory.bytes_max);
        assert!(memory.bytes_total <= in_all, "{what}: {bytes} bytes take {} in all", memory.bytes_total);
        let count = memory.count_total;
        assert!(count <= 1000 + 8 * bytes, "{what}: {bytes} bytes take {count} allocations");
    }
}
