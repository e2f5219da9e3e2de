//! Unpacking: what arrives, and what is refused.

use tester_runner::message::Fault;

use crate::harness::{Options, Sandbox, job, start};

#[test]
fn files_belong_to_the_job_and_only_the_executable_bit_is_taken_over() {
    let files: &[(&str, &[u8])] = &[("a.txt", b"a"), ("deep/er/b.sh", b"#!/bin/sh\necho ran\n")];
    let script = "stat -c '%n %a %u %g' a.txt deep deep/er deep/er/b.sh; cat a.txt; deep/er/b.sh";
    let run = Sandbox::new().run(&start(&["sh", "-c", script]), files, b"");
    assert_eq!(
        run.out(),
        "a.txt 600 20001 20001\ndeep 700 20001 20001\ndeep/er 700 20001 20001\ndeep/er/b.sh 700 20001 20001\naran\n"
    );
}

#[test]
fn long_names_and_many_files_arrive() {
    let long = format!("{}/{}", "d".repeat(150), "f".repeat(200));
    let names: Vec<String> = (0..500).map(|number| format!("many/{number}")).collect();
    let mut files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
    files.push((&long, b"long"));
    let run = Sandbox::new().run(&start(&["sh", "-c", "ls many | wc -l; cat d*/f*"]), &files, b"");
    assert_eq!(run.out(), "500\nlong");
}

/// One entry with this name, written into the header as it is.
fn entry(name: &str, kind: tar::EntryType, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_old();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..11].copy_from_slice(b"/etc/passwd");
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(u64::try_from(content.len()).unwrap());
    header.set_cksum();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append(&header, content).unwrap();
    tar.into_inner().unwrap()
}

fn fault_of(tar: &[u8]) -> Fault {
    let mut sandbox = Sandbox::new();
    sandbox.send_start(&start(&["true"]));
    sandbox.send_tar(tar);
    let fault = sandbox.fault();
    assert_eq!(sandbox.hang_up(), "1");
    fault
}

#[test]
fn paths_that_leave_the_folder_are_refused() {
    for name in ["../x", "/etc/x", "a/../../x", "./x", "a//b"] {
        let fault = fault_of(&entry(name, tar::EntryType::Regular, b"x"));
        assert!(!fault.from_job && fault.message.contains("is refused"), "{name}: {fault:?}");
    }
}

#[test]
fn anything_but_files_and_folders_is_refused() {
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Char, tar::EntryType::Fifo] {
        let fault = fault_of(&entry("x", kind, b""));
        assert!(!fault.from_job && fault.message.contains("neither file nor folder"), "{kind:?}: {fault:?}");
    }
}

#[test]
fn files_at_odds_with_one_another_are_the_jobs_doing() {
    for files in [[("a", b"1".as_slice()), ("a", b"2")], [("a", b"1"), ("a/b", b"2")], [("a/b", b"1"), ("a", b"2")]] {
        let fault = fault_of(&job(&files));
        assert!(fault.from_job, "{files:?}: {fault:?}");
    }
    let too_long = "n".repeat(300);
    assert!(fault_of(&job(&[(too_long.as_str(), b"x")])).from_job);
}

#[test]
fn a_tar_that_is_none_or_is_cut_short_is_not_the_jobs_doing() {
    assert!(!fault_of(&[b'x'; 2000]).from_job);
    assert!(!fault_of(&job(&[("a", &[0; 5000])])[..2000]).from_job);
}

#[test]
fn files_that_do_not_fit_are_the_jobs_doing() {
    for scratch in ["size=64k,nr_inodes=100", "size=16m,nr_inodes=8"] {
        let mut sandbox = Sandbox::with(&Options { scratch, ..Options::default() });
        let large = vec![b'x'; 20_000];
        let names: Vec<String> = (0..10).map(|number| number.to_string()).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), large.as_slice())).collect();
        sandbox.send_start(&start(&["true"]));
        sandbox.send_tar(&job(&files));
        let fault = sandbox.fault();
        assert!(fault.from_job && fault.message.contains("too small"), "{scratch}: {fault:?}");
    }
}

#[test]
fn root_is_refused() {
    let mut sandbox = Sandbox::new();
    let mut as_root = start(&["true"]);
    as_root.uid = 0;
    sandbox.send_start(&as_root);
    let fault = sandbox.fault();
    assert!(fault.message.contains("uid 0"), "{fault:?}");
}
