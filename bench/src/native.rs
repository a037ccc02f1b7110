//! The MAC in a build for this very processor, beside the ordinary build.
//!
//! `-C target-cpu=native` has been seen to make RustCrypto's HMAC a hundred times slower: its SHA code without `vzeroupper`
//! before it, after code that left the upper halves of the vector registers dirty.

use std::path::Path;
use std::process::{Command, Stdio};

use hipflask_core::signing::Digest;

use crate::measure::{Plan, Row, measure};
use crate::ours;
use crate::payload::ALL;

/// How many times slower a native build may be before it is called a trap.
const TRAP: f64 = 2.0;

/// Times the MACs in this build.
pub fn macs() -> Vec<(String, f64)> {
    let mut rows = Vec::new();
    for payload in ALL {
        for digest in [Digest::Sha1, Digest::Sha256, Digest::Sha512] {
            rows.push(Row::new(format!("{digest}/{}/ours", payload.name), ours::mac(payload, digest)));
        }
        rows.push(Row::new(format!("sha1/{}/rustcrypto", payload.name), ours::mac_of_rustcrypto(payload)));
        // What a session does between two MACs may be what leaves the registers dirty.
        let whole = ours::change_with(payload, hipflask_core::signing::Compression::Never);
        rows.push(Row::new(format!("open-change-save/{}/ours", payload.name), whole));
    }
    measure(&mut rows, Plan { rounds: 60, batch: 400_000 }, |_| {});
    rows.iter().map(|row| (row.name.clone(), row.median())).collect()
}

/// Builds this program for this processor, has it time its MACs, and compares. `Ok(false)` if it fell into the trap.
pub fn compare() -> Result<bool, String> {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = bench.join("target/native");
    eprintln!("building for target-cpu=native ..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(bench)
        .args(["build", "--quiet", "--release", "--no-default-features", "--target-dir"])
        .arg(&target)
        .env("RUSTFLAGS", "-Ctarget-cpu=native")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    if !built.success() {
        return Err("the native build failed; what cargo says stands above".to_owned());
    }
    let output = Command::new(target.join("release/hipflask-bench"))
        .arg("macs")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("the native build could not be started: {error}"))?;
    let native: Vec<(String, f64)> = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("the native build failed: {error}"))?;

    println!("{:<28} {:>12} {:>12} {:>7}", "ns", "ordinary", "native", "ratio");
    let mut trapped = Vec::new();
    for ((name, ordinary), (_, native)) in macs().into_iter().zip(native) {
        let ratio = native / ordinary;
        println!("{name:<28} {ordinary:>12.0} {native:>12.0} {ratio:>7.2}");
        if ratio > TRAP {
            trapped.push(name);
        }
    }
    if trapped.is_empty() {
        println!("\nNo trap on this processor: a native build signs as fast as an ordinary one.");
        return Ok(true);
    }
    println!(
        "\nTHE TRAP: in a native build {} more than {TRAP} times slower.\n\
         Do not build with `-C target-cpu=native`: the ordinary build finds the processor's SHA instructions at run time.",
        if trapped.len() == 1 { format!("{} is", trapped[0]) } else { format!("{} are", trapped.join(", ")) }
    );
    Ok(false)
}
