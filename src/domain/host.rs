//! Where a server is.

use std::net::IpAddr;

/// Whether a host's name or address, without brackets, is this machine.
pub fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
