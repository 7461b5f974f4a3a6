//! The exact words for what can be wrong inside one node.

use super::{mistakes, mistakes_of};
use insta::assert_snapshot;

#[test]
fn text_that_is_no_kdl() {
    assert_snapshot!(mistakes("image \"a\" {\n    user uid=01x\n}\n"), @"");
    assert_snapshot!(mistakes("image \"a\" {\n    command \"b\n}\n"), @"");
    assert_snapshot!(mistakes("image \"a\" {\n"), @"");
    assert_snapshot!(mistakes(&"a {".repeat(40)), @"");
}

#[test]
fn one_file_that_cannot_be_read_does_not_make_its_names_unknown_elsewhere() {
    let broken = ("specs/b.kdl", "image \"base\" {");
    let found = mistakes_of(&[("specs/a.kdl", "image \"a\" { from \"base\"; usr \"x\" }"), broken]);
    assert_snapshot!(found, @"");
}

#[test]
fn unknown_nodes_properties_and_arguments() {
    assert_snapshot!(mistakes("imag \"a\"\npackages \"b\"\nwhatever\n"), @"");
    assert_snapshot!(mistakes("image \"a\" { pakages \"b\"; zebra; dir \"/x\" moed=\"0755\" colour=\"red\" }"), @"");
    assert_snapshot!(mistakes("image \"a\" { user \"b\" \"c\"; tree; summary; workdir \"/\" { x } }"), @"");
    assert_snapshot!(mistakes("image \"a\" { dir \"/x\" mode=\"0755\" mode=\"0750\"; env A=\"1\" A=\"2\" }"), @"");
    assert_snapshot!(mistakes("image\nimage \"Keystone\"\nimage \"a\" \"b\"\n"), @"");
    assert_snapshot!(mistakes("(old)image \"a\" { packages (x)\"b\" }\n(replace)let a=\"1\"\n"), @"");
}

#[test]
fn values_of_the_wrong_kind() {
    assert_snapshot!(mistakes("image \"a\" { packages 5 #true; summary #null; env A=#true; packages \"x\" essential=\"yes\" }"), @"");
    assert_snapshot!(mistakes("image \"a\" { dir \"/x\" mode=0750; dir \"/y\" mode=\"rwx\"; dir \"z\"; dir \"/a/../b\" }"), @"");
    assert_snapshot!(mistakes("image \"a\" { expose 0 70000 \"53/icmp\"; account \"b\" uid=-1; account \"B\" uid=1 }"), @"");
    assert_snapshot!(mistakes("image \"a\" { health \"x\" interval=30 timeout=\"30\" retries=\"3\"; stop-signal \"TERM\" }"), @"");
    assert_snapshot!(mistakes("image \"a\" { packages \"x=\" \"y=1 2\" \"z>1\" \"Nova\"; tier \"maintaind\"; versions \"any\"; layering \"flat\" }"), @"");
    assert_snapshot!(mistakes("image \"a\" { omit \"usr\" \"/x[\"; attr \"/x\"; env \"A B\"=\"1\" \"1A\"=\"2\" }"), @"");
}

#[test]
fn what_is_missing() {
    assert_snapshot!(mistakes("image \"a\" { packages; env; file \"/x\"; link \"/y\"; pin \"z\"; test \"t\"; script \"s\" }"), @"");
    assert_snapshot!(mistakes("image \"a\" { deprecated; unbuildable; support tier=\"maintained\"; build-for; when { user \"x\" } }"), @"");
    assert_snapshot!(mistakes("image \"a\" { account \"b\"; account \"c\" group-only=#true; account \"d\" group-only=#true gid=5 home=\"/\" }"), @"");
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
    assert_snapshot!(found, @"");
}

#[test]
fn scripts_say_what_they_are_worth() {
    assert_snapshot!(mistakes("image \"a\" {\n    script \"b\" effect=\"ignore\" { dir \"/x\" }\n    script \"c\" kind=\"prerm\" effect=\"run\"\n    script \"d\" { effect \"ignore\" }\n}"), @"");
}

#[test]
fn one_thing_said_twice() {
    assert_snapshot!(mistakes("image \"a\" { user \"x\"; user \"y\"; dir \"/d\"; dir \"/d\" mode=\"0700\"; env A=\"1\"; env A=\"2\" }"), @"");
    assert_snapshot!(mistakes("image \"a\" { packages \"x=1\" \"x=2\" \"x\"; dir \"/d\"; file \"/d\" \"\"; link \"/d\" \"x\" }"), @"");
    assert_snapshot!(mistakes("image \"a\" { when arch=\"x86_64\" { user \"x\" }; unless arch=\"ppc64le\" { user \"y\" } }"), @"");
    assert_snapshot!(mistakes("image \"a\"\nimage \"a\"\nlet x=\"1\"\nlet x=\"2\"\ncompression \"zstd\"\ncompression \"gzip\"\n"), @"");
}

#[test]
fn what_cannot_depend_on_a_condition() {
    assert_snapshot!(mistakes("image \"a\" { when arch=\"x86_64\" { from \"b\"; tier \"maintained\" } }\nimage \"b\""), @"");
}

#[test]
fn copy_is_not_there_yet() {
    assert_snapshot!(mistakes("image \"a\" { copy \"x\" \"/x\" }"), @"");
}

#[test]
fn variables() {
    assert_snapshot!(mistakes("let prefix=\"/opt\"\nimage \"a\" {\n    dir \"${prefx}/x\"\n    dir \"/${HOME}\"\n    file \"/x\" \"${open\"\n    user \"${version}\"\n}"), @"");
    assert_snapshot!(mistakes("let a=\"${b}\" b=\"${c}\" c=\"${a}\"\nimage \"x\" { user \"${a}\"; let arch=\"mine\"; env A=\"${d}\"; let d=#true }"), @"");
}

#[test]
fn targets() {
    assert_snapshot!(mistakes("arch \"riscv64\" { oci \"riscv64\"; loader \"/lib/ld.so\" flags=\"x\"; tripel \"y\" }"), @"");
    assert_snapshot!(mistakes("distro \"sid\" {\n    arches \"x86-64\" \"x86_65\"\n    archive \"own\" dir=\"debs\"\n    archive \"Main\" { url \"ftp://x\"; keyring \"kye.gpg\"; suits \"sid\" }\n    default\n}"), @"");
    assert_snapshot!(mistakes("distro \"sid\" {\n    filters { exclude \"usr\"; drop \"/x\" }\n    snippet \"dh_x\" shape=\"sha256:00\" effect=\"ignore\"\n    script \"x\" effect=\"ignore\"\n    bytecode \"/usr/bin/python3\" { dirs \"usr\" }\n}"), @"");
    assert_snapshot!(mistakes("distro \"sid\" { script \"x\" kind=\"postinst\" {\n    alternative \"/usr/bin/awk\" name=\"awk\" { slave \"/x\" }\n    divert \"/sbin/start\"\n    ucf \"/etc/x\"\n} }"), @"");
}

#[test]
fn three_hundred_mistakes_are_three_hundred() {
    let text: String = (0..300).map(|at| format!("image \"image-{at}\" {{ nothing-{at} }}\n")).collect();
    let mistakes = super::Written::new(&[("specs/a.kdl", &text)]).load().unwrap_err();
    assert_eq!(mistakes.len(), 300);
    assert_eq!(mistakes.summary(), "300 mistakes in 1 file");
    assert_eq!(mistakes.reports().len(), 300);
}
