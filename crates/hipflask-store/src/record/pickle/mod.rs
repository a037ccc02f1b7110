//! Python's pickle: read in all protocols with a closed list of opcodes and never executed, written
//! in protocol 4.
//!
//! The machine has its own stack and builds all values in one arena, so that deep, shared or cyclic
//! structures cannot exhaust the thread's stack or the memory.

mod globals;
mod machine;
mod node;
mod python_value;
mod to_record;
mod write;

use super::{EncodeError, OpaqueValues, Record, RecordError};
use hipflask_core::value::Dict;

pub(super) use python_value::PythonValue;

pub(super) fn read(data: &[u8]) -> Result<Record, RecordError> {
    let (arena, budget) = machine::run(data)?;
    to_record::record(&arena, budget)
}

pub(super) fn write(dict: &Dict, opaque: &OpaqueValues) -> Result<Vec<u8>, EncodeError> {
    write::write(dict, opaque)
}
