//! Which devices the processes of a cgroup may make and open. Version 2 has no files for that, but a hook: a small program that the kernel asks.
//!
//! Made by hand, since it is a handful of comparisons (include/uapi/linux/bpf.h: bpf_insn, bpf_cgroup_dev_ctx).

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use crate::proto::grpc::LinuxDeviceCgroup;

/// A rule with a number below zero means every number.
const ANY: i64 = -1;

const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;
const ACCESSES: [(char, i32); 3] = [('m', 1), ('r', 2), ('w', 4)];
const ALL_ACCESSES: i32 = 7;

/// One instruction, as the kernel lays it out.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Instruction {
    code: u8,
    /// Destination in the lower half, source in the upper.
    registers: u8,
    offset: i16,
    value: i32,
}

const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const ACCESS: u8 = 2;
const KIND: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

const LOAD_32: u8 = 0x61;
const AND_VALUE: u8 = 0x57;
const SHIFT_RIGHT_VALUE: u8 = 0x77;
const MOVE_VALUE: u8 = 0xb7;
const MOVE_REGISTER: u8 = 0xbf;
const JUMP_IF_NOT: u8 = 0x55;
const JUMP_IF: u8 = 0x15;
const EXIT: u8 = 0x95;

fn instruction(code: u8, to: u8, from: u8, offset: i16, value: i32) -> Instruction {
    Instruction { code, registers: from << 4 | to, offset, value }
}

/// The last rule that fits an access decides; when none does, it is refused.
fn program(rules: &[LinuxDeviceCgroup]) -> Vec<Instruction> {
    let mut code = vec![
        // The context: kind and access in one word, then the numbers.
        instruction(LOAD_32, ACCESS, CONTEXT, 0, 0),
        instruction(MOVE_REGISTER, KIND, ACCESS, 0, 0),
        instruction(AND_VALUE, KIND, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT_VALUE, ACCESS, 0, 0, 16),
        instruction(LOAD_32, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD_32, MINOR, CONTEXT, 8, 0),
    ];
    for rule in rules.iter().rev() {
        let decision = decision(rule);
        let is_last = decision.len() == answer(rule.allow).len();
        code.extend(decision);
        // It fits everything: the kernel takes no program with a part that is never reached.
        if is_last {
            return code;
        }
    }
    code.extend(answer(false));
    code
}

fn answer(allow: bool) -> [Instruction; 2] {
    [instruction(MOVE_VALUE, RESULT, 0, 0, i32::from(allow)), instruction(EXIT, 0, 0, 0, 0)]
}

/// Comparisons that jump over the answer when one of them does not hold.
fn decision(rule: &LinuxDeviceCgroup) -> Vec<Instruction> {
    let mut tests = Vec::new();
    match rule.r#type.as_str() {
        "b" => tests.push(instruction(JUMP_IF_NOT, KIND, 0, 0, BLOCK)),
        "c" => tests.push(instruction(JUMP_IF_NOT, KIND, 0, 0, CHARACTER)),
        _ => {}
    }
    let access = accesses(&rule.access);
    if access != ALL_ACCESSES {
        tests.push(instruction(MOVE_REGISTER, RESULT, ACCESS, 0, 0));
        // Allowed is what asks for nothing beyond; refused is what asks for any of it.
        let (mask, jump) = if rule.allow { (ALL_ACCESSES & !access, JUMP_IF_NOT) } else { (access, JUMP_IF) };
        tests.push(instruction(AND_VALUE, RESULT, 0, 0, mask));
        tests.push(instruction(jump, RESULT, 0, 0, 0));
    }
    for (register, number) in [(MAJOR, rule.major), (MINOR, rule.minor)] {
        if let Some(number) = (number > ANY).then(|| i32::try_from(number).unwrap_or(i32::MAX)) {
            tests.push(instruction(JUMP_IF_NOT, register, 0, 0, number));
        }
    }
    let length = tests.len();
    let is_jump = |code: u8| code == JUMP_IF_NOT || code == JUMP_IF;
    for (at, test) in tests.iter_mut().enumerate().filter(|(_, test)| is_jump(test.code)) {
        // Over what is left of the tests, and the answer's two.
        test.offset = i16::try_from(length - at - 1 + 2).unwrap_or(i16::MAX);
    }
    tests.extend(answer(rule.allow));
    tests
}

fn accesses(letters: &str) -> i32 {
    ACCESSES.iter().filter(|(letter, _)| letters.contains(*letter)).map(|(_, bit)| bit).sum()
}

