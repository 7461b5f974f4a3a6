//! One name, one id; one id, one name: in the whole project.

use std::collections::BTreeMap;

use crate::name::{AccountName, DistroName, ImageName};
use crate::spec::{Log, Mistake, Span};

use super::super::{Account, Distro};
use super::inherit::Images;
use super::plan::Plan;

#[derive(Debug, Default)]
struct Ids<'a> {
    by_name: BTreeMap<&'a AccountName, (u32, Span)>,
    by_id: BTreeMap<u32, (&'a AccountName, Span)>,
}

impl<'a> Ids<'a> {
    fn add(&mut self, what: &str, account: &'a Account, id: Option<u32>, log: &mut Log) {
        let Some(id) = id else { return };
        let (name, span) = (&account.name, account.span);
        match self.by_name.get(name) {
            Some((known, first)) if *known != id => {
                let message = format!("account `{name}` has {what} {id} here and {known} elsewhere");
                let mistake = Mistake::new("account", span, message).label(format!("{what} {id}"));
                let help = format!("a name has one {what} in the whole project");
                log.push(mistake.also(*first, format!("{what} {known}")).help(help));
                return;
            }
            Some(_) => {}
            None => {
                self.by_name.insert(name, (id, span));
            }
        }
        match self.by_id.get(&id) {
            Some((other, first)) if *other != name => {
                let message = format!("accounts `{other}` and `{name}` both have {what} {id}");
                let mistake = Mistake::new("account", span, message).label(format!("{what} {id} again"));
                log.push(mistake.also(*first, format!("`{other}` has it")).help("give one of them a free id"));
            }
            Some(_) => {}
            None => {
                self.by_id.insert(id, (name, span));
            }
        }
    }
}

/// Reports names with two ids and ids with two names.
pub(super) fn check(
    images: &Images,
    plans: &BTreeMap<ImageName, Plan<'_>>,
    distros: &BTreeMap<DistroName, Distro>,
    log: &mut Log,
) {
    let (mut users, mut groups) = (Ids::default(), Ids::default());
    let mut add = |account, log: &mut Log| {
        let account: &Account = account;
        users.add("uid", account, account.uid, log);
        groups.add("gid", account, account.gid, log);
    };
    for distro in distros.values() {
        distro.accounts.values().for_each(|account| add(account, log));
    }
    let mut seen = std::collections::BTreeSet::new();
    for image in images.images.values().filter(|image| plans.contains_key(&image.name)) {
        for account in image.accounts.values() {
            if seen.insert((account.span, account.uid, account.gid)) {
                add(account, log);
            }
        }
    }
}
