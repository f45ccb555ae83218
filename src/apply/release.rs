//! Ends the hold that a rollback left on a slice. Only its parent is written; what the fleet says is brought by the next apply.

use super::client::{Client, Problem};
use super::lease::Lease;
use super::ledger::{self, Ledger};
use crate::inventory::ParentName;
use crate::machine::Port;
use crate::plan::{Hold, Record};

/// Takes the hold out of the parent of this name, under its lease; the hold that was there.
///
/// # Errors
/// Somebody is at work on the slice, or the cluster refuses: one sentence.
pub async fn release(port: Port, name: ParentName, holder: String) -> Result<Option<Hold>, String> {
    let client = Client::new(port, "");
    let lease = Lease::take(&client, &name, &holder).await.map_err(|problem| problem.to_string())?;
    let ended = lease.hold(held(&client, &name, &lease)).await.map_err(|problem| problem.to_string());
    lease.release().await;
    ended
}

async fn held(client: &Client, name: &ParentName, lease: &Lease) -> Result<Option<Hold>, Problem> {
    let Some(parent) = ledger::read(client, name).await? else { return Ok(None) };
    let mut record = Record::read(&parent.record);
    let Some(hold) = record.hold.take() else { return Ok(None) };
    let mut ledger = Ledger::new(client, &lease.watch(), parent);
    ledger.record(record.to_node());
    ledger.write().await?;
    Ok(Some(hold))
}
