//! The progress of a command, shown only on a terminal.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressState, ProgressStyle};

use crate::human;

/// Creates a counter, or a progress bar if the total is known.
pub(super) fn counter(what: &'static str, total: Option<u64>) -> ProgressBar {
    // Shows nothing if standard error is not a terminal.
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(8))
        .with_finish(ProgressFinish::AndClear);
    let template = match total {
        Some(_) => "{msg} {bar:24.cyan/dim} {done} of {all}, {rate} a second, {eta} left",
        None => "{spinner} {msg} {done}, {rate} a second",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let style = style
        .with_key("done", |state: &ProgressState, out: &mut dyn Write| write_number(out, state.pos()))
        .with_key("all", |state: &ProgressState, out: &mut dyn Write| {
            write_number(out, state.len().unwrap_or(0))
        })
        .with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
            write_number(out, state.per_sec() as u64)
        });
    bar.set_style(style.progress_chars("━━─"));
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

fn write_number(out: &mut dyn Write, number: u64) {
    // If the terminal cannot be written to, there is nobody to report to.
    let _ = out.write_str(&human::number(number));
}
