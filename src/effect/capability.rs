//! File capabilities: cap_from_text(3) to the kernel's `security.capability` (linux/capability.h).

/// A text that names no file capabilities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// No capability of that name.
    #[error("there is no capability `{name}`{}", super::or(.nearest.as_ref()))]
    Unknown {
        /// The name.
        name: String,
        /// The nearest.
        nearest: Option<String>,
    },
    /// Not in the form of cap_from_text(3).
    #[error("`{0}` is no list of capabilities as cap_from_text(3) has them: `cap_net_raw,cap_net_admin=ep`")]
    Form(String),
    /// A file has one effective bit for all its capabilities.
    #[error("`{0}` makes some of its capabilities effective and some not, which a file cannot")]
    Effective(String),
}

/// In the order of their numbers (linux/capability.h).
const NAMES: [&str; 41] = [
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
];

const REVISION_2: u32 = 0x0200_0000;
const EFFECTIVE: u32 = 1;

/// The 20 bytes of `VFS_CAP_REVISION_2`; none where the text leaves no capability set.
pub(super) fn blob(text: &str) -> Result<Option<Vec<u8>>, CapabilityError> {
    let form = || CapabilityError::Form(text.to_owned());
    let (mut effective, mut permitted, mut inheritable) = (0u64, 0u64, 0u64);
    for clause in text.split_whitespace() {
        let start = clause.find(['=', '+', '-']).ok_or_else(form)?;
        let (names, mut actions) = clause.split_at_checked(start).ok_or_else(form)?;
        let set = names.split(',').try_fold(0, |set, name| Ok(set | named(name, &form)?))?;
        while !actions.is_empty() {
            let (operator, rest) = actions.split_at_checked(1).ok_or_else(form)?;
            let end = rest.find(['=', '+', '-']).unwrap_or(rest.len());
            let (flags, after) = rest.split_at_checked(end).ok_or_else(form)?;
            actions = after;
            if operator == "=" {
                (effective, permitted, inheritable) = (effective & !set, permitted & !set, inheritable & !set);
            }
            for flag in flags.chars() {
                let bits = match flag {
                    'e' => &mut effective,
                    'p' => &mut permitted,
                    'i' => &mut inheritable,
                    _ => return Err(form()),
                };
                *bits = if operator == "-" { *bits & !set } else { *bits | set };
            }
        }
    }
    if effective != 0 && effective != permitted | inheritable {
        return Err(CapabilityError::Effective(text.to_owned()));
    }
    if permitted | inheritable == 0 {
        return Ok(None);
    }
    let magic = REVISION_2 | if effective != 0 { EFFECTIVE } else { 0 };
    let mut blob = magic.to_le_bytes().to_vec();
    for shift in [0, 32] {
        for bits in [permitted, inheritable] {
            blob.extend_from_slice(&((bits >> shift & 0xffff_ffff) as u32).to_le_bytes());
        }
    }
    Ok(Some(blob))
}

fn named(name: &str, form: &impl Fn() -> CapabilityError) -> Result<u64, CapabilityError> {
    let lower = name.to_ascii_lowercase();
    match NAMES.iter().position(|known| *known == lower) {
        Some(number) => Ok(1 << number),
        None if lower == "all" || lower.is_empty() => Ok((1 << NAMES.len()) - 1),
        None if lower.starts_with("cap_") => {
            let nearest = super::nearest(&lower, NAMES.into_iter());
            Err(CapabilityError::Unknown { name: name.to_owned(), nearest })
        }
        None => Err(form()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_capability_that_there_is_not_is_named_with_the_nearest() {
        let message = blob("cap_net_rwa=ep").unwrap_err().to_string();
        assert_eq!(message, "there is no capability `cap_net_rwa`; `cap_net_raw` there is");
        assert!(matches!(blob("net_raw=ep"), Err(CapabilityError::Form(_))));
        assert!(matches!(blob("cap_net_raw"), Err(CapabilityError::Form(_))));
        assert!(matches!(blob("cap_chown=p cap_kill=ep"), Err(CapabilityError::Effective(_))));
    }

    #[test]
    fn the_bytes_are_those_that_setcap_writes() {
        // `setcap TEXT FILE; getfattr -e hex -n security.capability FILE`, libcap 2.66
        let hex = |text| blob(text).unwrap().unwrap().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex("cap_net_raw=ep"), "0100000200200000000000000000000000000000");
        assert_eq!(hex("cap_net_bind_service,cap_net_admin+p"), "0000000200140000000000000000000000000000");
        assert_eq!(hex("cap_bpf=ei cap_bpf+p"), "0100000200000000000000008000000080000000");
        assert_eq!(blob("cap_net_raw=ep cap_net_raw-ep"), Ok(None));
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "[a-z_=+, -]{0,40}") {
            let _ = blob(&text);
        }
    }
}
