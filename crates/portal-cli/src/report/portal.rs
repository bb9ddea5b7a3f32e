//! A portal in one line, and as an object.

use portal_model::Portal;
use portal_model::neutral::printable_line;

/// Columns of a name at most. Those that the service allows have fewer.
const WIDEST: usize = 64;

/// The names of all.
pub(crate) fn names(portals: &[Portal]) -> Vec<&str> {
    portals.iter().map(|portal| portal.name.as_str()).collect()
}

/// How many portals an org has.
pub(crate) fn how_many(names: &[&str]) -> String {
    match names {
        [] => "the org has no portal yet".to_owned(),
        [name] => format!("the org has the portal {}", cell(name)),
        names => format!("the org has {} portals", names.len()),
    }
}

/// A name of the service's as it fits into a table or a sentence.
pub(crate) fn cell(name: &str) -> String {
    let name = printable_line(name);
    if name.chars().count() <= WIDEST {
        return name;
    }
    name.chars().take(WIDEST - 1).chain(['…']).collect()
}

/// `PortalsAPItest100`, `active`, `created 2021-11-25T16:13:33+05:30 by Patricia Boyle`
pub(crate) fn cells(portal: &Portal) -> [String; 3] {
    let active = match portal.active {
        Some(true) => "active",
        Some(false) => "inactive",
        None => "",
    };
    let created = portal.created_time.map(|time| format!("created {time}"));
    let by = portal.created_by.as_ref().map(|user| format!("by {}", cell(&user.name)));
    let created = created.into_iter().chain(by).collect::<Vec<_>>().join(" ");
    [cell(&portal.name), active.to_owned(), created]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_break_in_name_forges_no_line() {
        let portal: Portal = serde_json::from_value(serde_json::json!({
            "name": "Acme\nerror: forged",
            "created_by": { "name": "Eve\r\u{1b}[2K\nfake  active", "id": "7" },
        }))
        .unwrap();
        let lines = [
            cells(&portal).join("  "),
            how_many(&names(std::slice::from_ref(&portal))),
            portal_model::Org::new("7\n8").named(Some("Acme\nInc.".to_owned())).to_string(),
        ];
        for line in lines {
            assert!(!line.contains(char::is_control), "{line:?}");
            assert!(line.contains("Acme\u{fffd}"), "{line:?}");
        }
    }
}
