//! Seeds of the tests' servers.

use portal_store::{SeedCredential, SeedOrg, SeedUser};

/// An org without a portal limit, whose only user has every permission and this credential.
pub(crate) fn org(name: &str, credential: SeedCredential) -> SeedOrg {
    let admin = SeedUser::admin("Ada Admin", "ada.admin@seed.example");
    SeedOrg::new(name).user(admin.credential(credential))
}
