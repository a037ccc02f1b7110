//! The objects that templates get besides values. `session` gives them their behaviour, `format`
//! their printed form.

/// Flask's `session` proxy: finds the session of the current request at each use, and touches nothing before.
///
/// `session.x` is the attribute `x` and then the key, `session['x']` and `'x' in session` are the key.
#[derive(Debug)]
pub(super) struct SessionObject;

/// `session.get` without a call.
#[derive(Debug)]
pub(super) struct BoundMethod(pub(super) &'static str);
