//! How far it is, for people on a terminal; elsewhere nothing is shown.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressState, ProgressStyle};

use crate::human;

/// A line that counts; with a total it is a bar.
pub(super) fn counter(what: &'static str, total: Option<u64>) -> ProgressBar {
    // Shows nothing where standard error is no terminal.
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
    // A line on a terminal; nobody is to be told if it cannot be written.
    let _ = out.write_str(&human::number(number));
}
