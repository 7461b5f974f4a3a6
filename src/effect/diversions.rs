//! dpkg's record of diversions (dpkg-divert(1)). The moving itself happens where packages are merged: a
//! diverted path of one package must not meet that of another.

use crate::deb::Call;
use crate::estate::Diversion;
use crate::tree::{Tree, TreeError};

use super::{Context, at};

/// All diversions that scripts were judged to add, sorted by path, the owner filled in: a script diverts for its
/// own package where its judgement names none.
pub fn of_calls(calls: &[Call]) -> Vec<Diversion> {
    let mut diversions: Vec<Diversion> = calls
        .iter()
        .flat_map(|call| {
            call.worth.diversions.iter().map(|diversion| Diversion {
                package: diversion.package.clone().or_else(|| Some(call.package.clone())),
                ..diversion.clone()
            })
        })
        .collect();
    diversions.sort_by(|a, b| (&a.path, &a.to).cmp(&(&b.path, &b.to)));
    diversions.dedup();
    diversions
}

/// Writes `/var/lib/dpkg/diversions`: path, where to, package, a line each.
pub(super) fn run(tree: &mut Tree, context: &Context<'_>) -> Result<(), TreeError> {
    let diversions = of_calls(context.calls);
    if context.packages.is_empty() || diversions.is_empty() {
        return Ok(());
    }
    let text: String = diversions
        .iter()
        .map(|one| format!("{}\n{}\n{}\n", one.path, one.to, one.package.as_ref().map_or(":", |name| name.as_str())))
        .collect();
    if let Ok(path) = at("/var/lib/dpkg/diversions") {
        tree.insert(&path, context.file("diversions", text))?;
    }
    Ok(())
}