/// Binds the rules to a cgroup for as long as it is there.
pub fn restrict(group: &Path, rules: &[LinuxDeviceCgroup]) -> io::Result<()> {
    let program = load(&program(rules))?;
    let group = File::open(group)?;
    attach(&program, &group)
}

const PROGRAM_LOAD: libc::c_int = 5;
const PROGRAM_ATTACH: libc::c_int = 8;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;

/// The first fields of the kernel's union for this command; what is missing it takes for zero.
#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
}

#[repr(C)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

fn load(code: &[Instruction]) -> io::Result<OwnedFd> {
    let request = Load {
        kind: TYPE_CGROUP_DEVICE,
        count: u32::try_from(code.len()).unwrap_or(u32::MAX),
        instructions: code.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
    };
    let fd = bpf(PROGRAM_LOAD, &request)?;
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn attach(program: &OwnedFd, group: &File) -> io::Result<()> {
    let number = |fd: i32| u32::try_from(fd).unwrap_or(u32::MAX);
    let request =
        Attach { target: number(group.as_raw_fd()), program: number(program.as_raw_fd()), kind: ATTACH_CGROUP_DEVICE, flags: 0 };
    bpf(PROGRAM_ATTACH, &request).map(drop)
}

fn bpf<T>(command: libc::c_int, request: &T) -> io::Result<i32> {
    // SAFETY: the request and all that it points to live for the call, and its size is told.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(request), std::mem::size_of::<T>()) };
    match i32::try_from(result) {
        Ok(result) if result >= 0 => Ok(result),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allow: bool, kind: &str, major: i64, minor: i64, access: &str) -> LinuxDeviceCgroup {
        LinuxDeviceCgroup { allow, r#type: kind.into(), major, minor, access: access.into() }
    }

    /// Runs a program as the kernel would, on one access.
    fn asked(rules: &[LinuxDeviceCgroup], kind: i32, access: i32, major: i64, minor: i64) -> bool {
        let code = program(rules);
        let context = [i64::from(access << 16 | kind), major, minor];
        let mut registers = [0i64; 11];
        let mut at = 0;
        loop {
            let Instruction { code: operation, registers: pair, offset, value } = code[at];
            let (to, from, value) = (usize::from(pair & 15), usize::from(pair >> 4), i64::from(value));
            at += 1;
            match operation {
                LOAD_32 => registers[to] = context[usize::try_from(offset).unwrap() / 4],
                AND_VALUE => registers[to] &= value,
                SHIFT_RIGHT_VALUE => registers[to] >>= value,
                MOVE_VALUE => registers[to] = value,
                MOVE_REGISTER => registers[to] = registers[from],
                JUMP_IF | JUMP_IF_NOT if (registers[to] == value) == (operation == JUMP_IF) => {
                    at += usize::try_from(offset).unwrap()
                }
                JUMP_IF | JUMP_IF_NOT => {}
                EXIT => return registers[0] == 1,
                other => panic!("operation {other:#x}"),
            }
        }
    }

    #[test]
    fn the_last_rule_that_fits_decides_and_nothing_else_is_let_through() {
        let rules = [
            rule(false, "a", ANY, ANY, "rwm"),
            rule(true, "c", ANY, ANY, "m"),
            rule(true, "c", 1, 3, "rwm"),
            rule(true, "b", 254, 0, "r"),
        ];
        let (make, read, write) = (1, 2, 4);
        assert!(asked(&rules, CHARACTER, read | write, 1, 3));
        assert!(!asked(&rules, CHARACTER, read, 1, 1));
        assert!(asked(&rules, CHARACTER, make, 1, 1));
        assert!(asked(&rules, BLOCK, read, 254, 0));
        assert!(!asked(&rules, BLOCK, read | write, 254, 0));
        assert!(!asked(&rules, BLOCK, read, 254, 16));
        assert!(!asked(&rules, CHARACTER, read, 254, 0));
        assert!(!asked(&[], CHARACTER, read, 1, 3));
    }

    #[test]
    fn nothing_comes_after_a_rule_that_fits_everything() {
        let code = program(&[rule(true, "c", 1, 3, "rwm"), rule(false, "a", ANY, ANY, "rwm")]);
        assert_eq!(code.len(), 6 + 2);
    }

    #[test]
    fn a_rule_that_refuses_takes_out_what_it_names_alone() {
        let rules = [rule(true, "a", ANY, ANY, "rwm"), rule(false, "b", 8, ANY, "w")];
        assert!(asked(&rules, BLOCK, 2, 8, 1));
        assert!(!asked(&rules, BLOCK, 2 | 4, 8, 1));
        assert!(asked(&rules, BLOCK, 4, 9, 1));
    }
}
