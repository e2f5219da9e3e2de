//! Real folders on a real file system.

use std::os::unix::fs::symlink;

use super::*;

const BOUNDS: Protocol = Protocol {
    body_bytes_max: 100,
    files_max: 4,
    path_bytes_max: 255,
    path_depth_max: 16,
    result_bytes_max: 1,
    results_stored_max: 1,
    results_stored_seconds: 1,
    lifetime_seconds_max: 1,
};

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn names(gathered: &Gathered) -> Vec<&str> {
    gathered.files.iter().map(|file| file.path.as_str()).collect()
}

#[test]
fn a_folder_is_taken_with_all_below_it_in_order_and_without_its_caches() {
    let folder = folder(&[("b.py", b"\xff\0"), ("a/x.py", b"1"), (".git/config", b"2"), ("a/__pycache__/x.pyc", b"3")]);
    let gathered = gather(&[folder.path().to_owned()], &BOUNDS).unwrap();
    assert_eq!(names(&gathered), ["a/x.py", "b.py"]);
    assert_eq!(gathered.files[1].content, b"\xff\0");
    assert_eq!((gathered.entry.as_str(), gathered.profile), ("a/x.py", "python"));
}

#[test]
fn files_keep_their_order_and_main_py_is_the_entry() {
    let folder = folder(&[("z.py", b""), ("deep/main.py", b"")]);
    let paths = [folder.path().join("z.py"), folder.path().join("deep/main.py")];
    let gathered = gather(&paths, &BOUNDS).unwrap();
    assert_eq!(names(&gathered), ["z.py", "main.py"]);
    assert_eq!(gathered.entry, "main.py");
    assert_eq!(gather(&paths[..1], &BOUNDS).unwrap().entry, "z.py");
}

#[test]
fn a_test_file_anywhere_makes_it_a_suite() {
    for name in ["test_a.py", "sub/a_test.py"] {
        let folder = folder(&[("a.py", b""), (name, b"")]);
        assert_eq!(gather(&[folder.path().to_owned()], &BOUNDS).unwrap().profile, "pytest", "{name}");
    }
    for name in ["test_a.txt", "testa.py", "my_test.py.bak", "test_x/a.py"] {
        let folder = folder(&[(name, b"")]);
        assert_eq!(gather(&[folder.path().to_owned()], &BOUNDS).unwrap().profile, "python", "{name}");
    }
}

#[test]
fn executable_files_stay_executable() {
    let folder = folder(&[("run", b"")]);
    let path = folder.path().join("run");
    assert!(!gather(std::slice::from_ref(&path), &BOUNDS).unwrap().files[0].executable);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(gather(&[path], &BOUNDS).unwrap().files[0].executable);
}

#[test]
fn links_folders_among_files_doubles_and_nothing_are_refused() {
    let folder = folder(&[("a.py", b""), ("b/a.py", b"")]);
    let at = |name: &str| folder.path().join(name);
    symlink("/etc/passwd", at("link")).unwrap();
    assert!(matches!(gather(&[at("link")], &BOUNDS), Err(FilesError::Symlink(_))));
    assert!(matches!(gather(&[folder.path().to_owned()], &BOUNDS), Err(FilesError::Symlink(_))));
    assert!(matches!(gather(&[at("a.py"), at("b")], &BOUNDS), Err(FilesError::FolderAmongFiles(_))));
    assert!(matches!(gather(&[at("a.py"), at("b/a.py")], &BOUNDS), Err(FilesError::Duplicate(_))));
    assert!(matches!(gather(&[at("missing")], &BOUNDS), Err(FilesError::Read { .. })));
    assert!(matches!(gather(&[PathBuf::from("/dev/null")], &BOUNDS), Err(FilesError::Special(_))));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(gather(&[empty.path().to_owned()], &BOUNDS), Err(FilesError::Empty(_))));
}

#[test]
fn bytes_and_files_are_bounded_over_the_whole_job() {
    let fits = folder(&[("a", &[b'x'; 60]), ("b", &[b'x'; 40])]);
    assert!(gather(&[fits.path().to_owned()], &BOUNDS).is_ok());
    let large = folder(&[("a", &[b'x'; 60]), ("b", &[b'x'; 41])]);
    assert!(matches!(gather(&[large.path().to_owned()], &BOUNDS), Err(FilesError::TooLarge { max: 100 })));
    let many = folder(&[("a", b""), ("b", b""), ("c", b""), ("d", b""), ("e", b"")]);
    assert!(matches!(gather(&[many.path().to_owned()], &BOUNDS), Err(FilesError::TooMany { max: 4 })));
}

#[test]
fn stdin_is_a_files_bytes_or_nothing_and_is_bounded_too() {
    let folder = folder(&[("fits", &[0xff; 100]), ("large", &[0xff; 101])]);
    let read = |name: &str| stdin(Some(&folder.path().join(name)), &BOUNDS);
    assert_eq!(read("fits").unwrap(), [0xff; 100]);
    assert!(matches!(read("large"), Err(FilesError::TooLarge { max: 100 })));
    assert!(matches!(read("missing"), Err(FilesError::Read { .. })));
    assert_eq!(stdin(None, &BOUNDS).unwrap(), b"");
}
