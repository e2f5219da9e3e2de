//! The deny-list as a filter program: a pure function, tested by running its instructions.
//!
//! It stands on top of Docker's own filter, so it names only what that leaves open or might leave open one day. It never
//! kills: what is refused gets an error that programs and libraries know how to take.

use nix::libc::{self, c_long};
use seccompiler::sock_filter;
use tester_runner::walls::{Wall, gone};

use super::syscalls::{ABSENT, REFUSED, REFUSED_HERE};

// Offsets in `struct seccomp_data` of the kernel's <linux/seccomp.h>; of an argument, the low half (little endian).
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const OFFSET_ARGUMENT_0: u32 = 16;
const OFFSET_ARGUMENT_1: u32 = 24;

// Instruction codes of <linux/bpf_common.h>.
const LOAD_WORD: u16 = 0x20;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

// Answers of <linux/seccomp.h>.
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;

// `AUDIT_ARCH_*` of <linux/audit.h>.
#[cfg(target_arch = "x86_64")]
const ARCH_NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH_NATIVE: u32 = 0xc000_00b7;

/// The bit that marks the x32 calls of an x86-64 kernel; no native number has it on any architecture.
const X32_BIT: u32 = 0x4000_0000;

/// Every `CLONE_NEW*` flag that `clone` knows.
const NEW_NAMESPACES: u32 = 0x7e02_0000;

/// What `personality` is given to ask only.
const PERSONALITY_QUERY: u32 = 0xffff_ffff;

/// The filter: allow everything but what is named here.
pub(super) fn program() -> Vec<sock_filter> {
    let foreign = if gone(Wall::ForeignCalls) { ALLOW } else { errno(libc::ENOSYS) };
    let mut code = vec![
        load(OFFSET_ARCH),
        jump(JUMP_EQUAL, ARCH_NATIVE, 1, 0),
        answer(foreign),
        load(OFFSET_NUMBER),
        jump(JUMP_ANY_BIT, X32_BIT, 0, 1),
        answer(foreign),
    ];
    for (calls, refusal) in [(REFUSED, libc::EPERM), (REFUSED_HERE, libc::EPERM), (ABSENT, libc::ENOSYS)] {
        for &call in calls.iter().filter(|_| !gone(Wall::DenyList)) {
            code.extend([jump(JUMP_EQUAL, number(call), 0, 1), answer(errno(refusal))]);
        }
    }
    let blocks = [
        (Wall::DenyList, libc::SYS_clone, clone()),
        (Wall::SocketFamilies, libc::SYS_socket, socket()),
        (Wall::SocketFamilies, libc::SYS_socketpair, socketpair()),
        (Wall::DenyList, libc::SYS_personality, personality()),
        (Wall::DenyList, libc::SYS_ioctl, ioctl()),
    ];
    for (_, call, block) in blocks.into_iter().filter(|(wall, ..)| !gone(*wall)) {
        let length = u8::try_from(block.len()).unwrap_or(u8::MAX);
        code.push(jump(JUMP_EQUAL, number(call), 0, length));
        code.extend(block);
    }
    code.push(answer(ALLOW));
    code
}

// Each block below is entered for one call only and always ends with an answer.

/// Threads and processes, yes; namespaces, no.
fn clone() -> Vec<sock_filter> {
    vec![load(OFFSET_ARGUMENT_0), jump(JUMP_ANY_BIT, NEW_NAMESPACES, 0, 1), answer(errno(libc::EPERM)), answer(ALLOW)]
}

/// Only the families that lead nowhere without a network: the local ones.
fn socket() -> Vec<sock_filter> {
    only(OFFSET_ARGUMENT_0, &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6].map(word), libc::EAFNOSUPPORT)
}

fn socketpair() -> Vec<sock_filter> {
    only(OFFSET_ARGUMENT_0, &[word(libc::AF_UNIX)], libc::EAFNOSUPPORT)
}

fn personality() -> Vec<sock_filter> {
    only(OFFSET_ARGUMENT_0, &[0, PERSONALITY_QUERY], libc::EPERM)
}

