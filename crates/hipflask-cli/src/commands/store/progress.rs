//! How far it is, for people on a terminal; elsewhere nothing is shown.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line that counts; with a total it is a bar.
pub(super) fn counter(what: &'static str, total: Option<u64>) -> ProgressBar {
    // Shows nothing where standard error is no terminal.
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(8));
    let template = match total {
        Some(_) => "{msg} {bar:24.cyan/dim} {human_pos} of {human_len}, {per_sec}, {eta} left",
        None => "{spinner} {msg} {human_pos}, {per_sec}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("━━─"));
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
