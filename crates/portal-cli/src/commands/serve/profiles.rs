//! `portal serve profiles`: a profile for each org of a running server.

use std::collections::BTreeMap;

use portal_http::client::Client;
use portal_model::GetOrg;
use portal_model::flow::Policy;

use crate::commands::batch::counted;
use crate::commands::profiles;
use crate::org::profile::{self, Profile, Profiles};
use crate::org::running::Running;
use crate::report::failure::{ExitClass, Failure};
use crate::sys::directories;
use crate::terminal::printer::Printer;

pub(super) async fn run(port: Option<u16>, printer: &Printer) -> Result<ExitClass, Failure> {
    let running = Running::find(port)?;
    let directory = directories::config()?;
    let earlier = Profiles::load(&directory)?;
    earlier.check_secrets()?;
    let mut new = BTreeMap::new();
    for org in &running.orgs {
        let Some(credentials) = &org.credentials else { continue };
        let name = unused(&new, &org.name);
        // Only those that a rehearsal can have left.
        let kept = earlier.entries().get(&name).filter(|entry| !entry.hosts.is_this_machine());
        if let Some(kept) = kept {
            let message = format!("there is a profile {name}, for {}", kept.place());
            let hint = format!("run `portal profiles rename {name} NEW` first");
            return Err(Failure::usage(message).hint(hint));
        }
        new.insert(name, Profile::of_server(&running.url, credentials.clone()));
    }
    let without = counted(running.orgs.len() - new.len(), "org");
    if new.is_empty() {
        let url = &running.url;
        let none =
            anyhow::anyhow!("no profile is stored: {without} at {url}, none with a refresh token");
        return Err(Failure::from(none).hint("exchange the code of each org by `portal login`"));
    }
    if new.len() < running.orgs.len() {
        printer.warning(format_args!("no profile is stored for {without} without a refresh token"));
    }
    for (name, profile) in &mut new {
        let client: Client = profile.target(name, None).client(Policy::default())?;
        // The token may lack the scope.
        profile.entry.org = client.call(&GetOrg).await.ok();
        profile::store(&directory, name, profile)?;
    }
    profiles::list(&Profiles::load(&directory)?, |name| new.contains_key(name), printer);
    printer.note("Next: portal doctor");
    Ok(ExitClass::Success)
}

/// The name of an org as that of a profile: `acme-inc` of `Acme Inc.`, or `acme-inc-2`.
fn unused(taken: &BTreeMap<String, Profile>, org: &str) -> String {
    const MAX: usize = 60;
    let words = org.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut name = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    name.truncate(MAX);
    if name.is_empty() {
        "org".clone_into(&mut name);
    }
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    names.find(|name| !taken.contains_key(name)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::org::default_org::OrgCredentials;

    #[test]
    fn profiles_are_named_after_orgs() {
        let mut taken = BTreeMap::new();
        for (org, expected) in [
            ("acme", "acme"),
            ("Acme Inc.", "acme-inc"),
            ("  acme/inc ", "acme-inc-2"),
            ("ACME", "acme-2"),
            ("-x", "x"),
            ("\u{6771}\u{4eac}", "org"),
            ("\u{5927}\u{962a}", "org-2"),
            (&"a ".repeat(40), &"a-".repeat(30)),
        ] {
            let name = unused(&taken, org);
            assert_eq!(name, expected, "{org}");
            profile::check_name(&name).unwrap();
            taken.insert(name, Profile::of_server("", OrgCredentials::generate().unwrap()));
        }
    }
}
