//! Questions over the client that fetches sources: its proxies, authorities and timeouts; the login of the environment only where there is one.

use std::sync::Arc;

use super::{Reply, Web};
use crate::host::fetch::http::{Ask, Client, Timeouts};
use crate::host::fetch::{Fault, Login, Logins};

/// Bytes of an answer that are taken.
pub(super) const LIMIT: u64 = 32 << 20;

/// A client with the credentials of a fleet and of the machine, which are looked for when it is first used.
pub fn client(logins: Logins) -> Client {
    Client::lazy(move || Arc::new(logins.gather()), Timeouts::default())
}

impl Web for Client {
    fn get(&self, url: &str, login: Option<&Login>) -> Result<Reply, Fault> {
        let mut access = self.credentials().access(url)?;
        if login.is_some() {
            access.login = login.cloned();
        }
        let answer = self.send(&Ask::get(url, &access, LIMIT))?;
        let link = answer.header("link").map(str::to_owned);
        Ok(Reply { status: answer.status, link, body: answer.body })
    }
}
