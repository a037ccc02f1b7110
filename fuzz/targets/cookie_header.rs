//! Takes any bytes as a `Cookie` header: the search for one name finds what the parser of all
//! cookies finds, in linear time.
#![no_main]

use hipflask_core::cookie::{candidates, parse, values};
use hipflask_core::plan::Profile;
use hipflask_core::steps::assert_linear;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &[u8]| {
    let cookies: Vec<_> = assert_linear("parse", header.len(), || parse(header).collect());
    assert!(cookies.len() <= header.len());
    for (name, _) in cookies.iter().filter(|(name, _)| name.is_ascii()).take(8) {
        let all = cookies.iter().filter(|(found, _)| found == name).map(|(_, value)| value);
        let found: Vec<_> = assert_linear("values", header.len(), || values([header], name).collect());
        assert!(found.into_iter().eq(all.cloned()));
    }
    for name in ["session", "a"] {
        assert_linear("values", header.len(), || values([header], name).count());
        for profile in [Profile::Flask, Profile::Strict] {
            let found =
                assert_linear("candidates", header.len(), || candidates([header], name, profile).count());
            assert!(found <= 65);
        }
    }
    // The same header in two lines, cut between two cookies.
    if let Some(at) = header.windows(2).position(|two| two == b"; ") {
        let lines = [&header[..at], &header[at + 2..]];
        assert!(values(lines, "session").eq(values([header], "session")));
    }
});
