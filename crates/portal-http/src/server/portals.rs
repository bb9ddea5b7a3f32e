//! The operations on portals: from an authorized call to its answer.

use portal_model::{
    ApiError, ApiVersion, CreatePortal, GetPortal, ListPortals, Refusal, RenamePortal, Response,
};
use portal_store::{CreateConflict, Principal, Registry, RenameConflict};

use super::call::Call;
use super::reply::Refused;
use super::route::Operation;
use super::service::Inner;

impl<R: Registry> Inner<R> {
    /// Does what `operation` says for a principal who may.
    pub(super) async fn operate(
        &self,
        call: &Call,
        version: ApiVersion,
        operation: &Operation,
        principal: &Principal,
    ) -> Result<Response, Refused> {
        let org = principal.org.id;
        match operation {
            Operation::List => Ok(ListPortals::answer(&self.registry.portals(org).await?)),
            Operation::Get(name) => {
                Ok(GetPortal::answer(self.registry.portal(org, name).await?.as_ref()))
            }
            Operation::Create => self.create(call, version, principal).await,
            Operation::Rename(old) => self.rename(call, version, old, principal).await,
            Operation::CurrentUser => super::account::current_user(call.uri.query(), principal),
            Operation::Org => Ok(super::account::org(principal)),
        }
    }

    async fn create(
        &self,
        call: &Call,
        version: ApiVersion,
        principal: &Principal,
    ) -> Result<Response, Refused> {
        let CreatePortal { name, .. } = CreatePortal::parse(call.body()?)?;
        let (org, user) = (principal.org.id, principal.user.id);
        match self.registry.create_portal(org, user, &name, self.now()).await? {
            Ok(()) => Ok(CreatePortal::answer(version, name.as_str())),
            Err(CreateConflict::LimitReached) => Err(ApiError::limit_reached(1).into()),
            Err(CreateConflict::NameTaken) => Err(Refusal::Item(ApiError::already_used()).into()),
        }
    }

    async fn rename(
        &self,
        call: &Call,
        version: ApiVersion,
        old: &str,
        principal: &Principal,
    ) -> Result<Response, Refused> {
        let RenamePortal { new, .. } = RenamePortal::parse(old, call.body()?)?;
        let (org, user) = (principal.org.id, principal.user.id);
        match self.registry.rename_portal(org, user, old, &new, self.now()).await? {
            Ok(portal) => Ok(RenamePortal::answer(version, &portal.name)),
            Err(RenameConflict::NotFound) => Err(ApiError::no_such_portal().into()),
            Err(RenameConflict::NameTaken) => Err(Refusal::Item(ApiError::already_used()).into()),
        }
    }
}
