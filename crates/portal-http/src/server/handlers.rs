//! The operations under `/crm`: portals, and the user and org that the official SDKs request
//! before anything else.

use portal_model::server::{self, Refusal, rejections};
use portal_model::{ApiError, ApiVersion, CreatePortal, ErrorCode, Portal, RenamePortal, Response};
use portal_store::{CreateConflict, Permission, Principal, Registry, RenameConflict, User};
use serde_json::{Value, json};

use super::past_lists::PastLists;
use super::request::ServerRequest;
use super::response::ServerResponse;
use super::route::Operation;
use super::state::ServiceState;

/// A request under `/crm`, and who sent it.
pub(super) struct Call<'a, R> {
    pub(super) state: &'a ServiceState<R>,
    pub(super) request: &'a ServerRequest,
    pub(super) version: ApiVersion,
    pub(super) principal: &'a Principal,
}

impl<R: Registry> Call<'_, R> {
    /// Performs `operation` for a principal who is authorized; a list comes from `past`, if there is
    /// one.
    pub(super) async fn perform(
        &self,
        operation: &Operation,
        past: Option<&PastLists>,
    ) -> Result<Response, ServerResponse> {
        let (state, org) = (self.state, self.principal.org.id);
        match operation {
            Operation::List => {
                let mut portals = match past {
                    None => state.registry.portals(org).await?,
                    Some(past) => past.look(&state.registry, org, &state.clock).await?,
                };
                for portal in &mut portals {
                    add_login_url(self.version, portal);
                }
                Ok(server::list(&portals))
            }
            Operation::Get(name) => {
                let mut portal = state.registry.portal(org, name).await?;
                if let Some(portal) = &mut portal
                    && self.version == ApiVersion::V8
                {
                    add_login_url(self.version, portal);
                    // A single portal always has it. Here it is never configured: `rename` refuses it.
                    portal.other.insert("saml_configuration", Value::Null);
                }
                Ok(server::portal(portal.as_ref()))
            }
            Operation::Create => self.create().await,
            Operation::Rename(old) => self.rename(old).await,
            Operation::Users => self.users().await,
            Operation::Org => Ok(current_org(self.principal)),
        }
    }

    async fn create(&self) -> Result<Response, ServerResponse> {
        let CreatePortal { name, .. } = server::parse_create(self.request.complete_body()?)?;
        let user = self.principal.user.id;
        let now = self.state.now();
        match self.state.registry.create_portal(user, &name, now).await? {
            Ok(()) => Ok(server::created(self.version, name.as_str())),
            Err(CreateConflict::LimitReached) => Err(rejections::limit_reached(1).into()),
            // About the item, while the limit is about the org: the envelopes differ.
            Err(CreateConflict::NameTaken) => Err(Refusal::Item(rejections::already_used()).into()),
        }
    }

    async fn rename(&self, old: &str) -> Result<Response, ServerResponse> {
        let body = self.request.complete_body()?;
        refuse_saml_configuration(body)?;
        let RenamePortal { new, .. } = server::parse_rename(old, body)?;
        let user = self.principal.user.id;
        let now = self.state.now();
        match self.state.registry.rename_portal(user, old, &new, now).await? {
            Ok(portal) => Ok(server::renamed(self.version, &portal.name)),
            Err(RenameConflict::NotFound) => Err(rejections::no_such_portal().into()),
            Err(RenameConflict::NameTaken) => Err(Refusal::Item(rejections::already_used()).into()),
        }
    }

    /// `GET /crm/{version}/users?type=&page=&per_page=`
    async fn users(&self) -> Result<Response, ServerResponse> {
        let (principal, query) = (self.principal, self.request.head.uri.query());
        let parameters: Vec<_> = server::form_parameters(query.unwrap_or_default()).collect();
        let parameter = |wanted: &str| {
            let mut parameters = parameters.iter();
            parameters.find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
        };
        let invalid = |name: &str| {
            ApiError::new(400, ErrorCode::InvalidData, "invalid data").with("param_name", name)
        };
        let kind = parameter("type").unwrap_or("AllUsers");
        let (_, includes) = USER_TYPES.iter().find(|(name, _)| *name == kind).ok_or_else(|| {
            invalid("type").with("supported_values", USER_TYPES.map(|(name, _)| name).to_vec())
        })?;
        let number = |name: &str, default: usize| match parameter(name) {
            None => Ok(default),
            Some(text) => {
                text.parse().ok().filter(|number| *number > 0).ok_or_else(|| invalid(name))
            }
        };
        let page = number("page", 1)?;
        let per_page = number("per_page", USERS_PER_PAGE)?.min(USERS_PER_PAGE);

        let mut users = if kind == "CurrentUser" {
            // The official SDKs send this one before anything else.
            vec![principal.user.clone()]
        } else {
            self.state.registry.users(principal.org.id).await?
        };
        users.retain(|user| includes(user, principal));
        let before = (page - 1).saturating_mul(per_page);
        let more_records = users.len().saturating_sub(before) > per_page;
        let shown: Vec<_> = users.iter().skip(before).take(per_page).map(user_json).collect();
        if shown.is_empty() {
            return Ok(Response::new(204, ""));
        }
        let info = json!({
            "per_page": per_page, "count": shown.len(), "page": page, "more_records": more_records,
        });
        Ok(Response::new(200, json!({"users": shown, "info": info}).to_string()))
    }
}