/// No input pushed into a terminal.
fn ioctl() -> Vec<sock_filter> {
    let mut block = vec![load(OFFSET_ARGUMENT_1)];
    for request in [libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCSETD] {
        block.extend([jump(JUMP_EQUAL, request_word(request), 0, 1), answer(errno(libc::EPERM))]);
    }
    block.push(answer(ALLOW));
    block
}

/// Allows these values of an argument and refuses all others.
fn only(offset: u32, allowed: &[u32], refusal: i32) -> Vec<sock_filter> {
    let mut block = vec![load(offset)];
    for &value in allowed {
        block.extend([jump(JUMP_EQUAL, value, 0, 1), answer(ALLOW)]);
    }
    block.push(answer(errno(refusal)));
    block
}

fn load(offset: u32) -> sock_filter {
    sock_filter { code: LOAD_WORD, jt: 0, jf: 0, k: offset }
}

fn jump(code: u16, value: u32, then: u8, otherwise: u8) -> sock_filter {
    sock_filter { code, jt: then, jf: otherwise, k: value }
}

fn answer(value: u32) -> sock_filter {
    sock_filter { code: RETURN, jt: 0, jf: 0, k: value }
}

fn errno(number: i32) -> u32 {
    ERRNO | number.unsigned_abs()
}

fn word(value: i32) -> u32 {
    value.unsigned_abs()
}

