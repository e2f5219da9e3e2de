//! Each wall with a hole in it, and without.

use super::super::super::Wall;
use super::super::super::samples::{expected, mount, surroundings};
use super::super::INSIDE;
use super::*;

/// The walls that do not hold.
fn fallen(found: &Surroundings) -> Vec<(Wall, String)> {
    let expected = expected();
    INSIDE
        .iter()
        .filter_map(|(wall, judge)| match judge(found, &expected) {
            Verdict::Held(_) => None,
            Verdict::Broken(seen) | Verdict::CannotBeGiven(seen) | Verdict::NotAttacked(seen) => Some((*wall, seen)),
        })
        .collect()
}

/// Exactly this wall falls, and says this.
#[track_caller]
fn falls(wall: Wall, says: &str, change: impl FnOnce(&mut Surroundings)) {
    let mut found = surroundings();
    change(&mut found);
    let fallen = fallen(&found);
    assert_eq!(fallen.iter().map(|(wall, _)| *wall).collect::<Vec<_>>(), [wall], "{fallen:?}");
    assert!(fallen[0].1.contains(says), "{fallen:?}");
}

fn status(name: &'static str, value: &'static str) -> impl FnOnce(&mut Surroundings) {
    move |found| drop(found.status.insert(name.to_owned(), value.to_owned()))
}

fn came(what: &'static str, outcome: &'static str) -> impl FnOnce(&mut Surroundings) {
    move |found| drop(found.attempts.insert(what.to_owned(), outcome.to_owned()))
}

#[test]
fn where_every_wall_stands_each_of_them_holds() {
    assert_eq!(fallen(&surroundings()), []);
}

#[test]
fn an_attempt_that_came_to_something_or_was_not_made_is_a_hole() {
    let walls = [
        (Wall::Network, ADDRESSES),
        (Wall::SocketFamilies, FAMILIES),
        (Wall::ReadOnlyRoot, FILES),
        (Wall::PseudoTerminals, TERMINALS),
        (Wall::SharedMemory, QUEUES),
        (Wall::RunnerHidden, RUNNER),
        (Wall::DenyList, CALLS),
        (Wall::ProcMasks, PROC),
    ];
    for (wall, attempts) in walls {
        for (what, _) in attempts {
            falls(wall, what, came(what, "done"));
            falls(wall, "was not tried", |found| drop(found.attempts.remove(*what)));
        }
    }
}

#[test]
fn another_error_than_the_walls_own_is_no_proof() {
    falls(Wall::Network, "no answer", came("tcp 192.0.2.1", "no answer"));
    falls(Wall::Network, "ECONNREFUSED", came("tcp 169.254.169.254", "ECONNREFUSED"));
    falls(Wall::SocketFamilies, "EPERM", came("socket alg", "EPERM"));
    falls(Wall::DenyList, "EINVAL", came("ptrace", "EINVAL"));
    falls(Wall::RunnerHidden, "EIO", came("open /proc/1/mem", "EIO"));
}

#[test]
fn a_device_besides_loopback_is_a_network_and_an_idle_tunnel_is_none() {
    falls(Wall::Network, "eth0", |found| found.devices.push("eth0".to_owned()));
    let mut found = surroundings();
    found.devices.push("sit0".to_owned());
    assert_eq!(fallen(&found), []);
}

#[test]
fn what_can_be_written_outside_of_scratch_is_found_wherever_it_is() {
    falls(Wall::ReadOnlyRoot, "the root is mounted writable", |found| found.mounts[0].options = vec!["rw".to_owned()]);
    falls(Wall::ReadOnlyRoot, "/srv is mounted writable", |found| {
        found.mounts.push(mount("/srv", "ext4", "rw,relatime", "EACCES"));
    });
    falls(Wall::ReadOnlyRoot, "made in /tester", |found| {
        found.mounts.retain(|mount| mount.point != "/tester");
        found.mounts.push(mount("/tester", "tmpfs", "rw", "done"));
    });
    falls(Wall::ReadOnlyRoot, "not among the mounts", |found| found.mounts.retain(|mount| mount.point != "/"));
    falls(Wall::ImageVolumes, "/data is writable", |found| {
        found.mounts.retain(|mount| mount.point != "/data");
        found.mounts.push(mount("/data", "ext4", "rw,relatime", "done"));
    });
}

#[test]
fn any_power_that_is_left_is_found() {
    falls(Wall::Capabilities, "CapEff", status("CapEff", "0000000000200000"));
    falls(Wall::Capabilities, "more than it needs", status("CapBnd", "00000000002000e0"));
    falls(Wall::Capabilities, "not shown", |found| drop(found.status.remove("CapAmb")));
    falls(Wall::NoNewPrivileges, "NoNewPrivs is 0", status("NoNewPrivs", "0"));
    falls(Wall::JobUid, "Uid is", status("Uid", "20007\t20007\t0\t20007"));
    falls(Wall::JobUid, "Groups is", status("Groups", "0"));
    falls(Wall::DenyList, "no filter", status("Seccomp", "0"));
    falls(Wall::DenyList, "the daemon's own", status("Seccomp_filters", "1"));
    let mut older = surroundings();
    older.status.remove("Seccomp_filters");
    assert_eq!(fallen(&older), [], "a kernel that does not count them");
}

#[test]
fn a_descriptor_or_a_score_that_is_not_as_it_must_be_is_found() {
    falls(Wall::Descriptors, "[0, 1, 2, 7]", |found| found.descriptors.push(7));
    falls(Wall::OomPreference, "is 0", |found| found.oom_score = "0".to_owned());
}

#[test]
fn sizes_are_those_of_the_blueprint() {
    let folder = |found: &mut Surroundings, path: &str, bytes: u64, files: u64| {
        let folder = found.folders.get_mut(path).unwrap();
        (folder.bytes, folder.files) = (bytes, files);
    };
    let print = expected().print;
    falls(Wall::ScratchSize, "/box has room", |found| folder(found, "/box", 1 << 40, print.scratch_files));
    falls(Wall::ScratchSize, "/tmp has room for 0 bytes", |found| folder(found, "/tmp", 0, print.scratch_files));
    falls(Wall::ScratchFiles, "0: without limit", |found| folder(found, "/tmp", print.scratch_bytes, 0));
    falls(Wall::ScratchFiles, "/box", |found| folder(found, "/box", print.scratch_bytes, print.scratch_files + 1));
    falls(Wall::SharedMemory, "/dev/shm", |found| folder(found, "/dev/shm", 1 << 40, 1));
    falls(Wall::SharedMemory, "in 0 files", |found| folder(found, "/dev/shm", print.shm_bytes, 0));
    falls(Wall::SharedMemory, "cannot be looked at", |found| found.folders.retain(|path, _| path != "/dev/shm"));
    falls(Wall::ScratchSize, "/tmp is mounted without noexec", |found| {
        found
            .mounts
            .iter_mut()
            .find(|mount| mount.point == "/tmp")
            .unwrap()
            .options
            .retain(|option| option != "noexec");
    });
}

#[test]
fn resource_limits_are_both_as_asked() {
    for (wall, name) in [(Wall::FileSize, "file_bytes"), (Wall::OpenFiles, "open_files"), (Wall::CoreDumps, "core")] {
        falls(wall, "hard unlimited", |found| found.limits.get_mut(name).unwrap().1 = None);
        falls(wall, "the limit is 7", |found| found.limits.get_mut(name).unwrap().0 = Some(7));
    }
}
