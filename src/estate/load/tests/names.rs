//! The exact words for what does not fit together.

use super::{Written, mistakes, mistakes_of, plain};
use insta::assert_snapshot;

#[test]
fn parents_that_do_not_exist() {
    assert_snapshot!(mistakes("image \"base\"\nimage \"a\" { from \"bas\" }\nimage \"b\" { from \"zebra\" }\nimage \"c\" { from \"a\" }"), @"");
}

#[test]
fn images_built_from_each_other() {
    assert_snapshot!(mistakes("image \"a\" { from \"b\" }\nimage \"b\" { from \"c\" }\nimage \"c\" { from \"a\" }\nimage \"d\" { from \"a\" }\nimage \"e\" { from \"e\" }"), @"");
}

#[test]
fn a_parent_that_is_not_built_there() {
    assert_snapshot!(mistakes("image \"a\" { build-for arch=\"x86_64\" }\nimage \"b\" { from \"a\" }\nimage \"c\" { from \"b\" }"), @"");
}

#[test]
fn names_of_targets() {
    assert_snapshot!(mistakes("image \"a\" { when arch=\"x86_64|ppc64\" { user \"x\" }; build-for distro=\"sid\"; unless distro=\"trixy\" archh=\"x\" { } }"), @"");
}

#[test]
fn accounts_have_one_id_in_the_project() {
    assert_snapshot!(mistakes("image \"a\" { account \"nova\" uid=1 }\nimage \"b\" { account \"nova\" uid=2 gid=1 }\nimage \"c\" { account \"glance\" uid=1 gid=7 }"), @"");
}

#[test]
fn want_and_extend_and_remove_name_what_is_there() {
    assert_snapshot!(mistakes("image \"memcached\" { packages \"memcached\" }\nwant \"memcachd\"\nextend image \"memcache\" { }\nextend imag \"memcached\" { }\nextend image \"memcached\" { remove \"packages\" \"x\"; remove \"user\"; remove \"zebra\" }"), @"");
}

#[test]
fn extends_that_do_not_commute() {
    assert_snapshot!(mistakes("image \"a\" { user \"x\" }\nextend image \"a\" { user \"y\"; env A=\"1\"; run \"p\" }\nextend image \"a\" { user \"z\"; env A=\"2\"; run \"q\" }"), @"");
    assert_snapshot!(mistakes("image \"a\" { dir \"/x\" }\nextend image \"a\" { dir \"/x\" mode=\"0700\" }\nextend image \"a\" { dir \"/x\" mode=\"0750\" }"), @"");
}

#[test]
fn replacing_what_is_not_there() {
    assert_snapshot!(mistakes("(replace)image \"a\""), @"");
}

#[test]
fn trees_that_both_have_a_path() {
    let found = mistakes_of(&[
        ("layers/one/etc/a", "1"),
        ("layers/one/etc/b", "same"),
        ("layers/two/etc/a", "2"),
        ("layers/two/etc/b", "same"),
        ("specs/a.kdl", "image \"a\" { tree \"one\" \"two\" }"),
    ]);
    assert_snapshot!(found, @"");
}

#[test]
fn imports_that_are_not_there() {
    assert_snapshot!(mistakes("import \"../nowhere\"\nimport\nimport 5"), @"");
}

#[test]
fn mistakes_of_an_import_are_named_after_it() {
    let project =
        Written::new(&[("specs/a.kdl", "import \"./other\"\n"), ("other/specs/b.kdl", "image \"b\" { usr }")]);
    assert_snapshot!(plain(&project.load().unwrap_err()), @"");
}

#[test]
fn an_import_that_defines_a_namesake() {
    let project = Written::new(&[
        ("specs/a.kdl", "import \"./other\"\nimage \"b\""),
        ("other/specs/b.kdl", "image \"b\" { user \"x\" }"),
    ]);
    assert_snapshot!(plain(&project.load().unwrap_err()), @"");
}
