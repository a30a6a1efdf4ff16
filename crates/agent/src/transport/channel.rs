//! Which way leads to the host.

use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// The virtio-serial port named `PORT_NAME`, with the link.
    Serial,
    /// A vsock listener, without the link.
    Vsock { port: u32 },
    /// A unix listener, with or without the link: for tests outside a VM.
    Unix { path: PathBuf, linked: bool },
}

/// The name that the host gives the agent's virtio-serial port.
pub const PORT_NAME: &str = "org.vivarium.agent.0";

impl Channel {
    /// From the kernel's command line: `vivarium.channel=vsock:PORT`, or the kata agent's `agent.server_addr=vsock://CID:PORT`.
    /// Anything else is the serial port: an unknown word must not make the guest unreachable.
    pub fn from_cmdline(cmdline: &str) -> Channel {
        let port = cmdline.split_ascii_whitespace().find_map(|word| {
            if let Some(address) = word.strip_prefix("vivarium.channel=vsock:") {
                return address.parse().ok();
            }
            word.strip_prefix("agent.server_addr=vsock://")?.rsplit_once(':')?.1.parse().ok()
        });
        port.map_or(Channel::Serial, |port| Channel::Vsock { port })
    }

    /// From the command line's `unix:PATH` or `unix-plain:PATH`.
    pub fn from_argument(argument: &str) -> Option<Channel> {
        let (kind, path) = argument.split_once(':')?;
        match kind {
            "unix" => Some(Channel::Unix { path: path.into(), linked: true }),
            "unix-plain" => Some(Channel::Unix { path: path.into(), linked: false }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serial_port_is_the_default() {
        assert_eq!(Channel::from_cmdline("quiet panic=1\n"), Channel::Serial);
        assert_eq!(Channel::from_cmdline("vivarium.channel=carrier-pigeon"), Channel::Serial);
    }

    #[test]
    fn vsock_is_chosen_by_our_name_or_by_katas() {
        assert_eq!(Channel::from_cmdline("a vivarium.channel=vsock:1024 b"), Channel::Vsock { port: 1024 });
        assert_eq!(Channel::from_cmdline("agent.server_addr=vsock://-1:1025"), Channel::Vsock { port: 1025 });
    }

    #[test]
    fn unix_sockets_are_named_on_the_command_line() {
        assert_eq!(Channel::from_argument("unix:/a"), Some(Channel::Unix { path: "/a".into(), linked: true }));
        assert_eq!(Channel::from_argument("unix-plain:/a"), Some(Channel::Unix { path: "/a".into(), linked: false }));
        assert_eq!(Channel::from_argument("tcp:1"), None);
    }
}
