//! A C interface for JavaScript: `alloc(len)`, `free(ptr, len)`, and `answer(ptr, len)`, which returns a
//! pointer to the length of the answer, a little-endian `u32`, followed by the answer.

/// Allocates `len` bytes.
#[unsafe(no_mangle)]
pub extern "C" fn alloc(len: usize) -> *mut u8 {
    Box::into_raw(vec![0_u8; len].into_boxed_slice()).cast()
}

/// Frees bytes.
///
/// # Safety
/// `ptr` and `len` are those of one [`alloc`], or of one [`answer`] with 4 more than its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(ptr: *mut u8, len: usize) {
    // SAFETY: the caller passes what `Box::into_raw` returned, and its length.
    drop(unsafe { Box::from_raw(core::ptr::slice_from_raw_parts_mut(ptr, len)) });
}

/// Answers a request of the page: `hipflask_explain::play::answer`.
///
/// # Safety
/// `ptr` points to `len` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn answer(ptr: *const u8, len: usize) -> *mut u8 {
    // SAFETY: the caller guarantees it.
    let request = unsafe { core::slice::from_raw_parts(ptr, len) };
    let answer = hipflask_explain::play::answer(&String::from_utf8_lossy(request));
    let length = u32::try_from(answer.len()).unwrap_or(0);
    let mut out = Vec::with_capacity(4 + answer.len());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&answer.as_bytes()[..length as usize]);
    Box::into_raw(out.into_boxed_slice()).cast()
}
