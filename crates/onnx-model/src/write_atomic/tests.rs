use super::*;

fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn writes_new_files_and_replaces_old_ones() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.bin");
    write_atomic(&path, b"first").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"first");
    write_atomic(&path, b"2").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"2");
    assert_eq!(names_in(directory.path()), ["a.bin"]);
}

#[test]
fn a_failure_leaves_the_old_file_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.bin");
    write_atomic(&path, b"old").unwrap();
    let error = write_atomic_with(&path, |file| {
        file.write_all(&[0; 100_000])?;
        Err(ErrorKind::StorageFull.into())
    })
    .unwrap_err();
    assert!(error.to_string().contains("a.bin: the disk is full"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names_in(directory.path()), ["a.bin"]);
}

#[test]
fn says_what_is_wrong_with_the_path() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    write_atomic(&file, b"").unwrap();
    for (path, expected) in [
        (directory.path().join("missing/a.bin"), "missing does not exist, create it first"),
        (directory.path().to_owned(), "it is a directory, add a file name"),
        (file.join("a.bin"), "file is not a directory"),
        (PathBuf::new(), "not a valid file name"),
        (directory.path().join("x".repeat(300)), "not a valid file name"),
    ] {
        let error = write_atomic(&path, b"x").unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(&path.display().to_string()), "{error}");
    }
    assert_eq!(names_in(directory.path()), ["file"]);
}

#[test]
fn a_read_only_file_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.bin");
    write_atomic(&path, b"old").unwrap();
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    let error = write_atomic(&path, b"new").unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode()
    }

    #[test]
    fn a_new_file_has_the_permissions_of_any_new_file_and_an_old_one_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let (path, plain) = (directory.path().join("a.bin"), directory.path().join("plain"));
        write_atomic(&path, b"1").unwrap();
        File::create(&plain).unwrap();
        assert_eq!(mode(&path), mode(&plain));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write_atomic(&path, b"2").unwrap();
        assert_eq!(mode(&path) & 0o777, 0o640);
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        let directory = tempfile::tempdir().unwrap();
        let (link, target) = (directory.path().join("link"), directory.path().join("target"));
        fs::write(&target, b"old").unwrap();
        symlink("target", &link).unwrap();
        write_atomic(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"new");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn devices_are_written_directly() {
    write_atomic("/dev/null", b"gone").unwrap();
    let error = write_atomic("/dev/full", b"x").unwrap_err();
    assert!(error.to_string().contains("/dev/full: the disk is full"), "{error}");
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn a_check_changes_nothing_and_refuses_what_writing_would() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.bin");
    check_writable(&path).unwrap();
    assert!(names_in(directory.path()).is_empty());
    write_atomic(&path, b"old").unwrap();
    check_writable(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names_in(directory.path()), ["a.bin"]);
    for bad in [directory.path().to_owned(), directory.path().join("missing/a.bin"), path.join("a.bin")] {
        let advice = |error: Error| match error {
            Error::Write { path, advice, .. } => (path, advice),
            other => panic!("{other}"),
        };
        assert_eq!(advice(check_writable(&bad).unwrap_err()), advice(write_atomic(&bad, b"").unwrap_err()));
    }
}
