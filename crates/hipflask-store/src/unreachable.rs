//! Reasons why a server is unreachable.

/// Returns the reason if `said` is a message of the operating system about an unreachable address.
pub(crate) fn reason(said: &str) -> Option<&'static str> {
    let says = |text| said.contains(text);
    if says("Connection refused") || says("No such file or directory") {
        Some("nothing listens at its address")
    } else if says("failed to lookup address information") {
        Some("its host name cannot be resolved")
    } else {
        None
    }
}
