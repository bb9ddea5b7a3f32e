use super::*;

fn entries(bytes: impl AsRef<[u8]>) -> Vec<(usize, String, Vec<String>)> {
    let (entries, problems) = read(bytes.as_ref());
    assert_eq!(problems, []);
    entries.into_iter().map(|entry| (entry.line, entry.profile, entry.names)).collect()
}

fn problems(bytes: impl AsRef<[u8]>) -> Vec<String> {
    read(bytes.as_ref()).1.iter().map(ToString::to_string).collect()
}

fn row(line: usize, profile: &str, names: &[&str]) -> (usize, String, Vec<String>) {
    (line, profile.to_owned(), names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn additions_of_spreadsheets_do_not_matter() {
    let expected = [row(2, "acme", &["AcmePortal"]), row(4, "beta", &["BetaPortal", "Beta2025"])];
    for file in [
        "profile,name,fallback\nacme,AcmePortal,\n\nbeta,BetaPortal,Beta2025\n",
        "\u{feff}profile,name,fallback\r\nacme,AcmePortal,\r\n\r\nbeta,BetaPortal,Beta2025",
        "\"profile\",\"name\",\"fallback\"\n\"acme\",\"AcmePortal\",\"\"\n,,\nbeta,\"BetaPortal \",| Beta2025 |\n",
        "profile; name; fallback\nacme ;AcmePortal;\n;;\nbeta;BetaPortal;Beta2025\n",
        "Profile\tName\tFallback\nacme\tAcmePortal\n\t\t\nbeta\tBetaPortal\tBeta2025\n",
        "name,fallback,profile,\nAcmePortal,,acme,\n   \nBetaPortal,Beta2025,beta,,,\n",
    ] {
        assert_eq!(entries(file), expected, "{file:?}");
    }
}

#[test]
fn marks_of_other_programs_are_no_rows() {
    let row = |line| [row(line, "acme", &["AcmePortal"])];
    for (file, line) in [
        ("sep=;\r\nprofile;name\r\nacme;AcmePortal\r\n", 3),
        ("\u{feff}SEP=,\nprofile,name\nacme,AcmePortal\n", 3),
        ("sep=|\nprofile|name\nacme|AcmePortal\n", 3),
        ("\nsep=\t\nprofile\tname\nacme\tAcmePortal\n", 4),
        ("profile,name\nacme,AcmePortal\n\u{1a}", 2),
        ("profile,name\r\nacme,AcmePortal\r\n\u{1a}\r\n", 2),
        ("profile,name\nacme,AcmePortal\u{1a}", 2),
        ("profile,name\nacme,\"AcmePortal\n\"\n", 2),
        ("profile,name\racme,AcmePortal\r", 2),
        ("profile,name,,\nacme,AcmePortal\u{a0},,\n,,,\n", 2),
    ] {
        assert_eq!(entries(file), row(line), "{file:?}");
    }
    for cell in ["\"Acme\nPortal\"", "\"Acme\r\nPortal\"", "\"Acme\rPortal\""] {
        let found = problems(format!("profile,name\nacme,{cell}\n"));
        assert_eq!(
            found,
            ["line 2: field 2 has a line break: remove it, or close the quote before it"]
        );
    }
}

#[test]
fn line_is_right_after_blank_lines_and_quotes() {
    let file = "\n\nprofile,name\n\r\n\r\na,NameOne\n\n\n\"b\",\"NameTwo\"\nc,NameThree";
    let lines: Vec<_> = entries(file).into_iter().map(|(line, ..)| line).collect();
    assert_eq!(lines, [6, 9, 10]);
}

#[test]
fn wrong_lines_are_named_and_others_are_read() {
    let file =
        b"profile,name,fallback\n,NoProfile,\nacme,AcmePortal,\nacme,,\nb\xe9ta,BetaPortal,\n\
                 a,b,c,d\n\"open,OpenPortal,\nlast,LastPortal,\n";
    assert_eq!(
        problems(file),
        [
            "line 2: missing profile",
            "line 4: missing name",
            "line 5: field 1 has the byte 0xe9, which is not UTF-8: save the file again as \
             \"CSV UTF-8\"",
            "line 6: 4 fields, but the header has 3 columns; fallback names go into the column \
             fallback, separated by |",
            "line 7: field 1 has a line break: remove it, or close the quote before it",
        ]
    );
    let lines: Vec<_> = read(file).0.into_iter().map(|entry| entry.line).collect();
    assert_eq!(lines, [3]);
}

#[test]
fn wrong_header_is_only_problem() {
    for (file, expected) in [
        ("", "line 1: the file is empty"),
        ("\n\r\n", "line 1: the file is empty"),
        ("acme,AcmePortal\nbeta,BetaPortal\n", "line 1: unknown column \"acme\""),
        ("\nname,fallback\nAcmePortal,\n", "line 2: missing column profile"),
        ("profile,fallback\nacme,\n", "line 1: missing column name"),
        ("profile,name,or,fallback\n", "line 1: unknown column \"or\""),
        ("profile,name,nmae\n", "line 1: unknown column \"nmae\""),
        ("profile,name,NAME\n", "line 1: duplicate column name"),
        (
            "Portals 2026,,\nprofile,name\nacme,AcmePortal\n",
            "line 1: unknown column \"Portals 2026\"",
        ),
        ("<html><table><tr><td>profile", "line 1: unknown column \"<html>"),
        ("profile|name\nacme|AcmePortal\n", "line 1: unknown column \"profile|name\""),
        ("profile,name\n\n", "line 1: no rows below the header"),
    ] {
        let found = problems(file);
        assert_eq!(found.len(), 1, "{file:?}: {found:?}");
        assert!(found[0].starts_with(expected), "{file:?}: {found:?}");
    }
}

#[test]
fn file_that_is_not_csv_is_called_what_it_is() {
    for (bytes, expected) in [
        (&b"\xff\xfep\0r\0"[..], "line 1: the file is UTF-16"),
        (b"p\0r\0o\0f\0i\0l\0e\0", "line 1: the file is UTF-16"),
        (b"\0p\0r\0o\0f\0i\0l\0e", "line 1: the file is UTF-16"),
        (b"PK\x03\x04\x14\0xl/workbook.xml", "line 1: this is an Excel workbook"),
        (b"PK\x03\x04\x14\0mimetypeapplication/vnd.oasis.opendocument", "line 1: this is an Open"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "line 1: this is an Excel workbook"),
        (b"%PDF-1.7\n", "line 1: this is a PDF"),
        (b"\x1f\x8b\x08\0\0\0\0\0\x02\xff", "line 1: this is a gzip archive"),
        (b"p\0\0\0r\0\0\0", "line 1: the file is UTF-16"),
    ] {
        let found = problems(bytes);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(expected) && found[0].contains("CSV UTF-8"), "{found:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_explained(bytes: Vec<u8>) {
        let (entries, problems) = read(&bytes);
        proptest::prop_assert!(!entries.is_empty() || !problems.is_empty());
    }

    #[test]
    fn any_bytes_below_header_are_read_or_explained(bytes: Vec<u8>) {
        let mut file = b"profile,name,fallback\n".to_vec();
        file.extend(bytes);
        let (entries, problems) = read(&file);
        proptest::prop_assert!(!entries.is_empty() || !problems.is_empty());
        let lines = file.split(|byte| *byte == b'\n').count();
        proptest::prop_assert!(entries.iter().all(|entry| (2..=lines).contains(&entry.line)));
    }
}

#[test]
fn open_quote_at_end_is_problem() {
    for file in ["profile,name\nacme,\"AcmePor", "profile,name\nacme,\"AcmePortal\n"] {
        let problems = problems(file.as_bytes());
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with("line 2: ") && problems[0].contains("quote"),
            "{problems:?}"
        );
    }
    assert!(problems(b"profile,name\nacme,\"AcmePortal\"").is_empty());
}
