//! The default org, of a server without a seed; its [`OrgCredentials`] are stored in a file.

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::Context as _;
use portal_http::client::Credential;
use portal_model::{Scope, Secret};
use portal_store::{RegistryError, Seed, SeedCredential, SeedGrant, SeedOrg, SeedUser, token};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::sys::private_file::refuse_if_others_can_read;
use crate::sys::{directories, toml_file};

/// What acts in an org: the default one, which has no limit and a single user with every permission,
/// or one of a seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OrgCredentials {
    pub(crate) client_id: String,
    #[serde(serialize_with = "portal_http::model::secret::serialize_exposed")]
    pub(crate) client_secret: Secret,
    #[serde(serialize_with = "portal_http::model::secret::serialize_exposed")]
    pub(crate) refresh_token: Secret,
}

impl OrgCredentials {
    const FILE: &str = "default-org.toml";

    /// The name of the org.
    pub(crate) const NAME: &str = "Default org";

    /// Generates credentials in the service's format.
    pub(crate) fn generate() -> Result<Self, RegistryError> {
        Ok(Self {
            client_id: token::generate_client_id()?,
            client_secret: token::generate_client_secret()?,
            refresh_token: token::generate()?,
        })
    }

    /// The first of a seed's org that have a refresh token.
    pub(crate) fn of(org: &SeedOrg) -> Option<Self> {
        org.users.iter().flat_map(|user| &user.credentials).find_map(|credential| {
            let SeedGrant::RefreshToken(refresh_token) = &credential.grant else { return None };
            Some(Self {
                client_id: credential.client_id.clone(),
                client_secret: credential.client_secret.clone(),
                refresh_token: refresh_token.clone(),
            })
        })
    }

    /// Returns the credentials in `directory`. The first process, of any number at once, generates
    /// them.
    pub(crate) fn load_or_create(directory: &Path) -> anyhow::Result<Self> {
        directories::make_private(directory)?;
        let path = directory.join(Self::FILE);
        if !path.exists() {
            let written = Self::generate()?.write(directory);
            written.with_context(|| format!("{} can't be written", path.display()))?;
        }
        refuse_if_others_can_read(&path)?;
        // Quotes neither the file nor the parser, because either could show a secret.
        let explain = |_: &toml::de::Error| {
            "expected the texts client_id, client_secret and refresh_token; move the file away, and \
             new ones are made"
                .to_owned()
        };
        toml_file::parse(&path, &toml_file::read(&path)?, explain)
    }

    /// Writes the file atomically, and never replaces one that another process wrote meanwhile.
    fn write(&self, directory: &Path) -> anyhow::Result<()> {
        const NOTE: &str =
            "# The credentials of the default org of the server on this directory.\n";
        let mut file = NamedTempFile::new_in(directory)?;
        write!(file, "{NOTE}{}", toml::to_string(self)?)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(directory.join(Self::FILE)) {
            Err(error) if error.error.kind() != ErrorKind::AlreadyExists => Err(error.error.into()),
            _ => Ok(()),
        }
    }

    pub(crate) fn credential(self) -> Credential {
        Credential::refresh_token(self.client_id, self.client_secret, self.refresh_token)
    }

    /// With every scope.
    pub(crate) fn seed_credential(&self) -> SeedCredential {
        let Self { client_id, client_secret, refresh_token } = self.clone();
        SeedCredential::refresh_token(client_id, client_secret, refresh_token).scopes([
            Scope::PORTAL_ALL,
            Scope::USERS_READ,
            Scope::ORG_READ,
        ])
    }

    /// Returns the seed that adds the default org to a registry.
    pub(crate) fn seed(&self) -> Seed {
        let credential = self.seed_credential();
        let user = SeedUser::admin("Default user", "user@default.example").credential(credential);
        Seed::new([SeedOrg::new(Self::NAME).user(user)])
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn concurrent_processes_share_credentials() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("made/on/the/way");
        let kept: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| OrgCredentials::load_or_create(&directory).unwrap()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(kept.iter().all(|org| *org == kept[0]));
        let files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
    }

    #[test]
    fn invalid_file_is_reported_without_secrets() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(OrgCredentials::FILE);
        // Rewriting keeps the mode.
        OrgCredentials::load_or_create(directory.path()).unwrap();
        for text in ["client_id = \"1\"\nclient_secret = \"hush\" x", "\nclient_secret = 404404"] {
            fs::write(&path, text).unwrap();
            let message =
                format!("{:#}", OrgCredentials::load_or_create(directory.path()).unwrap_err());
            assert!(message.contains("default-org.toml, line 2: expected"), "{message}");
            assert!(!message.contains("hush") && !message.contains("404404"), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        OrgCredentials::load_or_create(directory.path()).unwrap();
        let path = directory.path().join(OrgCredentials::FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let message = OrgCredentials::load_or_create(directory.path()).unwrap_err().to_string();
        assert!(message.contains("chmod 600"), "{message}");
    }
}
