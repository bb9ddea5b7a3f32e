//! `TESTING.md`: its fixtures are files that are run, and Rust's is run here; `.ci/fixtures` runs the others.

use std::path::Path;

#[path = "../fixtures/rust/signup.rs"]
mod signup;

#[test]
fn fixtures_on_page_are_files_that_are_run() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(directory.join(path)).unwrap();
    let page = read("TESTING.md");
    for (language, file) in [
        ("python", "pytest/test_signup.py"),
        ("js", "node/signup.test.mjs"),
        ("go", "go/signup_test.go"),
        ("java", "junit/SignupTest.java"),
        ("rust", "rust/signup.rs"),
    ] {
        let block = format!("\n```{language}\n{}```\n", read(&format!("tests/fixtures/{file}")));
        assert!(page.contains(&block), "the block of {file} differs from it");
    }
}
