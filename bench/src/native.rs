//! Compares the MAC in a build for this processor with the ordinary build.
//!
//! `-C target-cpu=native` can make RustCrypto's HMAC a hundred times slower. Its SHA code then runs
//! without a `vzeroupper` after code that left the upper halves of the vector registers dirty.

use std::path::Path;
use std::process::{Command, Stdio};

use hipflask_core::signing::Digest;

use crate::measure::{Plan, Row, measure};
use crate::ours;
use crate::payload::ALL;

/// The ratio of native to ordinary time above which the check fails.
const TRAP: f64 = 2.0;

/// Times the MACs in this build.
pub fn macs() -> Vec<(String, f64)> {
    let mut rows = Vec::new();
    for payload in ALL {
        for digest in [Digest::Sha1, Digest::Sha256, Digest::Sha512] {
            rows.push(Row::new(format!("{digest}/{}/ours", payload.name), ours::mac(payload, digest)));
        }
        rows.push(Row::new(format!("sha1/{}/rustcrypto", payload.name), ours::mac_of_rustcrypto(payload)));
        // A session's work between two MACs may leave the registers dirty.
        let whole = ours::change_with(payload, hipflask_core::signing::Compression::Never);
        rows.push(Row::new(format!("open-change-save/{}/ours", payload.name), whole));
    }
    measure(&mut rows, Plan { rounds: 60, batch: 400_000 }, |_| {});
    rows.iter().map(|row| (row.name.clone(), row.median())).collect()
}

/// Builds this program for this processor, times its MACs there, and compares. Returns `Ok(false)`
/// if the native build is too slow.
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
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if !built.success() {
        return Err("the native build failed; cargo's error is above".to_owned());
    }
    let output = Command::new(target.join("release/hipflask-bench"))
        .arg("macs")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start the native build: {error}"))?;
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
        println!("\nOn this processor a native build signs as fast as an ordinary one.");
        return Ok(true);
    }
    println!(
        "\nTOO SLOW: in a native build {} more than {TRAP} times slower.\n\
         Do not build with `-C target-cpu=native`: the ordinary build finds the processor's SHA instructions at run time.",
        if trapped.len() == 1 { format!("{} is", trapped[0]) } else { format!("{} are", trapped.join(", ")) }
    );
    Ok(false)
}
