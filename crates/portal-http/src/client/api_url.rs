//! [`ApiUrl`]: the API host that a client sends to, and how a token response changes it.

use std::sync::{PoisonError, RwLock};

use portal_model::datacenter::{ApiDomain, ApiDomainChange, origin};
use portal_model::flow::TokenError;

use super::base_url::{BaseUrl, InvalidBaseUrl};

/// The base URL of the API, as far as it is known.
#[derive(Debug)]
pub(super) struct ApiUrl {
    configured: ApiDomain,
    /// The origin of the accounts server, which may name an API of its own.
    accounts: Option<String>,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    url: Option<BaseUrl>,
    mismatch: Option<String>,
}

impl ApiUrl {
    pub(super) fn new(
        configured: ApiDomain,
        accounts_url: Option<&str>,
    ) -> Result<Self, InvalidBaseUrl> {
        let url = configured.url().map(|url| url.parse::<BaseUrl>()).transpose()?;
        let configured = match (configured, &url) {
            // In the form in which the accounts server names it.
            (ApiDomain::Given(_), Some(url)) => ApiDomain::Given(url.to_string()),
            (configured, _) => configured,
        };
        let accounts = accounts_url.map(origin);
        Ok(Self { configured, accounts, known: RwLock::new(Known { url, mismatch: None }) })
    }

    /// Whether it is the accounts server's own origin, or the API beside it: the service has data
    /// centers that are not known here.
    fn is_of_accounts(&self, api: &str) -> bool {
        let Some(accounts) = &self.accounts else { return false };
        let domain = accounts.strip_prefix("accounts.zoho.");
        accounts == api || domain.is_some_and(|domain| api == format!("www.zohoapis.{domain}"))
    }

    pub(super) fn get(&self) -> Option<BaseUrl> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).url.clone()
    }

    pub(super) fn mismatch(&self) -> Option<String> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).mismatch.clone()
    }

    /// Processes the `api_domain` of a token response.
    pub(super) fn learn(&self, api_domain: Option<&str>) -> Result<(), TokenError> {
        let local = |why| Err(TokenError::Local(why));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match api_domain.map(|url| self.configured.after(url)) {
            None | Some(ApiDomainChange::Keep) => {}
            Some(ApiDomainChange::Mismatch(url)) if self.configured != ApiDomain::Unset => {
                if known.mismatch.as_ref() != Some(&url) {
                    let used = known.url.as_ref().map(BaseUrl::as_str);
                    tracing::warn!(used, named = url, "the accounts server names another API");
                    known.mismatch = Some(url);
                }
            }
            // A forged response of the accounts server must not lead the token away.
            Some(ApiDomainChange::Mismatch(url)) if !self.is_of_accounts(&origin(&url)) => {
                return local(format!(
                    "the accounts server named the API {url}, which is not one of Zoho's: set the \
                     API's URL if it is right"
                ));
            }
            Some(ApiDomainChange::Use(url) | ApiDomainChange::Mismatch(url)) => {
                let url: BaseUrl = match url.parse() {
                    Ok(url) => url,
                    Err(why) => {
                        return local(format!(
                            "the accounts server named an invalid API URL: {why}"
                        ));
                    }
                };
                if known.url.as_ref() != Some(&url) {
                    tracing::info!(%url, "the accounts server named the API");
                    known.url = Some(url);
                }
            }
        }
        if known.url.is_none() {
            let why = "the accounts server did not name the API: set its URL or a data center";
            return local(why.to_owned());
        }
        Ok(())
    }
}
