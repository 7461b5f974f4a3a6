use super::super::fixture::{World, path, read_root, real_root, tree};
use super::*;
use crate::estate::{EffectUse, ScriptKind, Worth};

/// What dh_apache2 puts into a postinst.
const SNIPPET: &str = "\
if true; then
	if [ -e /usr/share/apache2/apache2-maintscript-helper ] ; then
		. /usr/share/apache2/apache2-maintscript-helper
		for conf in wsgi  ; do
			apache2_invoke enmod $conf  || exit 1
		done
	fi
fi
";

const SERVER: [(&str, &str); 2] =
    [(HELPER, ""), ("/etc/apache2/mods-available/alias.load", "# Depends: core\nLoadModule alias")];

fn call(package: &str, effects: &[&[&str]], text: &str) -> Call {
    let effects = effects.iter().map(|words| EffectUse {
        name: words[0].to_owned(),
        arguments: words[1..].iter().map(|word| (*word).to_owned()).collect(),
    });
    Call {
        package: PackageName::new(package).unwrap(),
        kind: ScriptKind::Postinst,
        text: text.to_owned(),
        worth: Worth { effects: effects.collect(), ..Worth::default() },
    }
}

fn made(files: &[(&str, &str)], calls: Vec<Call>) -> Result<String, ApacheError> {
    let mut tree = tree(&[&SERVER, files].concat());
    let mut world = World::new("x86_64");
    world.calls = calls;
    run(&mut tree, &world.context())?;
    Ok(listing(&tree, |_, node| node.origin == ORIGIN))
}

