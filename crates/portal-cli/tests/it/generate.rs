//! Manual pages.

use crate::support::Home;

#[test]
fn each_command_has_manual_page() {
    let home = Home::new();
    let page = home.run(&["man"]).stdout;
    assert!(page.starts_with(".ie") && page.contains("portal\\-check"), "{page}");
    let page = home.run(&["man", "check"]).stdout;
    assert!(page.contains("portal\\-check") && page.contains("\\-\\-from"), "{page}");
    assert_eq!(home.run(&["man", "nonsense"]).status, 2);
}
