//! `hipflask store`: sessions in a store.

mod copy;
mod count;
mod filter;
mod listing;
mod ls;
mod output;
mod place;
mod progress;
mod purge;
mod reference;
mod rm;
mod show;
mod stop;

use clap::{Args, Subcommand};

use crate::failure::Failure;

/// Arguments of `store`.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    Ls(ls::Ls),
    Show(show::Show),
    Rm(rm::Rm),
    Purge(purge::Purge),
    Count(count::Count),
    Copy(copy::Copy),
}

/// Returns `true` for an argument with a password, which no message may repeat.
pub(super) use place::has_password;

impl StoreArgs {
    pub(crate) fn run(self) -> Result<bool, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Failure::Runtime)?;
        let done = runtime.block_on(async {
            let mut stop = stop::Stop::on_interrupt();
            match self.command {
                StoreCommand::Ls(arguments) => arguments.run(&mut stop).await,
                StoreCommand::Show(arguments) => arguments.run(&mut stop).await,
                StoreCommand::Rm(arguments) => arguments.run(&mut stop).await,
                StoreCommand::Purge(arguments) => arguments.run(&mut stop).await,
                StoreCommand::Count(arguments) => arguments.run(&mut stop).await,
                StoreCommand::Copy(arguments) => arguments.run(&mut stop).await,
            }
        });
        // A thread may still wait for standard input.
        runtime.shutdown_background();
        done
    }
}

const EXAMPLES: &str = "\
Examples:
  export HIPFLASK_STORE=redis://127.0.0.1:6379/0
  hipflask store ls                               list the sessions
  hipflask store show 1e00519e                    show one, found by its short hash
  hipflask store rm --where user_id=7             log a user out everywhere
  hipflask store copy file:./flask_session sqlite:app.db

Stores:
  file:./flask_session                            Flask-Session's directory (cachelib)
  sqlite:app.db  postgres://..  mysql://..        Flask-Session's table
  redis://host:6379/0  rediss://..  redis+cluster://..  redis+sentinel://..  redis+unix:..
  memcached://a,b  mongodb://host/db  dynamodb://Sessions?region=..

Put a URL with a password into a variable, not into the arguments. HIPFLASK_STORE is used without --store, and \
`env:NAME` is the URL in the variable NAME.";
