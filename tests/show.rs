//! `wharf show`.

use crate::views::{json, out, project, said};

#[test]
fn an_image_that_is_not_there_says_where_it_is() {
    let folder = project();
    insta::assert_snapshot!(said(&folder, &["show", "image", "webb"]), @"wharf::select::unknown x there is no image `webb` help: did you mean `web`?");
    insta::assert_snapshot!(said(&folder, &["show", "image", "jit", "--arch", "ppc64le"]), @"wharf::select::not_there x `jit` is not built for ppc64le help: it cannot be built there: its compiler knows no ppc64le");
    insta::assert_snapshot!(said(&folder, &["show", "image", "web", "--distro", "debian-bookworm"]), @"wharf::select::not_there x `web` is not built for debian-bookworm help: it is built for ppc64le on debian-trixie, x86_64 on debian-trixie");
}

#[test]
fn all_of_an_image_is_shown_resolved() {
    let folder = project();
    insta::assert_snapshot!(out(&folder, &["show", "image", "web", "--arch", "ppc64le"]), @r#"
    web for debian-trixie on ppc64le: A <web> server & "more"
      from          base > web
      tier          best-effort, deprecated since 2026.1, goes in 2027.1
      defined       specs/images.kdl:11:1
      wanted        yes
      also for      debian-trixie on x86_64
      refs          web:debian-trixie-ppc64le web:debian-trixie web:latest

    Of base
      packages      apt (and the essential set)
      tree          common, 3 paths
      file          /etc/motd

    Of web
      packages      nginx (= 1.26.*) ssl-cert curl (with what they recommend)
      pin           nginx* suite=trixie priority=990
      tree          common-web, 2 paths
      dir           /var/lib/web owner=web mode=0750
      file          /etc/motd
      link          /etc/localtime -> /usr/share/zoneinfo/Etc/UTC
      attr          /usr/sbin/nginx capabilities=cap_net_bind_service=ep
      omit          /usr/share/nginx/html/**
      script        nginx postinst: ignore

    Accounts
      web           42001:42001 home=/var/lib/web

    Configuration
      env           LANG=C.UTF-8
      env           TERM=dumb
      expose        80/tcp 53/udp
      volume        /var/lib/web
      user          web
      command       nginx -g 'daemon off;'
      health        healthcheck_http http://localhost/, every 30 s, within 10 s, unhealthy after 3, at first 1500 ms of grace

    Tests
      starts (inside the running service): curl http://localhost/

    Overrides
      /etc/motd: file of web, over tree `common` of base, file of base
      /etc/profile: tree `common-web` of web, over tree `common` of base
      env LANG: C.UTF-8, over C of base
      command: nginx -g daemon off;, over bash of base
      what they win over in packages is not known: the image is not locked

    Packages in wharf.lock
      none: the image is not locked; `wharf lock` locks it
    "#);
    insta::assert_snapshot!(out(&folder, &["show", "image", "jit", "--arch", "x86_64"]), @"
    jit for debian-trixie on x86_64
      from          base > jit
      tier          unmaintained
      defined       specs/images.kdl:39:1
      wanted        yes
      also for      debian-bookworm on x86_64
      not for       debian-trixie on ppc64le: its compiler knows no ppc64le
      refs          jit:debian-trixie-x86_64 jit:debian-trixie jit:latest

    Of base
      packages      apt (and the essential set)
      tree          common, 3 paths
      file          /etc/motd

    Of jit
      packages      luajit

    Configuration
      env           LANG=C
      env           TERM=dumb
      command       bash

    Overrides
      /etc/motd: file of base, over tree `common` of base
      what they win over in packages is not known: the image is not locked

    Packages in wharf.lock
      none: the image is not locked; `wharf lock` locks it
    ");
}

#[test]
fn the_document_is_the_images_configuration() {
    let folder = project();
    let document = json(&folder, &["show", "image", "web"]);
    assert_eq!(document["version"], 1);
    let images = document["images"].as_array().unwrap();
    assert_eq!(images.len(), 2);
    insta::assert_snapshot!(serde_json::to_string_pretty(&images[1]).unwrap(), @r#"
    {
      "accounts": [
        {
          "gecos": null,
          "gid": 42001,
          "group_only": false,
          "groups": [],
          "home": "/var/lib/web",
          "name": "web",
          "shell": null,
          "uid": 42001
        }
      ],
      "arch": "x86_64",
      "config": {
        "Cmd": [
          "nginx",
          "-g",
          "daemon off;"
        ],
        "Env": [
          "LANG=C.UTF-8",
          "TERM=dumb"
        ],
        "ExposedPorts": {
          "53/udp": {},
          "80/tcp": {}
        },
        "Healthcheck": {
          "Interval": 30000000000,
          "Retries": 3,
          "StartPeriod": 1500000000,
          "Test": [
            "CMD",
            "healthcheck_http",
            "http://localhost/"
          ],
          "Timeout": 10000000000
        },
        "Labels": {
          "io.wharf.health": "{\"command\":[\"healthcheck_http\",\"http://localhost/\"],\"interval_ms\":30000,\"retries\":3,\"start_ms\":1500,\"timeout_ms\":10000}"
        },
        "User": "web",
        "Volumes": {
          "/var/lib/web": {}
        }
      },
      "defined": "specs/images.kdl:11:1",
      "distro": "debian-trixie",
      "engine": "direct",
      "health": {
        "command": [
          "healthcheck_http",
          "http://localhost/"
        ],
        "interval_ms": 30000,
        "retries": 3,
        "start_ms": 1500,
        "timeout_ms": 10000
      },
      "import": null,
      "levels": [
        {
          "attrs": [],
          "dirs": [],
          "essential": true,
          "files": [
            {
              "group": null,
              "mode": null,
              "owner": null,
              "path": "/etc/motd",
              "source": null,
              "text": "Hello from base.\n"
            }
          ],
          "image": "base",
          "links": [],
          "omits": [],
          "packages": [
            "apt"
          ],
          "pins": [],
          "recommends": false,
          "scripts": [],
          "trees": [
            {
              "files": 3,
              "name": "common"
            }
          ]
        },
        {
          "attrs": [
            {
              "capabilities": "cap_net_bind_service=ep",
              "group": null,
              "mode": null,
              "owner": null,
              "path": "/usr/sbin/nginx"
            }
          ],
          "dirs": [
            {
              "group": null,
              "mode": "0750",
              "owner": "web",
              "path": "/var/lib/web"
            }
          ],
          "essential": false,
          "files": [
            {
              "group": null,
              "mode": null,
              "owner": null,
              "path": "/etc/motd",
              "source": null,
              "text": "Hello from web.\n"
            }
          ],
          "image": "web",
          "links": [
            {
              "path": "/etc/localtime",
              "target": "/usr/share/zoneinfo/Etc/UTC"
            }
          ],
          "omits": [
            "/usr/share/nginx/html/**"
          ],
          "packages": [
            "nginx (= 1.26.*)",
            "ssl-cert",
            "curl"
          ],
          "pins": [
            {
              "archive": null,
              "label": null,
              "origin": null,
              "packages": [
                "nginx*"
              ],
              "priority": 990,
              "suite": "trixie",
              "version": null
            }
          ],
          "recommends": true,
          "scripts": [
            {
              "kind": "postinst",
              "package": "nginx",
              "worth": "ignore"
            }
          ],
          "trees": [
            {
              "files": 2,
              "name": "common-web"
            }
          ]
        }
      ],
      "locked": null,
      "name": "web",
      "oci_arch": "amd64",
      "overrides": [
        {
          "over": [
            "tree `common` of base",
            "file of base"
          ],
          "what": "/etc/motd",
          "wins": "file of web"
        },
        {
          "over": [
            "tree `common` of base"
          ],
          "what": "/etc/profile",
          "wins": "tree `common-web` of web"
        },
        {
          "over": [
            "C of base"
          ],
          "what": "env LANG",
          "wins": "C.UTF-8"
        },
        {
          "over": [
            "bash of base"
          ],
          "what": "command",
          "wins": "nginx -g daemon off;"
        }
      ],
      "own_versions": false,
      "packages_known": false,
      "refs": [
        "web:debian-trixie-x86_64",
        "web:debian-trixie",
        "web:latest"
      ],
      "steps": [],
      "summary": "A <web> server & \"more\"",
      "support": {
        "deprecated_since": "2026.1",
        "removed_in": "2027.1",
        "tier": "maintained",
        "unbuildable": null
      },
      "tests": [
        {
          "expect": [
            "Hello"
          ],
          "name": "starts",
          "run": [
            [
              "curl",
              "http://localhost/"
            ]
          ],
          "service": true,
          "timeout_ms": 60000
        }
      ],
      "version_from": null,
      "wanted": true
    }
    "#);
}

#[test]
fn a_lock_adds_its_packages() {
    let folder = project();
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let lock = format!(
        "format 0\ncompression zstd-1.5.7-3-1m\n\ntarget debian-trixie x86_64\n\
         image jit groups=1 roots=luajit\n\
         package luajit 2.1 amd64 group=1 from=debian:pool/l/luajit_2.1_amd64.deb size=2048 {digest} source=luajit:2.1 fragment={digest}\n"
    );
    std::fs::write(folder.path().join("wharf.lock"), lock).unwrap();
    let text = out(&folder, &["show", "image", "jit", "--arch", "x86_64", "--distro", "debian-trixie", "--packages"]);
    insta::assert_snapshot!(text.split("Packages in").nth(1).unwrap(), @"
    wharf.lock
     1, 2.0 KiB to fetch
     luajit 2.1 amd64  wanted
    ");
}
