//! Any bytes are a `Cookie` header: what one name has is what the whole parser gives.
#![no_main]

use hipflask_core::cookie::{parse, values};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &[u8]| {
    let cookies: Vec<_> = parse(header).collect();
    assert!(cookies.len() <= header.len());
    for (name, _) in cookies.iter().filter(|(name, _)| name.is_ascii()).take(8) {
        let all = cookies.iter().filter(|(found, _)| found == name).map(|(_, value)| value);
        assert!(values([header], name).eq(all.cloned()));
    }
    // The same header in two lines, wherever it is cut at a part.
    if let Some(at) = header.windows(2).position(|two| two == b"; ") {
        let lines = [&header[..at], &header[at + 2..]];
        assert!(values(lines, "session").eq(values([header], "session")));
    }
});
