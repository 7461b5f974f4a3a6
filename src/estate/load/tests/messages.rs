//! The exact words for what can be wrong inside one node.

use super::{mistakes, mistakes_of};
use insta::assert_snapshot;

#[test]
fn text_that_is_no_kdl() {
    assert_snapshot!(mistakes("image \"a\" {\n    user uid=01x\n}\n"), @r#"
    specs/a.kdl:2:10 expected property value
        [uid=01] not property value
        help: a valid value was partially parsed, but was not followed by a value terminator. Did you want a space here?
    "#);
    assert_snapshot!(mistakes("image \"a\" {\n    command \"b\n}\n"), @r#"
    specs/a.kdl:2:13 this text has no end
        ["] begins here
    "#);
    assert_snapshot!(mistakes("image \"a\" {\n"), @r#"
    specs/a.kdl:1:11 this `{` is never closed
        [{] begins here
    "#);
    assert_snapshot!(mistakes(&"a {".repeat(40)), @r#"
    specs/a.kdl:1:99 nodes nest deeper than 32
        [{] one too deep
    "#);
}

#[test]
fn one_file_that_cannot_be_read_does_not_make_its_names_unknown_elsewhere() {
    let broken = ("specs/b.kdl", "image \"base\" {");
    let found = mistakes_of(&[("specs/a.kdl", "image \"a\" { from \"base\"; usr \"x\" }"), broken]);
    assert_snapshot!(found, @r#"
    specs/a.kdl:1:26 unknown node `usr` in `image`
        [usr] not known here
        help: did you mean `user`?
    specs/b.kdl:1:14 this `{` is never closed
        [{] begins here
    "#);
}

#[test]
fn unknown_nodes_properties_and_arguments() {
    assert_snapshot!(mistakes("imag \"a\"\npackages \"b\"\nwhatever\n"), @"
    specs/a.kdl:1:1 unknown node `imag`
        [imag] not known here
        help: did you mean `image`?
    specs/a.kdl:2:1 unknown node `packages`
        [packages] not known here
        help: it stands inside an `image`
    specs/a.kdl:3:1 unknown node `whatever`
        [whatever] not known here
        help: a file holds image, service, estate, distro, arch, let, import, extend and want nodes
    ");
    assert_snapshot!(mistakes("image \"a\" { pakages \"b\"; zebra; dir \"/x\" moed=\"0755\" colour=\"red\" }"), @r#"
    specs/a.kdl:1:13 unknown node `pakages` in `image`
        [pakages] not known here
        help: did you mean `packages`?
    specs/a.kdl:1:26 unknown node `zebra` in `image`
        [zebra] not known here
    specs/a.kdl:1:42 unknown property `moed` of `dir`
        [moed] not known here
        help: did you mean `mode`?
    specs/a.kdl:1:54 unknown property `colour` of `dir`
        [colour] not known here
        help: `dir` knows `owner`, `group`, `mode`
    "#);
    assert_snapshot!(mistakes("image \"a\" { user \"b\" \"c\"; tree; summary; workdir \"/\" { x } }"), @r#"
    specs/a.kdl:1:22 `user` takes one argument
        ["c"] one too many
    specs/a.kdl:1:27 `tree` needs a folder below layers/
        [tree] a folder below layers/ expected
    specs/a.kdl:1:33 `summary` needs one line of text
        [summary] one line of text expected
    specs/a.kdl:1:56 `workdir` holds no other nodes
        [x] nothing may stand here
    "#);
    assert_snapshot!(mistakes("image \"a\" { dir \"/x\" mode=\"0755\" mode=\"0750\"; env A=\"1\" A=\"2\" }"), @r#"
    specs/a.kdl:1:34 the property `mode` is given twice
        [mode] once is enough
    specs/a.kdl:1:57 `A` of image `a` is set twice
        [A] set again here
        specs/a.kdl:1:51 [A] set first here
        help: keep one of them
    "#);
    assert_snapshot!(mistakes("image\nimage \"Keystone\"\nimage \"a\" \"b\"\n"), @r#"
    specs/a.kdl:1:1 `image` needs a name
        [image] a name expected
    specs/a.kdl:2:7 `Keystone` cannot be an image name: lower-case letters, digits and single `-`, `_` or `.` between them
        ["Keystone"] not an image name
    specs/a.kdl:3:11 `image` takes one argument
        ["b"] one too many
    "#);
    assert_snapshot!(mistakes("(old)image \"a\" { packages (x)\"bb\" }\n(replace)let a=\"1\"\n"), @"
    specs/a.kdl:1:2 `(old)` means nothing here
        [old] take this away
        help: only `(replace)` in front of a whole spec has a meaning
    specs/a.kdl:1:28 `(x)` means nothing here
        [x] take this away
    specs/a.kdl:2:2 `(replace)` means nothing for `let`
        [replace] take this away
        help: it stands in front of an image, a service, a distro, an arch or an estate
    ");
}

#[test]
fn values_of_the_wrong_kind() {
    assert_snapshot!(mistakes("image \"a\" { packages 5 #true; summary #null; env A=#true; packages \"xx\" essential=\"yes\" }"), @r#"
    specs/a.kdl:1:22 expected a package, found a whole number
        [5] should be a package
    specs/a.kdl:1:24 expected a package, found a truth value
        [#true] should be a package
    specs/a.kdl:1:39 expected a text, found nothing
        [#null] should be a text
    specs/a.kdl:1:52 expected a text, found a truth value
        [#true] should be a text
    specs/a.kdl:1:83 expected #true or #false, found a text
        ["yes"] should be #true or #false
    "#);
    assert_snapshot!(mistakes("image \"a\" { dir \"/x\" mode=0750; dir \"/y\" mode=\"rwx\"; dir \"z\"; dir \"/a/../b\" }"), @r#"
    specs/a.kdl:1:27 a mode is written as text
        [0750] a number here would be read as decimal
        help: write mode="0750"
    specs/a.kdl:1:47 `rwx` is not a mode: three or four octal digits, as 0750
        ["rwx"] not a mode
    specs/a.kdl:1:58 `z` is no path inside an image: it must begin with `/`
        ["z"] not an absolute path
    specs/a.kdl:1:67 `/a/../b` is no path inside an image: `..` is not allowed
        ["/a/../b"] not an absolute path
    "#);
    assert_snapshot!(mistakes("image \"a\" { expose 0 70000 \"53/icmp\"; account \"b\" uid=-1; account \"B\" uid=1 }"), @r#"
    specs/a.kdl:1:20 0 is out of range: 1 to 65535 is allowed
        [0] should be 1 to 65535
    specs/a.kdl:1:22 70000 is out of range: 1 to 65535 is allowed
        [70000] should be 1 to 65535
    specs/a.kdl:1:28 `53/icmp` is not a port: 1 to 65535, with /tcp, /udp or /sctp
        ["53/icmp"] not a port
    specs/a.kdl:1:55 -1 is out of range: 0 to 4294967295 is allowed
        [-1] should be 0 to 4294967295
    specs/a.kdl:1:67 `B` cannot be an account name: at most 32 of lower-case letters, digits, `_`, `-`, the first a letter or `_`
        ["B"] not an account name
    "#);
    assert_snapshot!(mistakes("image \"a\" { health \"x\" interval=30 timeout=\"30\" retries=\"3\"; stop-signal \"TERM\" }"), @r#"
    specs/a.kdl:1:33 a time needs its unit
        [30] no unit
        help: write "30s" for seconds; units are ms, s, m and h
    specs/a.kdl:1:44 `30` is not a time: as 30s, 1m30s, 500ms or 2h
        ["30"] not a time
    specs/a.kdl:1:57 expected a whole number, found a text
        ["3"] should be a whole number
    specs/a.kdl:1:74 `TERM` is not a signal
        ["TERM"] not a signal
        help: write its name, as SIGTERM, or its number
    "#);
    assert_snapshot!(mistakes("image \"a\" { packages \"xx=\" \"yy=1 2\" \"zz>1\" \"Nova\"; tier \"maintaind\"; versions \"any\"; layering \"flat\" }"), @r#"
    specs/a.kdl:1:22 `xx=` has no bound on a version that can be read: write `xx=1.2-3`, `xx=1.*`, or one of >= <= >> <<
        ["xx="] not a package
    specs/a.kdl:1:28 `yy=1 2` has no bound on a version that can be read: write `yy=1.2-3`, `yy=1.*`, or one of >= <= >> <<
        ["yy=1 2"] not a package
    specs/a.kdl:1:37 `zz>1` has no bound on a version that can be read: write `zz=1.2-3`, `zz=1.*`, or one of >= <= >> <<
        ["zz>1"] not a package
    specs/a.kdl:1:44 `Nova` cannot be a package name: at least two of lower-case letters, digits, `+`, `-`, `.`, the first a letter or digit
        ["Nova"] not a package
    specs/a.kdl:1:57 `maintaind` is not a tier
        ["maintaind"] not a tier
        help: did you mean `maintained` or `unmaintained`?
    specs/a.kdl:1:79 `any` is not a choice of versions
        ["any"] not a choice of versions
        help: there is only `own`
    specs/a.kdl:1:95 `flat` is not a way of layering
        ["flat"] not a way of layering
        help: there is only `lineage`
    "#);
    assert_snapshot!(mistakes("image \"a\" { omit \"usr\" \"/x[\"; attr \"/x\"; env \"A B\"=\"1\" \"1A\"=\"2\" }"), @r#"
    specs/a.kdl:1:18 `usr` must begin with `/`
        ["usr"] a path or a glob is expected
    specs/a.kdl:1:24 `/x[` is no glob: unclosed character class; missing ']'
        ["/x["] a path or a glob is expected
    specs/a.kdl:1:31 `attr` changes nothing
        [attr "/x"] says only a path
        help: give at least one of owner=, group=, mode= and capabilities=
    specs/a.kdl:1:46 `A B` cannot name a variable
        ["A B"] letters, digits and `_`, the first no digit
    specs/a.kdl:1:56 `1A` cannot name a variable
        ["1A"] letters, digits and `_`, the first no digit
    "#);
}

#[test]
fn what_is_missing() {
    assert_snapshot!(mistakes("image \"a\" { packages; env; file \"/x\"; link \"/y\"; pin \"z\"; test \"t\"; script \"ss\" }"), @r#"
    specs/a.kdl:1:13 `packages` needs package names
        [packages] package names expected
    specs/a.kdl:1:23 `env` needs properties
        [env] says nothing
        help: write env NAME="value"
    specs/a.kdl:1:28 `file` needs a text or a source
        [file "/x"] no content
        help: write file "/etc/motd" "text" or file "/etc/motd" source="folder/motd"
    specs/a.kdl:1:39 `link` needs what it points at
        [link "/y"] what it points at expected
    specs/a.kdl:1:50 `pin` needs the property `priority`
        [pin "z"] `priority` is missing
        help: write priority=990, as apt_preferences(5) explains it
    specs/a.kdl:1:50 `pin` says nothing about which versions
        [pin "z"] only a name
        help: give at least one of version=, suite=, origin=, label= and archive=
    specs/a.kdl:1:59 `test` runs nothing
        [test "t"] no `run`
        help: write test "starts" { run "program" "--version"; expect "1." }
    specs/a.kdl:1:69 `script` does not say what the script is worth
        [script "ss"] no effect
        help: give effect="ignore", effect="run", an effect's name, or nodes for what the script makes
    "#);
    assert_snapshot!(mistakes("image \"a\" { deprecated; unbuildable; support tier=\"maintained\"; build-for; when { user \"x\" } }"), @r#"
    specs/a.kdl:1:13 `deprecated` needs the property `since`
        [deprecated] `since` is missing
        help: write since="2026.2"
    specs/a.kdl:1:25 `unbuildable` does not say where
        [unbuildable] where?
        help: give arch=, distro= or both
    specs/a.kdl:1:25 `unbuildable` needs the property `reason`
        [unbuildable] `reason` is missing
        help: write reason="…"
    specs/a.kdl:1:38 `support` does not say where
        [support tier="maintained"] where?
        help: give arch=, distro= or both
    specs/a.kdl:1:65 `build-for` does not say where
        [build-for] where?
        help: give arch=, distro= or both
    specs/a.kdl:1:76 `when` has no condition
        [when] always or never?
        help: write when arch="ppc64le" { … }, distro="…", or both
    "#);
    assert_snapshot!(mistakes("image \"a\" { account \"b\"; account \"c\" group-only=#true; account \"d\" group-only=#true gid=5 home=\"/\" }"), @r#"
    specs/a.kdl:1:13 account `b` has no uid
        [account "b"] `uid` is missing
        help: a name has one uid in the whole project: give it here, as uid=42400
    specs/a.kdl:1:26 account `c` has no gid
        [account "c" group-only=#true] `gid` is missing
        help: a name has one gid in the whole project: give it here, as gid=42400
    specs/a.kdl:1:96 a group has no `home`
        ["/"] take this away
    "#);
}

#[test]
fn files_that_are_not_there() {
    let found = mistakes_of(&[
        ("layers/health/bin/x", ""),
        (
            "specs/a.kdl",
            "image \"a\" { tree \"healt\" \"zebra\"; file \"/x\" source=\"health/bin/y\"; file \"/y\" \"t\" source=\"z\" }",
        ),
    ]);
    assert_snapshot!(found, @r#"
    specs/a.kdl:1:18 there is no folder layers/healt
        ["healt"] not there
        help: did you mean `health`?
    specs/a.kdl:1:26 there is no folder layers/zebra
        ["zebra"] not there
    specs/a.kdl:1:52 there is no file layers/health/bin/y
        ["health/bin/y"] not there
        help: did you mean `health/bin/x`?
    specs/a.kdl:1:89 `file` has a text and a source
        ["z"] one of the two
        help: keep the text or the source
    "#);
}

#[test]
fn scripts_say_what_they_are_worth() {
    assert_snapshot!(mistakes("image \"a\" {\n    script \"bb\" effect=\"ignore\" { dir \"/x\" }\n    script \"cc\" kind=\"prerm\" effect=\"run\"\n    script \"dd\" { effect \"ignore\" }\n}"), @r#"
    specs/a.kdl:2:5 this `script` is ignored and does something
        [script "bb" effect="ignore"] effect="ignore" stands alone
    specs/a.kdl:3:22 `prerm` is not a script that is judged
        ["prerm"] not a script that is judged
        help: it is one of `config`, `preinst`, `postinst`, `triggers`
    specs/a.kdl:4:19 `ignore` is said as a property
        [effect "ignore"] as a node it means nothing
        help: write effect="ignore" behind the package's name
    "#);
}

#[test]
fn one_thing_said_twice() {
    assert_snapshot!(mistakes("image \"a\" { user \"x\"; user \"y\"; dir \"/d\"; dir \"/d\" mode=\"0700\"; env A=\"1\"; env A=\"2\" }"), @r#"
    specs/a.kdl:1:23 `user` of image `a` is set twice
        [user "y"] set again here
        specs/a.kdl:1:13 [user "x"] set first here
        help: keep one of them
    specs/a.kdl:1:43 `dir "/d"` of image `a` is set twice
        [dir "/d" mode="0700"] set again here
        specs/a.kdl:1:33 [dir "/d"] set first here
        help: keep one of them
    specs/a.kdl:1:80 `A` of image `a` is set twice
        [A] set again here
        specs/a.kdl:1:69 [A] set first here
        help: keep one of them
    "#);
    assert_snapshot!(mistakes("image \"a\" { packages \"xx=1\" \"xx=2\" \"xx\"; dir \"/d\"; file \"/d\" \"\"; link \"/d\" \"x\" }"), @r#"
    specs/a.kdl:1:29 `xx` is wanted with two bounds
        ["xx=2"] and here
        specs/a.kdl:1:22 ["xx=1"] wanted here
        help: one image has one version of a package
    specs/a.kdl:1:52 /d is a `dir` and a `file`
        [file "/d" ""] and here
        specs/a.kdl:1:42 [dir "/d"] made here
    specs/a.kdl:1:66 /d is a `dir` and a `link`
        [link "/d" "x"] and here
        specs/a.kdl:1:42 [dir "/d"] made here
    "#);
    assert_snapshot!(mistakes("image \"a\" { when arch=\"x86_64\" { user \"x\" }; unless arch=\"ppc64le\" { user \"y\" } }"), @r#"
    specs/a.kdl:1:70 `user` of image `a` is set by two conditions that hold at once
        [user "y"] set again here
        specs/a.kdl:1:34 [user "x"] set first here
        help: let the conditions exclude each other, or nest one in the other
    "#);
    assert_snapshot!(mistakes("image \"a\"\nimage \"a\"\nlet x=\"1\"\nlet x=\"2\"\ncompression \"zstd\"\ncompression \"gzip\"\n"), @r#"
    specs/a.kdl:2:1 there are two of image `a`
        [image "a"] the second
        specs/a.kdl:1:1 [image "a"] the first
        help: rename one, or mark the one that counts: (replace)image "a"
    specs/a.kdl:4:5 `x` is defined twice
        [x] again here
        specs/a.kdl:3:7 ["1"] first here
    specs/a.kdl:6:1 `compression` is set twice
        [compression "gzip"] again here
        specs/a.kdl:5:1 [compression "zstd"] first here
    "#);
}

#[test]
fn what_cannot_depend_on_a_condition() {
    assert_snapshot!(mistakes("image \"a\" { when arch=\"x86_64\" { from \"b\"; tier \"maintained\" } }\nimage \"b\""), @r#"
    specs/a.kdl:1:34 `from` cannot depend on a condition
        [from] move this out of the block
    specs/a.kdl:1:44 `tier` cannot depend on a condition
        [tier] move this out of the block
    "#);
}

#[test]
fn variables() {
    assert_snapshot!(mistakes("let prefix=\"/opt\"\nimage \"a\" {\n    dir \"${prefx}/x\"\n    dir \"/${HOME}\"\n    file \"/x\" \"${open\"\n    user \"${version}\"\n    env V=\"$${version}\"\n}"), @r#"
    specs/a.kdl:3:9 unknown variable `prefx`
        ["${prefx}/x"] in this text
        help: did you mean `prefix`?
    specs/a.kdl:4:9 unknown variable `HOME`
        ["/${HOME}"] in this text
        help: write `$${HOME}` where the text itself is meant
    specs/a.kdl:5:15 `${` is never closed; write `$${` for the two characters themselves
        ["${open"] in this text
    specs/a.kdl:6:10 `${version}` is known only when packages are chosen: it may stand in `summary`, `env` and `label`
        ["${version}"] in this text
    specs/a.kdl:7:11 here `${version}` is always the version; the text itself cannot be written
        ["$${version}"] in this text
    "#);
    assert_snapshot!(mistakes("let a=\"${b}\" b=\"${c}\" c=\"${a}\"\nimage \"x\" { user \"${a}\"; let arch=\"mine\"; env A=\"${d}\"; let d=#true }"), @r#"
    specs/a.kdl:2:18 `a` is made of itself: a → b → c → a
        ["${a}"] in this text
    specs/a.kdl:2:30 `arch` is a built-in name
        [arch] choose another
    specs/a.kdl:2:49 `d` is a truth value, not a text
        ["${d}"] in this text
    "#);
}

#[test]
fn targets() {
    assert_snapshot!(mistakes("arch \"riscv64\" { oci \"riscv64\"; loader \"/lib/ld.so\" flags=\"x\"; tripel \"y\" }"), @r#"
    specs/a.kdl:1:1 arch `riscv64` has no `debian`
        [arch "riscv64"] `debian` is missing
    specs/a.kdl:1:1 arch `riscv64` has no `qemu`
        [arch "riscv64"] `qemu` is missing
    specs/a.kdl:1:1 arch `riscv64` has no `triplet`
        [arch "riscv64"] `triplet` is missing
    specs/a.kdl:1:33 `loader` needs the property `machine`
        [loader "/lib/ld.so" flags="x"] `machine` is missing
        help: write machine=62, the e_machine of its objects
    specs/a.kdl:1:59 expected a whole number, found a text
        ["x"] should be a whole number
    specs/a.kdl:1:64 unknown node `tripel` in `arch`
        [tripel] not known here
        help: did you mean `triplet`?
    "#);
    assert_snapshot!(mistakes("distro \"sid\" {\n    arches \"x86-64\" \"x86_65\"\n    archive \"own\" dir=\"debs\"\n    archive \"Main\" { url \"ftp://x\"; keyring \"kye.gpg\"; suits \"sid\" }\n    default\n}"), @r#"
    specs/a.kdl:2:12 `x86-64` cannot be an arch name: lower-case letters, digits and single `_` between them
        ["x86-64"] not an arch name
    specs/a.kdl:2:21 there is no arch `x86_65`
        ["x86_65"] not known
        help: did you mean `x86_64`?
    specs/a.kdl:3:23 this folder of .debs is not there
        ["debs"] not there
        help: it is relative to the project's root
    specs/a.kdl:4:5 `Main` cannot name an archive
        [archive "Main"] lower-case letters, digits, `-`, `_` and `.`
    specs/a.kdl:4:5 this archive has no `components`
        [archive "Main"] `components` is missing
    specs/a.kdl:4:5 this archive has no `suites`
        [archive "Main"] `suites` is missing
    specs/a.kdl:4:26 `ftp://x` is no address that wharf can fetch from
        ["ftp://x"] it must begin with http:// or https://
    specs/a.kdl:4:45 there is no file targets/kye.gpg
        ["kye.gpg"] not there
        help: did you mean `key.gpg`?
    specs/a.kdl:4:56 unknown node `suits` in `archive`
        [suits] not known here
        help: did you mean `suites`?
    targets/targets.kdl:11:1 `sid` and `trixie` are both the default distro
        [distro "trixie"] default too
        specs/a.kdl:1:1 [distro "sid"] the other default
    "#);
    assert_snapshot!(mistakes("distro \"sid\" {\n    filters { exclude \"usr\"; drop \"/x\" }\n    snippet \"dh_x\" shape=\"sha256:00\" effect=\"ignore\"\n    script \"xx\" effect=\"ignore\"\n    bytecode \"/usr/bin/python3\" { dirs \"usr\" }\n}"), @r#"
    specs/a.kdl:2:23 `usr` must begin with `/`
        ["usr"] not an absolute path
    specs/a.kdl:2:30 unknown node `drop` in `filters`
        [drop] not known here
        help: known here: `exclude`, `include`
    specs/a.kdl:3:26 `sha256:00` is not a sha256 digest: expected `sha256:` and 64 lower-case hex digits
        ["sha256:00"] not a sha256 digest
    specs/a.kdl:4:5 `script` needs the property `kind`
        [script "xx" effect="ignore"] `kind` is missing
        help: write kind="postinst"
    specs/a.kdl:5:5 `bytecode` needs the property `packages`
        [bytecode "/usr/bin/python3"] here
    specs/a.kdl:5:5 `bytecode` needs the property `tag`
        [bytecode "/usr/bin/python3"] `tag` is missing
        help: write tag="cpython-313"
    specs/a.kdl:5:40 `usr` is no path inside an image: it must begin with `/`
        ["usr"] not an absolute path
    "#);
    assert_snapshot!(mistakes("distro \"sid\" { script \"xx\" kind=\"postinst\" {\n    alternative \"/usr/bin/awk\" name=\"awk\" { slave \"/x\" }\n    divert \"/sbin/start\"\n    ucf \"/etc/x\"\n} }"), @r#"
    specs/a.kdl:2:5 `alternative` needs the property `path`
        [alternative "/usr/bin/awk" name="awk"] `path` is missing
        help: write path="/usr/bin/mawk", what it may point at
    specs/a.kdl:2:5 `alternative` needs the property `priority`
        [alternative "/usr/bin/awk" name="awk"] `priority` is missing
        help: write priority=5, the highest wins
    specs/a.kdl:2:45 `slave` needs the property `name`
        [slave "/x"] `name` is missing
        help: write name="nawk"
    specs/a.kdl:2:45 `slave` needs the property `path`
        [slave "/x"] `path` is missing
        help: write path="/usr/bin/mawk"
    specs/a.kdl:3:5 `divert` needs the property `to`
        [divert "/sbin/start"] `to` is missing
        help: write to="/path.distrib"
    specs/a.kdl:4:5 `ucf` needs the property `source`
        [ucf "/etc/x"] `source` is missing
        help: write source="/usr/share/…", a file of the image
    "#);
}

#[test]
fn three_hundred_mistakes_are_three_hundred() {
    let text: String = (0..300).map(|at| format!("image \"image-{at}\" {{ nothing-{at} }}\n")).collect();
    let mistakes = super::Written::new(&[("specs/a.kdl", &text)]).load().unwrap_err();
    assert_eq!(mistakes.len(), 300);
    assert_eq!(mistakes.summary(), "300 mistakes in 1 file");
    assert_eq!(mistakes.reports().len(), 300);
}

#[test]
fn a_comment_of_an_account_is_one_field_of_passwd() {
    let spec = "image \"a\" {\n    account \"b\" uid=5 gecos=\"x:0:0\"\n    account \"c\" uid=6 gecos=\"two\\nlines\"\n    account \"d\" gid=7 group-only=#true gecos=\"none\"\n}\n";
    assert_snapshot!(mistakes(spec), @r#"
    specs/a.kdl:2:29 a comment of passwd cannot hold `:`
        ["x:0:0"] take it away
    specs/a.kdl:3:29 a comment of passwd cannot hold a line's end or another control character
        ["two\nlines"] take it away
    specs/a.kdl:4:46 a group has no `gecos`
        ["none"] take this away
    "#);
}
