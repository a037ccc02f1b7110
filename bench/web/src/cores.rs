//! Pins servers and the load generator to cores.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The first two cores that this process may use.
pub fn two_cores() -> Result<[usize; 2], String> {
    let cores = sched_getaffinity(None).map_err(|error| error.to_string())?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| cores.is_set(core));
    match (cores.next(), cores.next()) {
        (Some(first), Some(second)) => Ok([first, second]),
        _ => {
            Err("this needs two cores: one for the server, one for the load generator and the rest"
                .to_owned())
        }
    }
}

pub fn pin_to(core: usize) -> Result<(), String> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).map_err(|error| format!("cannot pin this process to a core: {error}"))
}

/// Runs a server in this process on the given core until standard input ends. Prints the address.
pub fn listen(core: &str) -> Result<TcpListener, String> {
    pin_to(core.parse().map_err(|_| "unknown core")?)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    listener.set_nonblocking(true).map_err(|error| error.to_string())?;
    println!("{address}");
    std::io::stdout().flush().map_err(|error| error.to_string())?;
    std::thread::spawn(|| {
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
        std::process::exit(0);
    });
    Ok(listener)
}
