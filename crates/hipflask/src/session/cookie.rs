//! Sessions in Flask's signed cookie: opened from the request's cookies, written back to the response's.

use hipflask_core::codec::{Opened, SessionCodec};
use hipflask_core::plan::{CookieOp, Profile, plan};
use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;

use super::state::{Shared, State};
use crate::engine::{SessionHeaders, Sessions};
use crate::error::{SessionError, WriteError};

/// Opens the session of a request: an empty one if no cookie holds a valid session.
pub(crate) fn open(shared: &Shared, codec: &SessionCodec, state: &mut State) {
    let found = find(shared.engine(), codec, shared.cookies.iter(), shared.now());
    let (data, issued_at) =
        found.map_or_else(|| (SessionDict::new(), None), |(data, issued_at)| (data, Some(issued_at)));
    state.data = Some(data);
    state.issued_at = issued_at;
}

/// Finds the session in the `Cookie` lines, and the time at which its cookie was signed.
fn find<'h>(
    engine: &Sessions,
    codec: &SessionCodec,
    lines: impl Iterator<Item = &'h [u8]>,
    now: UnixTime,
) -> Option<(SessionDict, UnixTime)> {
    let mut choice = engine.choice();
    for value in engine.values(lines) {
        if !choice.is_needed(&value) {
            continue;
        }
        match codec.open(&value, now) {
            Ok(Opened { session, .. }) if engine.timeouts().is_over(&session, now) => {
                tracing::debug!("a session is past its absolute lifetime; it starts empty");
                engine.count_refused();
            }
            Ok(Opened { session, issued_at, .. }) => {
                engine.count_opened();
                choice.accept(&value, (session, issued_at));
                if choice.is_decided() {
                    break;
                }
            }
            Err(error) => engine.note_refusal(&error, now),
        }
    }
    engine.chosen(choice)
}

/// Finishes a request: closes its session and returns the response's headers.
pub(crate) fn finish(shared: &Shared, codec: &SessionCodec) -> Result<SessionHeaders, SessionError> {
    let mut state = shared.lock()?;
    state.closed = true;
    if state.data.is_none() && shared.may_need_refresh() {
        open(shared, codec, &mut state);
    }
    let State { data: Some(data), issued_at, .. } = &mut *state else { return Ok(SessionHeaders::default()) };
    let headers = headers(shared.engine(), codec, data, *issued_at, shared.now())?;
    state.varies = headers.vary_cookie;
    Ok(headers)
}

/// Decides whether the cookie is sent, and signs it if so.
fn headers(
    engine: &Sessions,
    codec: &SessionCodec,
    data: &mut SessionDict,
    issued_at: Option<UnixTime>,
    now: UnixTime,
) -> Result<SessionHeaders, SessionError> {
    let timeouts = engine.timeouts();
    timeouts.settle(data, false, now);
    let mut flags = data.flags();
    let is_due = |issued_at| timeouts.is_refresh_due(issued_at, engine.lifetime(), now);
    flags.modified |= flags.accessed && !flags.empty && issued_at.is_some_and(is_due);
    let plan = plan(flags, engine.rules());
    let set_cookie = match plan.cookie {
        CookieOp::Leave => None,
        CookieOp::Remove => Some(engine.cookie().removal()),
        CookieOp::Set { expires } => Some(signed(engine, codec, data, expires, now)?),
    };
    Ok(engine.headers(plan, set_cookie))
}

/// The `Set-Cookie` value with the signed session.
fn signed(
    engine: &Sessions,
    codec: &SessionCodec,
    data: &SessionDict,
    expires: bool,
    now: UnixTime,
) -> Result<String, SessionError> {
    let value = codec.sign(data, now).map_err(WriteError::encoding)?;
    let header = engine.set_cookie(&value, expires, now);
    if let Err(error) = engine.cookie().check_size(&value, &header) {
        match engine.rules().profile {
            Profile::Strict => return Err(SessionError::TooLarge(error)),
            Profile::Flask => tracing::warn!("{error}"),
        }
    }
    Ok(header)
}
