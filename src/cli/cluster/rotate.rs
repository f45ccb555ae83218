//! `fleetc cluster rotate`: a new token for the service account that manages a cluster, kept where the old one was; then the old one ends.
//!
//! The new one is tried before it is kept, and kept before the old one ends: cut off anywhere, the cluster is still reached. It is over when
//! the server refuses the old token. Logins that are no tokens of a service account have nothing that could be renewed here.

use std::process::ExitCode;

use fleetc::diag::{Cause, Diagnostic};
use fleetc::host::cluster::{ClusterConnection, ConnectOptions, Driver, target};
use fleetc::join::Account;
use fleetc::join::account::{self, Issued, Removed};
use fleetc::span::Span;
use serde_json::{Value, json};

use super::add::login_of;
use super::keep::Keep;
use super::{asked, on};
use crate::cli::args::ClusterRotate;
use crate::cli::reach;
use crate::cli::session::{Session, print_out};

/// How long the server may remember the old token.
const OLD_TOKEN_STANDS: u64 = 60_000;

/// Runs the command.
pub(super) fn run(args: &ClusterRotate) -> ExitCode {
    let (session, fleet, mut diagnostics, driver) = match super::open(&args.fleet) {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    let prepared = reach::named(&fleet.clusters, &args.name).and_then(|place| {
        let options = args.login.options(&fleet);
        let cluster = fleet.clusters.get(place).ok_or_else(|| failed(&args.name, "it is not there"))?;
        let keep = Keep::of(&args.login, &session, &fleet, &cluster.instance)?;
        Rotation::prepare(args, &driver, keep, options, &cluster.name, cluster.server_key())
    });
    session.print_findings(&mut diagnostics);
    let rotation = match prepared {
        Ok(rotation) => rotation,
        Err(error) => return session.refuse((*error).into()),
    };
    let Rotation { account, old, keep, name, .. } = &rotation;
    session.say(&format!(
        "This makes a new token of `{}` on the cluster `{name}`, keeps it in {keep}, and ends the old one (Secret {}/{old}).",
        account.user(),
        account.namespace
    ));
    if !args.yes
        && let Err(code) = asked("nothing was done", "`--yes` agrees").put(&session, &diagnostics)
    {
        return ExitCode::from(code);
    }
    match rotation.carry_out(&driver, &session) {
        Err(error) => session.refuse((*error).into()),
        Ok(new) => {
            if session.is_json() {
                session.print_json(
                    &diagnostics,
                    json!({
                        "cluster": name, "user": account.user(), "kept": keep.to_string(),
                        "new": format!("{}/{new}", account.namespace), "ended": format!("{}/{old}", account.namespace),
                    }),
                );
            } else {
                print_out(&format!("Cluster '{name}' has a new token; the old one is refused\n"));
            }
            ExitCode::SUCCESS
        }
    }
}

fn failed(name: &str, why: &str) -> Box<Diagnostic> {
    let message = format!("the token of the cluster `{name}` is not renewed: {why}");
    Box::new(Diagnostic::error("cluster/rotate", Span::NONE, message).cause(Cause::Cluster))
}

/// What is known before anything is done.
struct Rotation {
    name: String,
    keep: Keep,
    options: ConnectOptions,
    /// With the token that ends.
    now: ClusterConnection,
    /// With rights to make and delete tokens.
    maker: ClusterConnection,
    account: Account,
    /// Name of the Secret of the old token.
    old: String,
}

impl Rotation {
    fn prepare(
        args: &ClusterRotate,
        driver: &Driver,
        keep: Keep,
        options: ConnectOptions,
        name: &str,
        server: &str,
    ) -> Result<Rotation, Box<Diagnostic>> {
        let now = keep.login(driver, &options, name, server)?;
        let claims = now.claims().unwrap_or(Value::Null);
        // Tokens that come out of a Secret say out of which; others end by themselves.
        let claim = |what: &str| {
            let text = claims.get(format!("kubernetes.io/serviceaccount/{what}")).and_then(Value::as_str);
            text.map(str::to_owned)
        };
        let (Some(namespace), Some(account), Some(old)) =
            (claim("namespace"), claim("service-account.name"), claim("secret.name"))
        else {
            let mut error =
                failed(name, &format!("what is kept in {keep} is no long-lived token of a service account"));
            error
                .hints
                .push("client certificates, cloud logins and programs are renewed by whoever issues them".to_owned());
            return Err(error);
        };
        let account = Account { namespace, name: account };
        let maker = match &args.admin_context {
            Some(context) => target(&options, context)?.connection,
            None => now.clone(),
        };
        let user = account.user();
        if args.admin_context.is_none() {
            let is = login_of(driver, &now).map_err(|why| {
                let mut error = failed(name, &why);
                error.hints.push("`--admin-context CONTEXT` makes the token as somebody else".to_owned());
                error
            })?;
            if is != user {
                return Err(failed(name, &format!("the token says to be `{user}`, and the server says `{is}`")));
            }
        }
        Ok(Rotation { name: name.to_owned(), keep, options, now, maker, account, old })
    }

    fn carry_out(&self, driver: &Driver, session: &Session) -> Result<String, Box<Diagnostic>> {
        let wrong = |why: String| failed(&self.name, &why);
        let account = self.account.clone();
        let issued = on(driver, &self.maker, |port| async move { account::token(&port, &account, false).await });
        let Issued { secret: new, token } = issued.map_err(|why| {
            let mut error = wrong(why);
            error.hints.push("`--admin-context CONTEXT` makes it as somebody who may".to_owned());
            error
        })?;
        let renewed = self.keep.renew(driver, &self.options, &self.name, &token, &self.account.user());
        if let Err(error) = renewed {
            // Nobody has the new one.
            let path = self.secret(&new);
            let what = format!("Secret {}/{new}", self.account.namespace);
            let undone = on(driver, &self.maker, |port| async move { account::remove(&port, &what, &path).await });
            if undone.is_err() {
                session
                    .say(&format!("the unused token in Secret {}/{new} could not be deleted", self.account.namespace));
            }
            return Err(error);
        }
        let (path, what) = (self.secret(&self.old), format!("Secret {}/{}", self.account.namespace, self.old));
        let ended = on(driver, &self.maker, |port| async move {
            match account::read(&port, &what, path.clone()).await? {
                None => Ok(Removed::Absent),
                Some(live) => account::delete(&port, &what, &path, &live).await,
            }
        });
        ended.map_err(|why| wrong(format!("the new token is kept, but the old one could not be ended: {why}")))?;
        let refused = on(driver, &self.now, |port| async move {
            let end = port.now().saturating_add(OLD_TOKEN_STANDS);
            loop {
                match account::who(&port).await {
                    Err(why) if why.contains("(401)") => return Ok(()),
                    _ if port.now() >= end => return Err("the old token is still accepted a minute later".to_owned()),
                    _ => port.sleep(1_000).await,
                }
            }
        });
        refused.map_err(wrong)?;
        Ok(new)
    }

    fn secret(&self, name: &str) -> String {
        let encode = fleetc::api::encode;
        format!("/api/v1/namespaces/{}/secrets/{}", encode(&self.account.namespace), encode(name))
    }
}
