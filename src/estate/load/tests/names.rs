//! The exact words for what does not fit together.

use super::{Written, mistakes, mistakes_of, plain};
use insta::assert_snapshot;

#[test]
fn parents_that_do_not_exist() {
    assert_snapshot!(mistakes("image \"base\"\nimage \"a\" { from \"bas\" }\nimage \"b\" { from \"zebra\" }\nimage \"c\" { from \"a\" }"), @r#"
    specs/a.kdl:2:18 `a` is built from `bas`, which does not exist
        ["bas"] no such image
        help: did you mean `base`?
    specs/a.kdl:3:18 `b` is built from `zebra`, which does not exist
        ["zebra"] no such image
    "#);
}

#[test]
fn images_built_from_each_other() {
    assert_snapshot!(mistakes("image \"a\" { from \"b\" }\nimage \"b\" { from \"c\" }\nimage \"c\" { from \"a\" }\nimage \"d\" { from \"a\" }\nimage \"e\" { from \"e\" }"), @r#"
    specs/a.kdl:1:18 images are built from each other: a → b → c → a
        ["b"] this closes the circle
        specs/a.kdl:2:18 ["c"] and this
        specs/a.kdl:3:18 ["a"] and this
    specs/a.kdl:5:18 images are built from each other: e → e
        ["e"] this closes the circle
    "#);
}

#[test]
fn a_parent_that_is_not_built_there() {
    assert_snapshot!(mistakes("image \"a\" { build-for arch=\"x86_64\" }\nimage \"b\" { from \"a\" }\nimage \"c\" { from \"b\" }"), @r#"
    specs/a.kdl:2:18 `b` is built from `a`, which is not built for trixie-ppc64le
        ["a"] not built there
        help: restrict this image too, as `build-for arch="…"`, or say `unbuildable arch="…" reason="…"`
    "#);
}

#[test]
fn names_of_targets() {
    assert_snapshot!(mistakes("image \"a\" { when arch=\"x86_64|ppc64\" { user \"x\" }; build-for distro=\"sid\"; unless distro=\"trixy\" archh=\"x\" { } }"), @r#"
    specs/a.kdl:1:23 there is no arch `ppc64`
        ["x86_64|ppc64"] not known
        help: did you mean `ppc64le`?
    specs/a.kdl:1:69 there is no distro `sid`
        ["sid"] not known
    specs/a.kdl:1:90 there is no distro `trixy`
        ["trixy"] not known
        help: did you mean `trixie`?
    specs/a.kdl:1:98 unknown property `archh` of `unless`
        [archh] not known here
        help: did you mean `arch`?
    "#);
}

#[test]
fn accounts_have_one_id_in_the_project() {
    assert_snapshot!(mistakes("image \"a\" { account \"nova\" uid=1 }\nimage \"b\" { account \"nova\" uid=2 gid=1 }\nimage \"c\" { account \"glance\" uid=1 gid=7 }"), @r#"
    specs/a.kdl:2:13 account `nova` has uid 2 here and 1 elsewhere
        [account "nova" uid=2 gid=1] uid 2
        specs/a.kdl:1:13 [account "nova" uid=1] uid 1
        help: a name has one uid in the whole project
    specs/a.kdl:3:13 accounts `nova` and `glance` both have uid 1
        [account "glance" uid=1 gid=7] uid 1 again
        specs/a.kdl:1:13 [account "nova" uid=1] `nova` has it
        help: give one of them a free id
    "#);
}

#[test]
fn want_and_extend_and_remove_name_what_is_there() {
    assert_snapshot!(mistakes("image \"memcached\" { packages \"memcached\" }\nwant \"memcachd\"\nextend image \"memcache\" { }\nextend imag \"memcached\" { }\nextend image \"memcached\" { remove \"packages\" \"x\"; remove \"user\"; remove \"zebra\" }"), @r#"
    specs/a.kdl:2:6 there is no image `memcachd` to want
        ["memcachd"] no such image
        help: did you mean `memcached`?
    specs/a.kdl:3:14 there is no image `memcache` to extend
        ["memcache"] not known
        help: did you mean `memcached`?
    specs/a.kdl:4:1 `extend` needs a kind and a name
        [extend imag "memcached"] which spec?
        help: did you mean `image`?
    specs/a.kdl:5:46 image `memcached` has no `packages "x"` to remove
        ["x"] not there
        help: `remove` takes away what the spec itself says, not what other extends add
    specs/a.kdl:5:51 image `memcached` has no `user` to remove
        [remove "user"] not there
        help: `remove` takes away what the spec itself says, not what other extends add
    specs/a.kdl:5:66 image knows no `zebra`
        [remove "zebra"] nothing to remove
    "#);
}

#[test]
fn extends_that_do_not_commute() {
    assert_snapshot!(mistakes("image \"a\" { user \"x\" }\nextend image \"a\" { user \"y\"; env A=\"1\"; run \"p\" }\nextend image \"a\" { user \"z\"; env A=\"2\"; run \"q\" }"), @r#"
    specs/a.kdl:3:20 `user` is set by two extends of image `a`
        [user "z"] set again here
        specs/a.kdl:2:20 [user "y"] set first here
        help: extends have no order, so neither can win: set it in one of them
    specs/a.kdl:3:34 `A` is set by two extends of image `a`
        [A] set again here
        specs/a.kdl:2:34 [A] set first here
        help: extends have no order, so neither can win: set it in one of them
    specs/a.kdl:3:41 `run` is given by two extends of image `a`
        [run "q"] given again here
        specs/a.kdl:2:41 [run "p"] given first here
        help: the order of `run` matters and extends have none: put them in one extend
    "#);
    assert_snapshot!(mistakes("image \"a\" { dir \"/x\" }\nextend image \"a\" { dir \"/x\" mode=\"0700\" }\nextend image \"a\" { dir \"/x\" mode=\"0750\" }"), @r#"
    specs/a.kdl:3:29 `mode` is set by two extends of `dir "/x"` of image `a`
        [mode] set again here
        specs/a.kdl:2:29 [mode] set first here
        help: extends have no order, so neither can win: set it in one of them
    "#);
}

#[test]
fn replacing_what_is_not_there() {
    assert_snapshot!(mistakes("(replace)image \"a\""), @r#"
    specs/a.kdl:1:10 image `a` replaces nothing
        [image "a"] no namesake
        help: take `(replace)` away, or import what it replaces
    "#);
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
    assert_snapshot!(found, @r#"
    specs/a.kdl:1:24 layers/one and layers/two both have /etc/a
        ["two"] this tree
        specs/a.kdl:1:18 ["one"] and this
        help: trees of one image may share a path only where it is the same
    "#);
}

#[test]
fn imports_that_are_not_there() {
    assert_snapshot!(mistakes("import \"../nowhere\"\nimport\nimport 5"), @r#"
    specs/a.kdl:1:8 there is no project at ../nowhere: it has neither specs/ nor layers/ nor targets/
        ["../nowhere"] imported here
        help: a folder is named relative to the project's root; the catalogue is `import "catalogue"`
    specs/a.kdl:2:1 `import` needs `catalogue` or a folder
        [import] `catalogue` or a folder expected
    specs/a.kdl:3:8 expected a text, found a whole number
        [5] should be a text
    "#);
}

#[test]
fn mistakes_of_an_import_are_named_after_it() {
    let project =
        Written::new(&[("specs/a.kdl", "import \"./other\"\n"), ("other/specs/b.kdl", "image \"b\" { usr }")]);
    assert_snapshot!(plain(&project.load().unwrap_err()), @r#"
    ./other/specs/b.kdl:1:13 unknown node `usr` in `image`
        [usr] not known here
        help: did you mean `user`?
    "#);
}

#[test]
fn an_import_that_defines_a_namesake() {
    let project = Written::new(&[
        ("specs/a.kdl", "import \"./other\"\nimage \"b\""),
        ("other/specs/b.kdl", "image \"b\" { user \"x\" }"),
    ]);
    assert_snapshot!(plain(&project.load().unwrap_err()), @r#"
    specs/a.kdl:2:1 there are two of image `b`
        [image "b"] the second
        ./other/specs/b.kdl:1:1 [image "b"] the first
        help: rename one, or mark the one that counts: (replace)image "b"
    "#);
}
