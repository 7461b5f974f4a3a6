//! Whether one package takes over files of another (`Replaces`, Debian Policy 7.6.1).

use crate::deb::{AllOf, PackageInfo, Version};

/// Whether `taker`'s field `Replaces` names `other` in its version. Provided names do not count. A field or a version
/// that cannot be read replaces nothing: the conflict is then said.
pub fn replaces(taker: &PackageInfo, other: &PackageInfo) -> bool {
    let (Some(field), Ok(version)) = (taker.control.get("Replaces"), Version::new(other.version.as_str())) else {
        return false;
    };
    let Ok(relations) = AllOf::parse(field) else { return false };
    relations
        .all
        .iter()
        .flat_map(|alternatives| &alternatives.any)
        .any(|dependency| dependency.name == other.name && dependency.admits(&version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deb::Control;
    use crate::name::PackageName;
    use std::collections::BTreeMap;

    fn package(name: &str, version: &str, replaces: &str) -> PackageInfo {
        PackageInfo {
            name: PackageName::new(name).unwrap(),
            version: version.to_owned(),
            arch: "all".to_owned(),
            control: Control::new(vec![("Replaces".to_owned(), replaces.to_owned())]),
            members: BTreeMap::new(),
            conffiles: Vec::new(),
        }
    }

    #[test]
    fn a_bound_must_hold() {
        let old = package("old", "1:2.0~rc1-3", "");
        for (field, expected) in [
            ("old", true),
            ("older", false),
            ("other, old (<< 1:2.0)", true),
            ("old (<< 2.0)", false),
            ("old:any (<= 1:2.0~rc1-3)", true),
            ("old(>>1:1)", true),
            ("old (= 1:2.0)", false),
            ("", false),
        ] {
            assert_eq!(replaces(&package("new", "1", field), &old), expected, "{field}");
        }
    }
}
