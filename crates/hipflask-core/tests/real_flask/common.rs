//! Parts that the comparisons share.

use std::time::Duration;

use hipflask_core::codec::SessionCodec;
use hipflask_core::session::SessionDict;
use hipflask_core::signing::{Compression, PayloadCodec};
use hipflask_core::time::UnixTime;
use hipflask_core::value::{Dict, Value};
use hipflask_testkit::describe;
use hipflask_testkit::oracle::Verdict;

pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// The number of questions to Python at a time: enough that the way there and back does not matter,
/// and few enough for memory.
pub(crate) const BATCH: usize = 1000;

/// The codec with Flask's defaults, the key `k` of `wire/judge.py`, and Flask's rule for times in
/// the future.
pub(crate) fn codec(compression: Compression) -> SessionCodec {
    SessionCodec::builder("k").leeway(Duration::ZERO).compression(compression).build().unwrap()
}

pub(crate) fn described(session: &SessionDict) -> String {
    describe::describe(&Value::Dict(session.to_dict()))
}

pub(crate) fn dict(description: &str) -> Dict {
    match describe::parse(description) {
        Ok(Value::Dict(dict)) => dict,
        other => panic!("not a session: {other:?}"),
    }
}

/// The JSON inside a signed cookie.
pub(crate) fn json_of(cookie: &str) -> String {
    let payload = cookie.rsplitn(3, '.').nth(2).expect("a signed cookie has three parts");
    let json = PayloadCodec::default().max_inflated(usize::MAX).decode(payload.as_bytes()).unwrap();
    String::from_utf8(json).unwrap()
}

/// Flask's answer to a cookie that it opens.
#[track_caller]
pub(crate) fn opened(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Opened { session, .. } => session,
        other => panic!("Flask does not open it: {other:?}"),
    }
}
