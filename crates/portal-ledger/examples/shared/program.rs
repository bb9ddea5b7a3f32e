//! What the examples share: the arguments of a program that creates one portal.

use std::env;
use std::error::Error;

use portal_ledger::{ClaimRequest, EntryId, Ledger, Wanted};
use portal_model::{CreateOperation, Org, OrgIdentity, PortalName, Secret};

pub(crate) struct Program {
    pub(crate) base_url: String,
    pub(crate) token: Secret,
    pub(crate) request: ClaimRequest,
    pub(crate) ledger: Ledger,
}

impl Program {
    pub(crate) fn from_arguments() -> Result<Self, Box<dyn Error>> {
        let arguments: Vec<_> = env::args().skip(1).collect();
        let [base_url, token, org, name, directory] = &arguments[..] else {
            return Err("expected BASE_URL ACCESS_TOKEN ORG_ID NAME DIRECTORY".into());
        };
        let org = OrgIdentity::new(base_url, "this program").with_org(Some(Org::new(org)));
        let create = CreateOperation::new(PortalName::parse(name)?);
        Ok(Self {
            base_url: base_url.clone(),
            token: Secret::new(token.clone()),
            request: ClaimRequest::new(EntryId::random()?, org, Wanted::Do(create.into())),
            ledger: Ledger::open(directory)?,
        })
    }
}
