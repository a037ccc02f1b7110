//! `hipflask cookie`: session cookies.

mod decode;
mod sign;
mod verify;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Command, Subcommand};
use hipflask_core::codec::{OpenError, SessionCodec, SessionCodecBuilder};
use hipflask_core::session::SessionDict;
use hipflask_core::signing::{Compression, Derivation, Digest};
use hipflask_core::tagged::KeyOrder;
use hipflask_explain::advice::{Wording, refused};

use crate::failure::Failure;
use crate::human::{self, Page};
use crate::keys::Keys;

/// Arguments of `cookie`.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct CookieArgs {
    #[command(subcommand)]
    command: CookieCommand,
}

#[derive(Debug, Subcommand)]
enum CookieCommand {
    Decode(decode::Decode),
    Verify(verify::Verify),
    Sign(sign::Sign),
}

impl CookieArgs {
    pub(crate) fn run(self) -> Result<bool, Failure> {
        match self.command {
            CookieCommand::Decode(arguments) => arguments.run(),
            CookieCommand::Verify(arguments) => arguments.run(),
            CookieCommand::Sign(arguments) => arguments.run(),
        }
    }
}

/// Hides options without effect. All three commands accept the same options, so that one command
/// line works for all.
pub(crate) fn polish(command: Command) -> Command {
    let hide = |command: Command, options: &[&'static str]| {
        options.iter().fold(command, |command, &option| command.mut_arg(option, |arg| arg.hide(true)))
    };
    command
        .mut_subcommand("decode", |decode| hide(decode, &["salt", "digest", "derivation", "compress"]))
        .mut_subcommand("verify", |verify| hide(verify, &["compress"]))
}

/// The signing settings of the app.
#[derive(Debug, Args)]
#[command(next_help_heading = "How the app signs")]
struct Signing {
    /// The salt: the app's `SecureCookieSessionInterface.salt`
    #[arg(long, default_value = "cookie-session")]
    salt: String,
    /// The hash function
    #[arg(
        long,
        default_value_t = Digest::Sha1,
        value_parser = PossibleValuesParser::new(["sha1", "sha256", "sha512"]).try_map(|name| name.parse::<Digest>())
    )]
    digest: Digest,
    /// The derivation of the signing key from the secret key
    #[arg(
        long,
        default_value_t = Derivation::Hmac,
        value_parser = PossibleValuesParser::new(["hmac", "concat", "django-concat", "none"])
            .try_map(|name| name.parse::<Derivation>())
    )]
    derivation: Derivation,
    /// When to deflate the payload: from 1 KiB on, whenever it saves two bytes (as Flask does), or never
    #[arg(
        long,
        default_value_t = Compression::WhenItPays,
        value_parser = PossibleValuesParser::new(["when-it-pays", "flask", "never"])
            .try_map(|name| name.parse::<Compression>())
    )]
    compress: Compression,
}

impl Signing {
    /// Creates a codec with these keys and settings. Warns about weak keys.
    fn codec(&self, keys: &Keys) -> SessionCodecBuilder {
        keys.warnings.iter().for_each(|warning| human::warn(warning));
        SessionCodec::builder(keys.ring.clone())
            .salt(&self.salt)
            .digest(self.digest)
            .derivation(self.derivation)
            .compression(self.compress)
    }
}

/// Returns the session as in the cookie, with its order of keys.
fn json(session: &SessionDict) -> Result<Vec<u8>, OpenError> {
    session.to_json(KeyOrder::Insertion).map_err(OpenError::Json)
}

/// Shows why `value` was refused. `digest` is that of the signature, if it was checked.
fn refuse(page: &mut Page, value: &str, error: &OpenError, digest: Option<Digest>) {
    let refusal = refused(value, error, digest, Wording::COMMAND);
    page.bad(refusal.title);
    page.rows(&refusal.rows);
    page.points(refusal.heading, &refusal.points);
}

const EXAMPLES: &str = "\
Examples:
  hipflask cookie decode VALUE
  hipflask cookie verify --key-env SECRET_KEY VALUE
  hipflask cookie sign --key-env SECRET_KEY '{\"user\": \"ada\"}'

VALUE is the cookie's value, or a whole Cookie or Set-Cookie line, with or without the header's name. In a line, the first \
cookie with `session` in its name is used, or else the first that looks like a session. If VALUE is `-`, the values are \
read from standard input, one per line, and each result is one line of JSON.";
