//! The files by which programs learn of names. They are the guest's own, and the host has them mounted into every container.

use std::fs;
use std::io;
use std::path::Path;

const LOCAL: &str = "127.0.0.1\tlocalhost\n\
    ::1\tlocalhost ip6-localhost ip6-loopback\n\
    fe00::0\tip6-localnet\n\
    ff00::0\tip6-mcastprefix\n\
    ff02::1\tip6-allnodes\n\
    ff02::2\tip6-allrouters\n";

/// Writes `hostname` and `hosts` into `directory`, and `resolv.conf` when the sandbox has lines for it. As in a VM without a network of its own, the
/// sandbox's name is an address of the loopback interface.
pub fn write(directory: &Path, hostname: &str, resolver: &[String]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join("hostname"), format!("{hostname}\n"))?;
    fs::write(directory.join("hosts"), hosts(hostname))?;
    if resolver.is_empty() {
        return Ok(());
    }
    let lines: String = resolver.iter().map(|line| format!("{line}\n")).collect();
    fs::write(directory.join("resolv.conf"), lines)
}

/// A name with a domain is known without it too.
fn hosts(hostname: &str) -> String {
    if hostname.is_empty() {
        return LOCAL.to_owned();
    }
    let names = match hostname.split_once('.') {
        Some((first, _domain)) if !first.is_empty() => format!("{hostname} {first}"),
        _ => hostname.to_owned(),
    };
    format!("{LOCAL}127.0.0.1\t{names}\n::1\t{names}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sandboxs_name_is_an_address_of_its_loopback() {
        assert!(hosts("box").ends_with("ff02::2\tip6-allrouters\n127.0.0.1\tbox\n::1\tbox\n"));
        assert!(hosts("box.example.org").ends_with("\n127.0.0.1\tbox.example.org box\n::1\tbox.example.org box\n"));
        assert!(hosts("").starts_with("127.0.0.1\tlocalhost\n::1\tlocalhost "));
        assert!(hosts("").lines().all(|line| !line.ends_with('\t')));
    }

    #[test]
    fn a_sandbox_without_dns_has_no_resolv_conf() {
        let directory = std::env::temp_dir().join(format!("vv-names-{}", std::process::id()));
        write(&directory, "box", &[]).unwrap();
        assert_eq!(fs::read_to_string(directory.join("hostname")).unwrap(), "box\n");
        assert!(!directory.join("resolv.conf").exists());
        write(&directory, "box", &["nameserver 10.0.0.1".into(), "search a b".into()]).unwrap();
        assert_eq!(fs::read_to_string(directory.join("resolv.conf")).unwrap(), "nameserver 10.0.0.1\nsearch a b\n");
        fs::remove_dir_all(directory).unwrap();
    }
}
