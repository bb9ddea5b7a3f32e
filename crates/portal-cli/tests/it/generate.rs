//! Completions and manual pages.

use crate::support::Home;

#[test]
fn completions_know_all_commands() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = home.run(&["completions", shell]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{shell}");
        assert!(ran.stdout.contains("explain"), "{shell}");
    }
}

#[test]
fn each_command_has_manual_page() {
    let home = Home::new();
    let page = home.run(&["man"]).stdout;
    assert!(page.starts_with(".ie") && page.contains("portal\\-check"), "{page}");
    let page = home.run(&["man", "check"]).stdout;
    assert!(page.contains("portal\\-check") && page.contains("\\-\\-from"), "{page}");
    assert_eq!(home.run(&["man", "nonsense"]).status, 2);
}
