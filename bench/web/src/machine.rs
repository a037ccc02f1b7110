//! The machine and the versions of a measurement.

use std::process::Command;

/// Date, processor, system, compiler and versions.
pub fn about() -> Vec<(&'static str, String)> {
    vec![
        ("date", said("date", &["-u", "+%F"])),
        ("processor", processor()),
        ("system", said("uname", &["-sr"])),
        ("rustc", said("rustc", &["--version"])),
        ("crates", crates()),
        ("load", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()),
    ]
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line =
            info.lines().find(|line| line.split(':').next().is_some_and(|field| field.trim() == name))?;
        Some(line.split_once(':')?.1.trim())
    };
    // Not the cores that this process may use: it may be pinned to one.
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    let name = field("model name").unwrap_or(std::env::consts::ARCH);
    let [family, model] = ["cpu family", "model"].map(|name| field(name).unwrap_or("unknown"));
    format!("{name} (family {family}, model {model}), {cores} cores")
}

/// The versions in the lock file. If a crate has several, the last one is the newest.
fn crates() -> String {
    const NAMES: [&str; 8] = [
        "axum",
        "hyper",
        "actix-web",
        "tower-sessions",
        "axum_session",
        "axum-extra",
        "actix-session",
        "serde_json",
    ];
    let lock = include_str!("../../Cargo.lock");
    let version = |name: &str| {
        let (_, rest) = lock.rsplit_once(&format!("name = \"{name}\"\nversion = \""))?;
        Some(format!("{name} {}", rest.split('"').next()?))
    };
    NAMES.into_iter().filter_map(version).collect::<Vec<_>>().join(", ")
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
