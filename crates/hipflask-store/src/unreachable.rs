//! Why a server is out of reach.

/// What is at fault, if `said` is what a system says of an address that leads nowhere.
pub(crate) fn reason(said: &str) -> Option<&'static str> {
    let says = |text| said.contains(text);
    if says("Connection refused") || says("No such file or directory") {
        Some("nothing listens there")
    } else if says("failed to lookup address information") {
        Some("its host is not known")
    } else {
        None
    }
}