fn listing(tree: &Tree, keep: impl Fn(&ImagePath, &Node) -> bool) -> String {
    let line = |(path, node): (&ImagePath, &Node)| match &node.kind {
        Kind::Symlink(target) => format!("{path} -> {target}"),
        Kind::Dir => format!("{path}/ {:o}", node.mode),
        _ => format!("{path} {:o} {}:{}", node.mode, node.uid, node.gid),
    };
    tree.iter().filter(|(path, node)| keep(path, node)).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_module_that_is_not_there_is_an_error() {
    let error = made(&[], vec![call("libapache2-mod-wsgi-py3", &[&["apache2-modules"]], SNIPPET)]).unwrap_err();
    insta::assert_snapshot!(error, @"`libapache2-mod-wsgi-py3` enables the module `wsgi` of Apache, but there is no `/etc/apache2/mods-available/wsgi.load`");
}

#[test]
fn a_dependency_that_is_not_there_is_an_error() {
    let error = made(&[], vec![call("apache2", &[&["apache2-modules", "alias"]], "")]).unwrap_err();
    insta::assert_snapshot!(error, @"`apache2` enables the module `core` of Apache, but there is no `/etc/apache2/mods-available/core.load`");
}

#[test]
fn a_text_that_enables_nothing_is_an_error() {
    let error = made(&[], vec![call("apache2", &[&["apache2-confs"]], "a2enmod -q \"mpm_$MPM\"")]).unwrap_err();
    insta::assert_snapshot!(error, @"the postinst of `apache2` is judged to be worth `apache2-confs`, but enables nothing that can be read from it");
}

#[test]
fn modules_that_exclude_each_other_are_an_error() {
    let files = [
        ("/etc/apache2/mods-available/mpm_event.load", "# Conflicts: mpm_worker mpm_prefork\n"),
        ("/etc/apache2/mods-available/mpm_prefork.load", "# Conflicts: mpm_event mpm_worker\n"),
    ];
    let calls = vec![call("apache2", &[&["apache2-modules", "mpm_event", "mpm_prefork"]], "")];
    insta::assert_snapshot!(made(&files, calls).unwrap_err(), @"`apache2` enables the module `mpm_prefork` of Apache, which excludes `mpm_event`, and that is enabled");
}

#[test]
fn a_site_that_needs_a_module_is_an_error_without_it() {
    let files = [("/etc/apache2/sites-available/x.conf", "# Depends: ssl\n")];
    let error = made(&files, vec![call("apache2", &[&["apache2-sites", "x"]], "")]).unwrap_err();
    insta::assert_snapshot!(error, @"`apache2` enables `x` of Apache, which needs the module `ssl`, and that is not enabled");
}

#[test]
fn without_the_server_nothing_is_enabled() {
    let mut tree = tree(&[]);
    let mut world = World::new("x86_64");
    world.calls = vec![call("libapache2-mod-wsgi-py3", &[&["apache2-modules"]], SNIPPET)];
    run(&mut tree, &world.context()).unwrap();
    assert_eq!(tree.touched().count(), 0);
}

#[test]
fn modules_are_enabled_after_what_they_depend_on() {
    let files = [
        (
            "/etc/apache2/mods-available/wsgi.load",
            "\n# Conflicts: other\n# Depends: alias\nLoadModule wsgi\n# Depends: none",
        ),
        ("/etc/apache2/mods-available/wsgi.conf", ""),
        ("/etc/apache2/mods-available/core.load", "# Depends: alias\n"),
        ("/etc/apache2/conf-available/security.conf", ""),
    ];
    let calls = vec![
        call("libapache2-mod-wsgi-py3", &[&["apache2-modules"]], SNIPPET),
        call("apache2", &[&["apache2-confs", "security"]], ""),
    ];
    insta::assert_snapshot!(made(&files, calls).unwrap(), @r"
    /etc/apache2/conf-enabled/ 755
    /etc/apache2/conf-enabled/security.conf -> ../conf-available/security.conf
    /etc/apache2/mods-enabled/ 755
    /etc/apache2/mods-enabled/alias.load -> ../mods-available/alias.load
    /etc/apache2/mods-enabled/core.load -> ../mods-available/core.load
    /etc/apache2/mods-enabled/wsgi.conf -> ../mods-available/wsgi.conf
    /etc/apache2/mods-enabled/wsgi.load -> ../mods-available/wsgi.load
    /var/ 755
    /var/lib/ 755
    /var/lib/apache2/ 755
    /var/lib/apache2/conf/ 755
    /var/lib/apache2/conf/enabled_by_maint/ 755
    /var/lib/apache2/conf/enabled_by_maint/security 644 0:0
    /var/lib/apache2/module/ 755
    /var/lib/apache2/module/enabled_by_maint/ 755
    /var/lib/apache2/module/enabled_by_maint/alias 644 0:0
    /var/lib/apache2/module/enabled_by_maint/core 644 0:0
    /var/lib/apache2/module/enabled_by_maint/wsgi 644 0:0
    ");
}

#[test]
fn a_switched_mpm_takes_the_place_of_the_other() {
    let files = [
        ("/etc/apache2/mods-available/mpm_event.load", "# Conflicts: mpm_prefork\n"),
        ("/etc/apache2/mods-available/mpm_event.conf", ""),
        ("/etc/apache2/mods-available/mpm_prefork.load", "# Conflicts: mpm_event\n"),
        ("/etc/apache2/mods-available/cgi.load", ""),
        ("/etc/apache2/mods-available/cgid.load", ""),
    ];
    let calls = vec![
        call("libapache2-mod-php8.4", &[&["apache2-modules"]], "\tapache2_switch_mpm prefork || true\n"),
        call("apache2", &[&["apache2-modules", "mpm_event", "cgi"]], ""),
    ];
    insta::assert_snapshot!(made(&files, calls).unwrap(), @r"
    /etc/apache2/mods-enabled/ 755
    /etc/apache2/mods-enabled/cgid.load -> ../mods-available/cgid.load
    /etc/apache2/mods-enabled/mpm_prefork.load -> ../mods-available/mpm_prefork.load
    /var/ 755
    /var/lib/ 755
    /var/lib/apache2/ 755
    /var/lib/apache2/module/ 755
    /var/lib/apache2/module/disabled_by_maint/ 755
    /var/lib/apache2/module/disabled_by_maint/mpm_event 644 0:0
    /var/lib/apache2/module/enabled_by_maint/ 755
    /var/lib/apache2/module/enabled_by_maint/cgid 644 0:0
    /var/lib/apache2/module/enabled_by_maint/mpm_prefork 644 0:0
    ");
}

#[test]
fn commands_are_read_from_a_shell_text() {
    let text = "for module in a \\\n\tb ; do\n a2enmod -m -q $module\ndone\na2ensite -q 000-default\n\
                a2enconf -m -q \"$gone\"\nif apache2_invoke ensite ${x}; then apache2_invoke enconf \"c\" || exit 1; fi";
    let enable = |piece, name: &str, by_package| Action::Enable { piece, name: name.to_owned(), by_package };
    assert_eq!(
        read(text),
        [
            enable(Piece::Module, "a", true),
            enable(Piece::Module, "b", true),
            enable(Piece::Site, "000-default", false),
            enable(Piece::Conf, "c", true),
        ]
    );
}

#[test]
fn all_is_as_in_a_real_root() {
    let Some(root) = real_root("x86_64") else { return };
    let script = |package: &str| {
        let text = std::fs::read_to_string(root.join(format!("var/lib/dpkg/info/{package}.postinst"))).unwrap();
        call(package, &[&["apache2-modules"]], &text)
    };
    let mut tree = Tree::default();
    for dir in ["/etc/apache2", "/usr/share/apache2"] {
        read_root(&mut tree, &root, dir);
    }
    read_root(&mut tree, &root, "/var/lib/apache2");
    let made = |path: &ImagePath| {
        ["mods", "conf", "sites"].iter().any(|name| path.as_str().starts_with(&format!("/etc/apache2/{name}-enabled/")))
            || path.as_str().starts_with("/var/lib/apache2/")
    };
    let expected = listing(&tree, |path, _| made(path));
    let paths: Vec<ImagePath> = tree.iter().map(|(path, _)| path.clone()).filter(|path| made(path)).collect();
    for path in paths {
        tree.remove(&path);
    }
    let mut world = World::new("x86_64");
    world.calls = vec![script("libapache2-mod-wsgi-py3"), script("apache2")];
    run(&mut tree, &world.context()).unwrap();
    assert_eq!(listing(&tree, |path, _| made(path)), expected);
    assert!(tree.lookup(&path("/etc/apache2/mods-enabled/wsgi.load")).is_some());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(for x in |done|; |\\$x|a2enmod |apache2_invoke |enmod |\\PC|\n|\"|\\\\\n){0,40}") {
        let _ = read(&text);
    }
}
