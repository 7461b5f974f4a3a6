//! `wharf graph`.

use crate::oracle;
use crate::views::{json, out, project, said};

#[test]
fn an_unknown_image_is_an_error() {
    let folder = project();
    insta::assert_snapshot!(said(&folder, &["graph", "wep"]), @"wharf::select::unknown x there is no image `wep` help: did you mean `web`?");
}

#[test]
fn it_is_a_tree() {
    let folder = project();
    insta::assert_snapshot!(out(&folder, &["graph"]), @r#"
    base    What all have in common
    ├─ jit  (unmaintained)
    └─ web  A <web> server & "more"
    "#);
    insta::assert_snapshot!(out(&folder, &["graph", "jit"]), @"
    base    What all have in common
    └─ jit  (unmaintained)
    ");
}

#[test]
fn graphviz_reads_it() {
    let folder = project();
    insta::assert_snapshot!(out(&folder, &["graph", "--dot"]), @r#"
    digraph images {
      rankdir=LR;
      node [shape=box, fontname="sans-serif"];
      "base" [style=solid, tooltip="What all have in common"];
      "jit" [style=dotted];
      "web" [style=solid, tooltip="A <web> server & \"more\""];
      "base" -> "jit";
      "base" -> "web";
    }
    "#);
}

#[test]
fn the_drawing_is_well_formed() {
    let folder = project();
    let svg = out(&folder, &["graph", "--svg"]);
    insta::assert_snapshot!(svg, @r##"
    <svg xmlns="http://www.w3.org/2000/svg" width="176" height="96" viewBox="0 0 176 96" font-family="monospace" font-size="13">
    <rect width="100%" height="100%" fill="white"/>
    <path d="M68 48 C92 48 92 30 116 30" fill="none" stroke="#888"/>
    <path d="M68 48 C92 48 92 66 116 66" fill="none" stroke="#888"/>
    <g><title>What all have in common · maintained</title><rect x="12" y="35" width="56" height="26" rx="4" fill="#f6f8fa" stroke="black"/><text x="40" y="52" text-anchor="middle" fill="black">base</text></g>
    <g><title>unmaintained</title><rect x="116" y="17" width="48" height="26" rx="4" fill="#f6f8fa" stroke="black" stroke-dasharray="2 3"/><text x="140" y="34" text-anchor="middle" fill="black">jit</text></g>
    <g><title>A &lt;web&gt; server &amp; &quot;more&quot; · maintained</title><rect x="116" y="53" width="48" height="26" rx="4" fill="#f6f8fa" stroke="black"/><text x="140" y="70" text-anchor="middle" fill="black">web</text></g>
    </svg>
    "##);
    // Every element that opens closes, and text is escaped.
    let check = "import sys, xml.dom.minidom as m; d = m.parse(sys.argv[1]); \
                 print(*[t.firstChild.data for t in d.getElementsByTagName('text')])";
    if !oracle::has("python3") {
        return;
    }
    let file = folder.path().join("images.svg");
    std::fs::write(&file, svg).unwrap();
    let names = oracle::stdout("python3", &["-c", check, file.to_str().unwrap()]);
    assert_eq!(names.trim(), "base jit web");
}

#[test]
fn the_document_names_each_parent() {
    let folder = project();
    let document = json(&folder, &["graph", "web"]);
    let pairs: Vec<_> =
        document["images"].as_array().unwrap().iter().map(|image| (&image["name"], &image["from"])).collect();
    assert_eq!(format!("{pairs:?}"), r#"[(String("base"), Null), (String("web"), String("base"))]"#);
}