/// The field of version 8 that says where customers log in. In a domain that is reserved for
/// examples (RFC 2606): a link to the service's own would lead to a stranger's portal.
fn add_login_url(version: ApiVersion, portal: &mut Portal) {
    if version == ApiVersion::V8 {
        let host = portal.name.to_ascii_lowercase();
        let url = format!("https://{host}.zcrmportals.example");
        portal.other.insert("login_url", url);
    }
}

/// Refuses a change of the SAML configuration, which nothing here would keep: a success would be a
/// lie. The code is the documented one for a value that cannot be set.
fn refuse_saml_configuration(body: &[u8]) -> Result<(), Refusal> {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    let item = body.as_ref().and_then(|body| body.get("portals")?.as_array()?.first());
    if item.and_then(|item| item.get("saml_configuration")).is_none() {
        return Ok(());
    }
    let problem = "saml configuration is not supported by this server";
    Err(Refusal::Item(
        ApiError::new(400, ErrorCode::NotAllowed, problem)
            .with("api_name", "saml_configuration")
            .with("json_path", "$.portals[0].saml_configuration"),
    ))
}

/// The most users of one page, and the default (documentation).
const USERS_PER_PAGE: usize = 200;

/// Whether a type includes a user, for a caller.
type UserFilter = fn(&User, &Principal) -> bool;

/// Each value of `type`, and whether it includes a user. Every user here is active and confirmed.
const USER_TYPES: [(&str, UserFilter); 10] = [
    ("AllUsers", |_, _| true),
    ("ActiveUsers", |_, _| true),
    ("DeactiveUsers", |_, _| false),
    ("ConfirmedUsers", |_, _| true),
    ("NotConfirmedUsers", |_, _| false),
    ("DeletedUsers", |_, _| false),
    ("ActiveConfirmedUsers", |_, _| true),
    ("AdminUsers", |user, _| is_admin(user)),
    ("ActiveConfirmedAdmins", |user, _| is_admin(user)),
    ("CurrentUser", |user, principal| user.id == principal.user.id),
];

fn is_admin(user: &User) -> bool {
    user.permissions.len() == Permission::ALL.len()
}

fn user_json(user: &User) -> Value {
    let (first_name, last_name) = match user.name.rsplit_once(' ') {
        Some((first, last)) => (Some(first), last),
        None => (None, user.name.as_str()),
    };
    let profile = if is_admin(user) { "Administrator" } else { "Standard" };
    let id = user.id.to_string();
    json!({
        "id": id,
        "zuid": id,
        "email": user.email,
        "full_name": user.name,
        "first_name": first_name,
        "last_name": last_name,
        "profile": {"name": profile, "id": id},
        "status": "active",
        "confirm": true,
    })
}

/// `GET /crm/{version}/org`
fn current_org(principal: &Principal) -> Response {
    let id = principal.org.id.to_string();
    let body = json!({"org": [{
        "id": id,
        "zgid": id,
        "company_name": principal.org.name,
        "primary_email": principal.user.email,
    }]});
    Response::new(200, body.to_string())
}