#[expect(clippy::cast_possible_truncation, reason = "the kernel compares an ioctl request as 32 bits")]
fn request_word(request: libc::Ioctl) -> u32 {
    request as u32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "system call numbers are small and positive; a test looks at each"
)]
fn number(call: c_long) -> u32 {
    call as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel hands a filter.
    #[derive(Clone, Copy)]
    struct Call {
        number: u32,
        arch: u32,
        arguments: [u64; 6],
    }

    impl Call {
        fn native(number: c_long, arguments: &[u64]) -> Self {
            let mut all = [0; 6];
            all[..arguments.len()].copy_from_slice(arguments);
            Self { number: u32::try_from(number).unwrap(), arch: ARCH_NATIVE, arguments: all }
        }

        fn bytes(self) -> Vec<u8> {
            let mut bytes = Vec::new();
            bytes.extend(self.number.to_le_bytes());
            bytes.extend(self.arch.to_le_bytes());
            bytes.extend(0_u64.to_le_bytes());
            for argument in self.arguments {
                bytes.extend(argument.to_le_bytes());
            }
            bytes
        }
    }

    /// Runs the program as the kernel would; every path must reach an answer within its instructions.
    fn run(call: Call) -> u32 {
        let (program, data) = (program(), call.bytes());
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let instruction = &program[at];
            at += 1;
            let skip = |taken: bool| usize::from(if taken { instruction.jt } else { instruction.jf });
            match instruction.code {
                LOAD_WORD => {
                    let offset = usize::try_from(instruction.k).unwrap();
                    accumulator = u32::from_le_bytes(data[offset..offset + 4].try_into().unwrap());
                }
                JUMP_EQUAL => at += skip(accumulator == instruction.k),
                JUMP_ANY_BIT => at += skip(accumulator & instruction.k != 0),
                RETURN => return instruction.k,
                other => panic!("unknown instruction {other:#x}"),
            }
        }
    }

    fn native(number: c_long, arguments: &[u64]) -> u32 {
        run(Call::native(number, arguments))
    }

    #[test]
    fn every_named_call_is_refused_with_its_own_error() {
        for &call in REFUSED.iter().chain(REFUSED_HERE) {
            assert_eq!(native(call, &[]), errno(libc::EPERM), "call {call}");
        }
        for &call in ABSENT {
            assert_eq!(native(call, &[]), errno(libc::ENOSYS), "call {call}");
        }
    }

    #[test]
    fn every_call_that_is_not_named_is_allowed() {
        let named: Vec<c_long> = REFUSED.iter().chain(REFUSED_HERE).chain(ABSENT).copied().collect();
        let conditional = [libc::SYS_clone, libc::SYS_socket, libc::SYS_socketpair, libc::SYS_personality];
        for call in 0..1000 {
            if !named.contains(&call) && !conditional.contains(&call) {
                assert_eq!(native(call, &[]), ALLOW, "call {call}");
            }
        }
    }

    #[test]
    fn a_foreign_architecture_and_x32_see_a_kernel_without_system_calls() {
        let foreign = Call { arch: 0x4000_0003, ..Call::native(libc::SYS_read, &[]) };
        assert_eq!(run(foreign), errno(libc::ENOSYS));
        let x32 = Call { number: X32_BIT | 1, ..Call::native(libc::SYS_read, &[]) };
        assert_eq!(run(x32), errno(libc::ENOSYS));
        let minus_one = Call { number: u32::MAX, ..Call::native(libc::SYS_read, &[]) };
        assert_eq!(run(minus_one), errno(libc::ENOSYS));
    }

    #[test]
    fn clone_makes_processes_and_threads_but_no_namespaces() {
        assert_eq!(native(libc::SYS_clone, &[17]), ALLOW);
        assert_eq!(native(libc::SYS_clone, &[0x003d_0f00]), ALLOW);
        for flag in [
            libc::CLONE_NEWNS,
            libc::CLONE_NEWCGROUP,
            libc::CLONE_NEWUTS,
            libc::CLONE_NEWIPC,
            libc::CLONE_NEWUSER,
            libc::CLONE_NEWPID,
            libc::CLONE_NEWNET,
        ] {
            let flags = u64::from(flag.unsigned_abs()) | 0x11;
            assert_eq!(native(libc::SYS_clone, &[flags]), errno(libc::EPERM), "{flag:#x}");
        }
    }

    #[test]
    fn sockets_are_local_ones_or_lead_nowhere() {
        for family in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6] {
            assert_eq!(native(libc::SYS_socket, &[u64::from(word(family))]), ALLOW);
        }
        for family in [libc::AF_NETLINK, libc::AF_PACKET, libc::AF_VSOCK, libc::AF_ALG, 0, 999] {
            assert_eq!(native(libc::SYS_socket, &[u64::from(word(family))]), errno(libc::EAFNOSUPPORT));
        }
        assert_eq!(native(libc::SYS_socketpair, &[1]), ALLOW);
        assert_eq!(native(libc::SYS_socketpair, &[2]), errno(libc::EAFNOSUPPORT));
    }

    #[test]
    fn the_upper_half_of_an_argument_opens_no_door() {
        let high = 1 << 40;
        assert_eq!(native(libc::SYS_socket, &[high | 16]), errno(libc::EAFNOSUPPORT));
        assert_eq!(native(libc::SYS_clone, &[high | 0x1000_0000]), errno(libc::EPERM));
        assert_eq!(native(libc::SYS_ioctl, &[0, high | 0x5412]), errno(libc::EPERM));
    }

    #[test]
    fn a_personality_may_be_asked_but_not_changed() {
        assert_eq!(native(libc::SYS_personality, &[0]), ALLOW);
        assert_eq!(native(libc::SYS_personality, &[u64::from(u32::MAX)]), ALLOW);
        assert_eq!(native(libc::SYS_personality, &[0x0040_0000]), errno(libc::EPERM));
    }

    #[test]
    fn a_terminal_gets_no_forged_input() {
        assert_eq!(native(libc::SYS_ioctl, &[0, 0x5412]), errno(libc::EPERM));
        assert_eq!(native(libc::SYS_ioctl, &[0, 0x541c]), errno(libc::EPERM));
        assert_eq!(native(libc::SYS_ioctl, &[0, 0x5401]), ALLOW);
    }

    #[test]
    fn the_program_is_as_short_as_the_kernel_demands_and_every_jump_stays_inside() {
        let program = program();
        assert!(program.len() <= 4096);
        for (at, instruction) in program.iter().enumerate() {
            let furthest = at + 1 + usize::from(instruction.jt.max(instruction.jf));
            assert!(instruction.code == RETURN || furthest < program.len());
        }
    }
}
