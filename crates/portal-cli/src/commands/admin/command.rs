//! The subcommands and their arguments.

use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser};
use portal_model::{Environment, Scope};
use portal_store::Permission;

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// Add, list or remove orgs
    #[command(subcommand, disable_help_subcommand = true)]
    Org(Org),
    /// Add, list or remove users of an org, or set their permissions
    #[command(subcommand, disable_help_subcommand = true)]
    User(User),
    /// Add, list, rotate or revoke the credentials of users
    #[command(subcommand, disable_help_subcommand = true)]
    Credential(Credential),
    /// Show who changed what, and when
    ///
    /// It has portals, orgs, users, permissions and credentials; of orgs, users and credentials
    /// that a seed file brought, that there was a seed. The name of an operator is what the system
    /// had for it.
    ///
    /// # Examples
    ///
    ///     portal admin log --limit 20 --data ./portals
    #[command(verbatim_doc_comment)]
    Log {
        /// Show this many changes at most
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
    },
    /// Copy a data directory, in use or not, to a new file
    ///
    /// The copy is consistent and has every portal that was acknowledged before. To restore it,
    /// copy it to the file `registry.sqlite` of a new directory, and serve that with `--data`.
    ///
    /// # Examples
    ///
    ///     portal admin backup --data ./portals portals-2026-11-25.sqlite
    #[command(verbatim_doc_comment)]
    Backup {
        /// The file to create
        file: PathBuf,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Org {
    /// Add an org, or restore a removed one
    ///
    /// # Examples
    ///
    ///     portal admin org add Acme --data ./portals
    #[command(verbatim_doc_comment)]
    Add {
        /// Its name, unique in a registry
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        org: String,
        /// Its kind
        #[arg(long, default_value = "production", value_parser = one_of(ENVIRONMENTS, Environment::as_str))]
        environment: Environment,
        /// Allow one portal only
        #[arg(long)]
        one_portal: bool,
    },
    /// List the orgs
    ///
    /// # Examples
    ///
    ///     portal admin org list --data ./portals
    #[command(verbatim_doc_comment)]
    List,
    /// Remove an org, its users and their credentials
    ///
    /// Its portals stay, and their names stay taken. `portal admin org add` restores it, with new
    /// credentials.
    ///
    /// # Examples
    ///
    ///     portal admin org remove Acme --data ./portals
    #[command(verbatim_doc_comment)]
    Remove {
        /// Its name
        org: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum User {
    /// Add a user to an org, or restore a removed one
    ///
    /// To create and rename portals a user needs both permissions.
    ///
    /// # Examples
    ///
    ///     portal admin user add Acme ada@acme.example --name "Ada Lovelace" \
    ///       --permission manage_portal --permission manage_portal_users --data ./portals
    #[command(verbatim_doc_comment)]
    Add {
        /// The name of the org
        org: String,
        /// The e-mail address, unique in the org
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        email: String,
        /// The display name [default: the e-mail address]
        #[arg(long)]
        name: Option<String>,
        /// Allow the user to do this; repeatable
        #[arg(long = "permission", value_name = "PERMISSION", value_parser = one_of(Permission::ALL, Permission::seed_name))]
        permissions: Vec<Permission>,
    },
    /// List those of an org
    ///
    /// # Examples
    ///
    ///     portal admin user list Acme --data ./portals
    #[command(verbatim_doc_comment)]
    List {
        /// The name of the org
        org: String,
    },
    /// Remove a user, and revoke the credentials
    ///
    /// # Examples
    ///
    ///     portal admin user remove Acme ada@acme.example --data ./portals
    #[command(verbatim_doc_comment)]
    Remove {
        /// The name of the org
        org: String,
        /// The e-mail address
        email: String,
    },
    /// Replace the permissions of a user
    ///
    /// # Examples
    ///
    ///     portal admin user set-permissions Acme ada@acme.example manage_portal --data ./portals
    #[command(verbatim_doc_comment)]
    SetPermissions {
        /// The name of the org
        org: String,
        /// The e-mail address
        email: String,
        /// All of the new permissions; none removes them all
        #[arg(value_name = "PERMISSION", value_parser = one_of(Permission::ALL, Permission::seed_name))]
        permissions: Vec<Permission>,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Credential {
    /// Add a new client with a refresh token, and print its secrets once
    ///
    /// The registry keeps hashes only: store what is printed at once.
    ///
    /// # Examples
    ///
    ///     portal admin credential add Acme ada@acme.example --data ./portals
    #[command(verbatim_doc_comment)]
    Add {
        /// The name of the org
        org: String,
        /// The e-mail address of the user
        email: String,
        /// Allow this scope; repeatable [default: portals, and reading users and the org]
        #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
        scopes: Vec<Scope>,
    },
    /// List those of an org
    ///
    /// # Examples
    ///
    ///     portal admin credential list Acme --data ./portals
    #[command(verbatim_doc_comment)]
    List {
        /// The name of the org
        org: String,
    },
    /// Replace the secret of a client, and print the new one once
    ///
    /// The old secret is refused from then on, for all refresh tokens of the client. Access tokens
    /// stay valid for the rest of their hour; `portal admin credential revoke` ends them at once.
    ///
    /// # Examples
    ///
    ///     portal admin credential rotate 1000.3F9A --data ./portals
    #[command(verbatim_doc_comment)]
    Rotate {
        /// The client id
        client_id: String,
    },
    /// Revoke refresh tokens, with the access tokens that came from them
    ///
    /// # Examples
    ///
    ///     portal admin credential revoke 1000.3F9A --data ./portals
    #[command(verbatim_doc_comment)]
    Revoke {
        /// A client id, or the fingerprint of one refresh token as `list` shows it
        #[arg(value_name = "CLIENT_ID|FINGERPRINT")]
        credential: String,
    },
}

const ENVIRONMENTS: [Environment; 3] =
    [Environment::Production, Environment::Sandbox, Environment::Developer];

/// Parses the word of one of `all`.
fn one_of<T: Copy + Send + Sync + 'static, const N: usize>(
    all: [T; N],
    word: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.map(word))
        .try_map(move |text| all.into_iter().find(|it| word(*it) == text).ok_or("unknown"))
}

fn scope(text: &str) -> Result<Scope, &'static str> {
    let is_separator = |character: char| character == ',' || character.is_whitespace();
    if text.is_empty() || text.contains(is_separator) {
        return Err("expected one scope, such as ZohoCRM.settings.clientportal.ALL");
    }
    Ok(Scope::new(text))
}
