//! A portal in one line.

use portal_model::Portal;

/// `PortalsAPItest100  active    created 2021-11-25T16:13:33+05:30 by Patricia Boyle`
pub(crate) fn line(portal: &Portal, width: usize) -> String {
    let active = match portal.active {
        Some(true) => "active",
        Some(false) => "inactive",
        None => "",
    };
    let created = portal.created_time.map(|time| format!("  created {time}")).unwrap_or_default();
    let by = portal.created_by.as_ref().map(|user| format!(" by {}", user.name));
    let name = &portal.name;
    format!("{name:width$}  {active:8}{created}{}", by.unwrap_or_default()).trim_end().to_owned()
}
